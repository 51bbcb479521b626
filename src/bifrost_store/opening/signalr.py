"""The Azure SignalR Service that the settings name, and what tells its clients of a store's feeds."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from bifrost_store.backends.registry import azure_credential
from bifrost_store.changefeed import ChangeFeedProcessor
from bifrost_store.errors import ConfigurationError
from bifrost_store.realtime import RUN_FEEDS, Delivery, RunPublisher
from bifrost_store.settings import StoreSettings, variable_name
from bifrost_store.signalr import AzureSignalR, Sender
from bifrost_store.store import Store


@asynccontextmanager
async def open_signalr(settings: StoreSettings) -> AsyncIterator[AzureSignalR]:
    """Give the service that the settings name, by its key, or by the identity of the environment.

    Raises:
        ConfigurationError: They name none.
        MissingDependencyError: The library for identities is not installed.
    """
    if settings.signalr_connection_string is None:
        raise ConfigurationError(f"there is no Azure SignalR Service; set {variable_name('signalr_connection_string')}")
    text = settings.signalr_connection_string.get_secret_value()
    if re.search(r"(^|;)\s*accesskey\s*=", text, re.IGNORECASE):
        async with AzureSignalR(text, hub=settings.signalr_hub) as sender:
            yield sender
        return
    async with azure_credential() as credential, AzureSignalR(text, credential=credential, hub=settings.signalr_hub) as sender:
        yield sender


async def follow_realtime(store: Store, name: str, sender: Sender, *, poll_seconds: float = 1.0) -> None:
    """Tell clients of *sender* of everything that the feeds of one store deliver of runs, until cancelled.

    As many processes as there are share the work. Azure SignalR Service does not say whether anybody watches: every change is sent,
    and the service counts it only where somebody receives it.

    Args:
        store: Knows the routes of scopes, and where real time is switched off.
        name: Of the backend whose feeds are followed.
        poll_seconds: How long to wait when nothing is new.

    Raises:
        ConfigurationError: The store has no feed.
    """
    publisher = RunPublisher(sender)
    delivery = Delivery(store, name, publisher)
    backend = store.backend.backend(name)
    processors = [
        ChangeFeedProcessor(backend, name=f"realtime-{feed}", feed=feed, handler=delivery.handle, poll_seconds=poll_seconds)
        for feed in RUN_FEEDS
    ]
    try:
        async with anyio.create_task_group() as tasks:
            for processor in processors:
                tasks.start_soon(processor.run)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    finally:
        await publisher.aclose()
