"""Opens a store together with Azure SignalR Service, which lets clients watch its runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from functools import cached_property

from openfeature.client import OpenFeatureClient

from bifrost_store.backends.registry import TRIGGERED, read_feed_items
from bifrost_store.changefeed import DeadLetters
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.opening.blocks import async_block
from bifrost_store.opening.signalr import open_signalr
from bifrost_store.opening.store import open_store
from bifrost_store.realtime import Delivery, MayWatch, RunPublisher, TriggerDelivery, Watchers, nobody
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store


class AzureRealtime:
    """A store, and who watches its runs through Azure SignalR Service."""

    def __init__(self, store: Store, watchers: Watchers, publisher: RunPublisher) -> None:
        self.store = store
        self.watchers = watchers
        self._publisher = publisher

    def delivery(self, backend: str) -> Delivery:
        """Return what a `bifrost_store.changefeed.ChangeFeedProcessor` of a backend's feeds is to hand items to."""
        return Delivery(self.store, backend, self._publisher)

    @cached_property
    def trigger(self) -> TriggerDelivery:
        """What a trigger on containers of Cosmos DB is to hand documents to. Its dead letters are those of ``azure-functions``.

        Raises:
            ConfigurationError: The settings name no Cosmos DB.
        """
        letters = DeadLetters(self.store.backend.backend(TRIGGERED), "azure-functions")
        return TriggerDelivery(self.delivery(TRIGGERED), self._publisher, letters, read_feed_items)


@async_block
async def open_azure_realtime(
    settings: StoreSettings | None = None,
    *,
    may_watch: MayWatch = nobody,
    publishes: bool = True,
    flags: OpenFeatureClient | None = None,
    clock: Clock = utc_now,
) -> AsyncIterator[AzureRealtime]:
    """Open a store, and let clients of Azure SignalR Service watch its runs until the end of the block.

    What other processes store, and where runs stand, is told of by whoever reads the store's feeds: a trigger of Azure Functions
    (`AzureRealtime.trigger`), or a `bifrost_store.changefeed.ChangeFeedProcessor` (`AzureRealtime.delivery`).

    Args:
        settings, flags, clock: As for `open_store`.
        may_watch: Decides who may watch what; by default nobody may watch anything.
        publishes: Tell of this process's recordings at once, before the feed delivers them: so each is sent twice.

    Raises:
        ConfigurationError: A setting is missing, unknown or malformed.
    """
    settings = settings or StoreSettings.from_environment()
    of_store = settings if publishes else settings.model_copy(update={"signalr_connection_string": None})
    async with open_signalr(settings) as sender:
        publisher = RunPublisher(sender, clock=clock)
        try:
            async with open_store(of_store, flags=flags, publisher=publisher if publishes else None, clock=clock) as store:
                yield AzureRealtime(store, Watchers(store, sender, may_watch=may_watch), publisher)
        finally:
            await publisher.aclose()
