"""The powers of a backend, repair, layout and feed, whose operations an `Observer` sees."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from bifrost_store.backends.feed import Feed
from bifrost_store.backends.protocol import Difference, IndexRows, Layout, Repair, RepairReport
from bifrost_store.core.feed import FeedPage, FeedRange
from bifrost_store.core.progress import Progress, silent
from bifrost_store.core.spec import FeedName


@dataclass(frozen=True, slots=True)
class ObservedRepair:
    """A `Repair` whose operations are observed."""

    inner: Repair
    operation: Callable[[str], AbstractContextManager[None]]

    async def run(
        self, *, old_application_stopped: bool = False, index_rows: IndexRows | None = None, progress: Progress = silent
    ) -> RepairReport:
        with self.operation("repair"):
            return await self.inner.run(old_application_stopped=old_application_stopped, index_rows=index_rows, progress=progress)


@dataclass(frozen=True, slots=True)
class ObservedLayout:
    """A `Layout` whose operations are observed."""

    inner: Layout
    operation: Callable[[str], AbstractContextManager[None]]

    async def differences(self, *, missing_ok: bool = False) -> list[Difference]:
        with self.operation("differences"):
            return await self.inner.differences(missing_ok=missing_ok)

    async def fix(self) -> list[Difference]:
        with self.operation("fix"):
            return await self.inner.fix()


@dataclass(frozen=True, slots=True)
class ObservedFeed:
    """A `Feed` whose operations are observed."""

    inner: Feed
    operation: Callable[[str, str], AbstractContextManager[None]]

    async def ranges(self, feed: FeedName) -> list[FeedRange]:
        with self.operation("feed_ranges", feed):
            return await self.inner.ranges(feed)

    async def items(self, feed: FeedName, part: FeedRange, position: str | None = None, *, limit: int = 100) -> FeedPage:
        with self.operation("feed_items", feed):
            return await self.inner.items(feed, part, position, limit=limit)

    async def tip(self, feed: FeedName, part: FeedRange) -> str:
        with self.operation("feed_tip", feed):
            return await self.inner.tip(feed, part)

    def narrowed(self, feed: FeedName, position: str, part: FeedRange) -> str:
        return self.inner.narrowed(feed, position, part)
