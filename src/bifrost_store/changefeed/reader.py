"""`FeedReader`: a feed read by one reader for itself, without leases."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Final

import anyio

from bifrost_store.backends.protocol import Backend
from bifrost_store.changefeed.positions import pack, start_at, unpack
from bifrost_store.changefeed.power import feed_of
from bifrost_store.changefeed.sharing import gaps, pieces
from bifrost_store.core.events import log_event
from bifrost_store.core.feed import FeedItem, FeedPage, FeedRange
from bifrost_store.core.spec import FeedName
from bifrost_store.wrappers.feed import check_feed_name

_logger: Final = logging.getLogger("bifrost_store.feed")
_RANGES_SECONDS: Final = 60.0


class FeedReader:
    """Reads what changes in a store, for as long as it is asked to. Nothing is stored: to go on later, keep `position`.

    Args:
        store: Whose feed: ``store.backend.backend(name)`` of an open store.
        feed: ``entities``, ``executions`` or ``execution_data``.
        start: ``now``, ``beginning``, or the `position` of an earlier reader.
        poll_seconds: How long to wait when nothing is new; may be changed while it reads.
        limit: Items of a page, 1 to 500.

    Raises:
        ConfigurationError: The store has no feed; the message says what to use instead.
    """

    def __init__(self, store: Backend, feed: FeedName, *, start: str = "now", poll_seconds: float = 5.0, limit: int = 100) -> None:
        check_feed_name(feed)
        if start not in ("now", "beginning"):
            unpack(feed, start)
        self.poll_seconds = poll_seconds
        self._feed = feed_of(store)
        self._name: FeedName = feed
        self._start = start
        self._limit = limit
        self._positions: dict[FeedRange, str | None] = {}
        self._looked_at = -_RANGES_SECONDS

    async def open(self) -> str:
        """Begin, where that is not done yet, and return `position`: what changes from then on will be read."""
        await self._look()
        return self.position

    @property
    def position(self) -> str:
        """Behind every page that `pages` has gone past, from where another reader or a processor goes on."""
        return pack(self._name, self._positions)

    async def pages(self, *, follow: bool = True) -> AsyncIterator[FeedPage]:
        """Go through the pages of all ranges, but for empty ones; `position` is before a page until the next is asked for.

        Args:
            follow: Wait for more when nothing is new; else end then.
        """
        while True:
            await self._look()
            is_drained = True
            for part in list(self._positions):
                page = await self._feed.items(self._name, part, self._positions[part], limit=self._limit)
                if page.items or page.unreadable:
                    yield page
                self._positions[part] = page.position
                is_drained = is_drained and page.is_drained
            if not is_drained:
                continue
            if not follow:
                return
            await anyio.sleep(self.poll_seconds)

    async def __aiter__(self) -> AsyncIterator[FeedItem]:
        """Go through the items of `pages`. One that cannot be read is logged."""
        async for page in self.pages():
            for error in page.unreadable:
                log_event(_logger, logging.WARNING, "feed.unreadable", item=error.key)
            for item in page.items:
                yield item

    async def _look(self) -> None:
        """Find the ranges, and those that were split."""
        if anyio.current_time() - self._looked_at < _RANGES_SECONDS:
            return
        ranges = await self._feed.ranges(self._name)
        for gap in gaps(ranges, self._positions):
            self._positions |= await start_at(self._feed, self._name, self._start, gap)
        for part in list(self._positions):
            if parts := pieces(part, ranges):
                position = self._positions.pop(part)
                self._positions |= {each: position and self._feed.narrowed(self._name, position, each) for each in parts}
        self._looked_at = anyio.current_time()
