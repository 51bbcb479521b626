"""The power of a backend to tell what has changed in it."""

from __future__ import annotations

from typing import Protocol

from bifrost_store.core.feed import FeedPage, FeedRange
from bifrost_store.core.spec import FeedName


class Feed(Protocol):
    """The changes of one store, at least once each, in order per partition key.

    It belongs to the store, not to a route: it delivers whatever the store was told, unfiltered. Of a record or document that
    changed several times only the present state may be delivered. Tombstones are states; what was purged is not told of. The
    library's own records are never delivered.
    """

    async def ranges(self, feed: FeedName) -> list[FeedRange]:
        """Return the parts that the feed has now, in order; together they are all of it. They may split and merge."""
        ...

    async def items(self, feed: FeedName, part: FeedRange, position: str | None = None, *, limit: int = 100) -> FeedPage:
        """Return what changed in *part* after *position*; one request.

        Args:
            part: One that `ranges` returned, now or before.
            position: From `items`, `tip` or `narrowed` of this feed and part; None: from the beginning.
            limit: 1 to 500 items; a page has more where a transaction would be cut.

        Raises:
            InvalidContinuationTokenError: The position was altered, or belongs to another feed, part or store.
        """
        ...

    async def tip(self, feed: FeedName, part: FeedRange) -> str:
        """Return the position behind everything that has happened so far."""
        ...

    def narrowed(self, feed: FeedName, position: str, part: FeedRange) -> str:
        """Return *position*, of a range that has been split, as one of *part*, which lies in it.

        Raises:
            InvalidContinuationTokenError: It was altered, or belongs to another feed or range.
        """
        ...
