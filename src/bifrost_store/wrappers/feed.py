"""A feed that refuses bad input alike on every backend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, get_args

from typing_extensions import override

from bifrost_store.backends.feed import Feed
from bifrost_store.core.feed import FeedPage, FeedRange
from bifrost_store.core.query import check_page_size
from bifrost_store.core.spec import FeedName
from bifrost_store.errors import InvalidContinuationTokenError, InvalidRequestError

_NAMES: Final = get_args(FeedName)
_HASH: Final = re.compile(r"[0-9A-F]{0,64}")


@dataclass(frozen=True, slots=True)
class CheckedFeed(Feed):
    """A `Feed` whose inner feed sees only what can be asked of one.

    Attributes:
        inner: Answers.
    """

    inner: Feed

    @override
    async def ranges(self, feed: FeedName) -> list[FeedRange]:
        _check(feed)
        return await self.inner.ranges(feed)

    @override
    async def items(self, feed: FeedName, part: FeedRange, position: str | None = None, *, limit: int = 100) -> FeedPage:
        _check(feed, part, position)
        check_page_size(limit)
        return await self.inner.items(feed, part, position, limit=limit)

    @override
    async def tip(self, feed: FeedName, part: FeedRange) -> str:
        _check(feed, part)
        return await self.inner.tip(feed, part)

    @override
    def narrowed(self, feed: FeedName, position: str, part: FeedRange) -> str:
        _check(feed, part, position)
        return self.inner.narrowed(feed, position, part)


def check_feed_name(name: str) -> None:
    """Refuse what is no feed.

    Raises:
        InvalidRequestError: The message names those that there are.
    """
    if name not in _NAMES:
        raise InvalidRequestError(f"feed {name!r}: there are {', '.join(_NAMES)}")


def _check(feed: str, part: FeedRange | None = None, position: object = None) -> None:
    check_feed_name(feed)
    if part is not None and not (_HASH.fullmatch(part.low) and _HASH.fullmatch(part.high) and part.low < part.high):
        raise InvalidRequestError(f"range {part}: expected two hashes of hex digits, the lower one first")
    if position is not None and not isinstance(position, str):
        raise InvalidContinuationTokenError("position: not one that this library gave out")
