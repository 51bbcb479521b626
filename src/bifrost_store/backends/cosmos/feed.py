"""The feeds of a Cosmos DB database: the change feeds of its containers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from azure.cosmos.aio import ContainerProxy
from typing_extensions import override

from bifrost_store.backends.cosmos.account import CosmosAccount
from bifrost_store.backends.cosmos.changes import Changes, Mark, cut, read_changes, read_ranges, read_tip
from bifrost_store.backends.cosmos.errors import understood, wrap_errors
from bifrost_store.backends.cosmos.feed_items import read_feed_items
from bifrost_store.backends.cosmos.layout import CONTAINER_OF
from bifrost_store.backends.feed import Feed
from bifrost_store.backends.positions import narrow_position, open_position, seal_position
from bifrost_store.core.clock import Clock
from bifrost_store.core.feed import FeedPage, FeedRange
from bifrost_store.core.json import dump_json, load_json
from bifrost_store.core.spec import FeedName, Specs
from bifrost_store.errors import InvalidContinuationTokenError

Marks = tuple[Mark, ...]


class CosmosFeed(Feed):
    """The changes of one database.

    A position holds a mark for each part into which the service has split its range since; one part is read at a time.
    """

    def __init__(self, account: CosmosAccount, specs: Specs, clock: Clock) -> None:
        self._account = account
        self._specs = specs
        self._now = clock
        self._rids: dict[str, str] = {}

    @override
    async def ranges(self, feed: FeedName) -> list[FeedRange]:
        with wrap_errors("feed_ranges"):
            return await read_ranges(await self._container(feed))

    @override
    async def items(self, feed: FeedName, part: FeedRange, position: str | None = None, *, limit: int = 100) -> FeedPage:
        with wrap_errors("feed_items"):
            rid, marks = await self._start(feed, part, position)
            with self._forgetting(feed):
                changes = await read_changes(await self._container(feed), rid, marks[0], size=limit)
        following, is_drained = _following(marks, changes)
        items, unreadable = read_feed_items(feed, changes.documents, self._specs)
        return FeedPage(
            tuple(items),
            seal_position(rid, feed, part, _dumped(following)),
            is_drained,
            0 if is_drained else changes.behind or 0,
            changes.age_seconds(self._now().timestamp()),
            tuple(unreadable),
        )

    @override
    async def tip(self, feed: FeedName, part: FeedRange) -> str:
        with wrap_errors("feed_tip"):
            rid = await self._rid(feed)
            with self._forgetting(feed):
                changes = await read_tip(await self._container(feed), rid, part)
        return seal_position(rid, feed, part, _dumped(changes.marks))

    @override
    def narrowed(self, feed: FeedName, position: str, part: FeedRange) -> str:
        return narrow_position(feed, part, position, lambda text: _dumped(cut(_loaded(text), part)))

    async def _start(self, feed: FeedName, part: FeedRange, position: str | None) -> tuple[str, Marks]:
        rid = await self._rid(feed)
        if position is None:
            return rid, (Mark(None, part),)
        try:
            return rid, _loaded(open_position(rid, feed, part, position))
        except InvalidContinuationTokenError:
            # It may be of a container that took the place of the one that is known here.
            self._rids.pop(feed)
            rid = await self._rid(feed)
            return rid, _loaded(open_position(rid, feed, part, position))

    async def _rid(self, feed: FeedName) -> str:
        """Return what the service calls the container of *feed*: another name once it is made again."""
        if feed not in self._rids:
            container = await self._container(feed)
            with understood():
                self._rids[feed] = (await container.read())["_rid"]
        return self._rids[feed]

    async def _container(self, feed: FeedName) -> ContainerProxy:
        return await self._account.container(CONTAINER_OF[feed])

    @contextmanager
    def _forgetting(self, feed: FeedName) -> Iterator[None]:
        """Forget which container it is when the block fails: it may be another one by now."""
        try:
            yield
        except BaseException:
            self._rids.pop(feed, None)
            raise


def _following(marks: Marks, changes: Changes) -> tuple[Marks, bool]:
    """Return where to go on, with the part that was read longest ago first, and whether nothing is left in any part."""
    is_read = not changes.documents or (len(changes.marks) == 1 and changes.behind == 0)
    others = (replace(mark, is_drained=mark.is_drained and not changes.documents) for mark in marks[1:])
    following = (*others, *(replace(mark, is_drained=is_read) for mark in changes.marks))
    is_drained = all(mark.is_drained for mark in following)
    return tuple(replace(mark, is_drained=mark.is_drained and not is_drained) for mark in following), is_drained


def _dumped(marks: Marks) -> str:
    return dump_json([[mark.token, mark.part.low, mark.part.high, mark.is_drained] for mark in marks])


def _loaded(text: str) -> Marks:
    return tuple(Mark(token, FeedRange(low, high), is_drained) for token, low, high, is_drained in load_json(text))
