"""Opens a store together with what lets clients watch its runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

from openfeature.client import OpenFeatureClient

from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.opening.blocks import async_block
from bifrost_store.opening.store import open_store
from bifrost_store.realtime import FeedWatch, Grants, MayWatch, RunPublisher, Watchers, nobody, serve_watchers
from bifrost_store.settings import StoreSettings
from bifrost_store.signalr import Hub
from bifrost_store.store import Store


@dataclass(frozen=True, slots=True)
class Realtime:
    """A store, and who watches its runs through a hub of this process."""

    store: Store
    watchers: Watchers


@async_block
async def open_realtime(
    hub: Hub,
    settings: StoreSettings | None = None,
    *,
    may_watch: MayWatch = nobody,
    key: bytes | None = None,
    poll_seconds: float = 0.5,
    publishes: bool = True,
    flags: OpenFeatureClient | None = None,
    clock: Clock = utc_now,
) -> AsyncIterator[Realtime]:
    """Open a store, and let clients of *hub* watch its runs until the end of the block.

    What recordings of this process store is told of at once; what other processes store, and where runs stand, is read from the
    change feeds of SQLite or Cosmos DB while somebody watches. On Table Storage nothing is told of: clients read now and then.

    Args:
        hub: Serves the clients, on this event loop.
        settings, flags, clock: As for `open_store`.
        may_watch: Decides who may watch what; by default nobody may watch anything.
        key: The hub's, where several processes serve it: clients' requests may reach another one than their connections.
        poll_seconds: How long to wait at most when a feed has nothing new; a poll is one request for each of its ranges. While
            changes come it is asked for more every 25 ms.
        publishes: Tell of this process's recordings at once; else they, too, are told of when the feed delivers them.

    Raises:
        ConfigurationError: A setting is missing, unknown or malformed.
    """
    publisher = RunPublisher(hub, is_watched=lambda group: group in hub.groups(), clock=clock)
    try:
        async with open_store(settings, flags=flags, publisher=publisher if publishes else None, clock=clock) as store:
            feeds = FeedWatch(store, publisher, hub.groups, poll_seconds=poll_seconds)
            grants = None if key is None else Grants(key)
            watchers = Watchers(store, hub, may_watch=may_watch, begin=feeds.watch, grants=grants)
            serve_watchers(hub, watchers)
            task = asyncio.create_task(feeds.run())
            try:
                yield Realtime(store, watchers)
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
    finally:
        await publisher.aclose()
