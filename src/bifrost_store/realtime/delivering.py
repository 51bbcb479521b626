"""From a store's feeds to those who watch: what changes anywhere, told by a process that did not do it itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bifrost_store.core.execution_data import DataDocument
from bifrost_store.core.feed import FeedItem
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import FeedName
from bifrost_store.documents import Execution
from bifrost_store.errors import StoreError
from bifrost_store.realtime.publishing import RunPublisher
from bifrost_store.store import Store

RUN_FEEDS: Final[tuple[FeedName, FeedName]] = ("execution_data", "executions")
"""What runs leave, and where they stand."""


class Delivery:
    """Tells of what one store's feeds deliver, as far as the store answers for it.

    `handle` is what a `bifrost_store.changefeed.ChangeFeedProcessor` of each feed of `RUN_FEEDS` calls: it never fails, as what was
    not told is read by those who watch.

    Args:
        store: Knows the routes of scopes, and where real time is switched off.
        name: Of the backend whose feeds these are. What another one answers for is not told of.
        publisher: Tells.
    """

    def __init__(self, store: Store, name: str, publisher: RunPublisher) -> None:
        self._store = store
        self._name = name
        self._publisher = publisher

    async def handle(self, items: Sequence[FeedItem]) -> None:
        """Tell of *items*, and wait until all is sent or dropped."""
        await self.tell(items)
        await self._publisher.sent()

    async def tell(self, items: Sequence[FeedItem]) -> None:
        """Tell of *items*."""
        scopes = {_scope_of(item) for item in items}
        told = {scope for scope in scopes if await self._is_told(scope)}
        for item in items:
            if _scope_of(item) not in told:
                continue
            if isinstance(item, DataDocument):
                self._publisher.tell_of_data([item])
            elif isinstance(item, Record) and item.key.kind == Execution.spec.kind:
                self._publisher.tell_of_run(item)

    async def _is_told(self, scope: Scope) -> bool:
        try:
            return await live_store(self._store, scope) == self._name
        except StoreError:
            return False


async def live_store(store: Store, scope: Scope) -> str | None:
    """Return the name of the backend whose feeds tell of a scope's runs; None: real time is off, or it has none.

    Raises:
        StoreError: The route cannot be read.
    """
    return (await store.backend.data_place(scope)).store if await store.context.is_realtime(scope) else None


def _scope_of(item: FeedItem) -> Scope:
    return item.run.scope if isinstance(item, DataDocument) else item.key.scope
