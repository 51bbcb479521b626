"""Reads the feeds that tell of what clients of this process watch, for as long as somebody does."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

import anyio

from bifrost_store.changefeed import FeedReader
from bifrost_store.core.events import log_event
from bifrost_store.core.execution_data import DataDocument
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.errors import InvalidContinuationTokenError, StoreError
from bifrost_store.realtime.delivering import RUN_FEEDS, Delivery, live_store
from bifrost_store.realtime.groups import scope_of_group
from bifrost_store.realtime.publishing import RunPublisher
from bifrost_store.store import Store

_LONGEST_PAUSE: Final = 30.0
_AFTER_NEWS: Final = 0.025
"""More comes soon after something did: a run that is watched is told of as it goes on, and silence costs little."""
_logger = logging.getLogger("bifrost_store.realtime")


@dataclass(slots=True)
class _Paced:
    """One feed that is read: soon after it had news, else ever less often."""

    reader: FeedReader
    longest_pause: float
    pause: float
    due: float = 0.0

    def was_read(self, *, is_news: bool) -> None:
        self.pause = min(_AFTER_NEWS if is_news else 2 * self.pause, self.longest_pause)
        self.due = anyio.current_time() + self.pause

    def hasten(self) -> None:
        self.pause, self.due = _AFTER_NEWS, 0.0


@dataclass(slots=True)
class _Watched:
    """One store that is read."""

    delivery: Delivery
    feeds: list[_Paced]


class FeedWatch:
    """Follows the feeds of whichever stores answer for the scopes that are watched, from the moment that they are.

    Args:
        store: Whose feeds.
        publisher: Tells of what they deliver.
        groups: Returns the groups of this process's hub that have members.
        poll_seconds: How long to wait at most when a feed has nothing new; a poll costs one request for each of its ranges. While
            changes come it is asked for more every 25 ms.
    """

    def __init__(
        self, store: Store, publisher: RunPublisher, groups: Callable[[], Collection[str]], *, poll_seconds: float = 0.5
    ) -> None:
        self._store = store
        self._publisher = publisher
        self._groups = groups
        self._poll_seconds = poll_seconds
        self._watched: dict[str, _Watched] = {}
        self._lock = anyio.Lock()
        self._news = anyio.Event()

    async def watch(self, scope: Scope) -> bool:
        """Begin to read what tells of *scope*'s runs, if nothing does yet; return whether something can.

        What changes after this returned will be told of, for as long as somebody is in a group of the scope.

        Raises:
            StoreError: It cannot be read now; it will be, once it can.
        """
        self._news.set()
        name = await live_store(self._store, scope)
        if name is not None:
            async with self._lock:
                await self._open(name)
        return name is not None

    async def run(self) -> None:
        """Tell of what the feeds deliver, until cancelled. A store that fails is asked again, ever less often."""
        failures = 0
        while True:
            if not self._groups():
                self._watched.clear()
                await self._news.wait()
            self._news = anyio.Event()
            try:
                pause = await self._look()
                failures = 0
            except StoreError as error:
                failures += 1
                if failures == 1:
                    log_event(_logger, logging.WARNING, "realtime.feed_failed", error, error=type(error).__name__)
                pause = min(self._poll_seconds * 2**failures, _LONGEST_PAUSE)
            await anyio.sleep(pause)

    async def _look(self) -> float:
        """Tell of what is new in feeds that are due; return for how many seconds none is."""
        async with self._lock:
            scopes = set(map(scope_of_group, self._groups()))
            names = {name for scope in scopes if (name := await live_store(self._store, scope)) is not None}
            self._watched = {name: one for name, one in self._watched.items() if name in names}
            for name in names:
                await self._open(name)
            feeds = [(name, one, feed) for name, one in self._watched.items() for feed in one.feeds]
        now = anyio.current_time()
        await for_each(self._tell, [each for each in feeds if each[-1].due <= now])
        due = min((feed.due for _, _, feed in feeds), default=now + self._poll_seconds)
        return max(0.0, due - anyio.current_time())

    async def _tell(self, what: tuple[str, _Watched, _Paced]) -> None:
        name, one, feed = what
        is_news = False
        try:
            async for page in feed.reader.pages(follow=False):
                is_news = is_news or bool(page.items)
                await one.delivery.tell(page.items)
                if any(isinstance(item, DataDocument) and "ends" in item.body for item in page.items):
                    # Where a run stands now is told of in the other feed.
                    for each in one.feeds:
                        each.hasten()
        except InvalidContinuationTokenError:
            # The store was made anew: what was there before is gone, and those who watch read what there is.
            self._watched.pop(name, None)
        feed.was_read(is_news=is_news)

    async def _open(self, name: str) -> None:
        if name in self._watched:
            return
        backend = self._store.backend.backend(name)
        readers = [FeedReader(backend, feed, limit=500) for feed in RUN_FEEDS]
        for reader in readers:
            await reader.open()
        feeds = [_Paced(reader, self._poll_seconds, self._poll_seconds) for reader in readers]
        self._watched[name] = _Watched(Delivery(self._store, name, self._publisher), feeds)
