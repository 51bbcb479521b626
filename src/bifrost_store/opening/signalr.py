"""Makes the sender of Azure SignalR Service that the settings name."""

from __future__ import annotations

from contextlib import AsyncExitStack

import anyio

from bifrost_store.changefeed import ChangeFeedProcessor
from bifrost_store.errors import ConfigurationError, MissingDependencyError
from bifrost_store.realtime import RUN_FEEDS, Delivery, RunPublisher
from bifrost_store.settings import StoreSettings, variable_name
from bifrost_store.signalr import AzureSignalR, Sender
from bifrost_store.store import Store


def open_sender(settings: StoreSettings, stack: AsyncExitStack) -> Sender:
    """Return a client of the service that *settings* name, which *stack* closes. Nothing is connected to yet.

    Raises:
        ConfigurationError: They name none.
        MissingDependencyError: The extra ``identity`` is needed, and not installed.
    """
    if settings.signalr_connection_string is None:
        raise ConfigurationError(f"no Azure SignalR Service is named; set {variable_name('signalr_connection_string')}")
    text = settings.signalr_connection_string.get_secret_value()
    credential = None
    if "accesskey=" not in text.lower():
        try:
            from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - an extra
        except ModuleNotFoundError as error:
            raise MissingDependencyError("azure-identity is missing; pip install 'bifrost-store[identity]'") from error
        credential = DefaultAzureCredential()
        stack.push_async_callback(credential.close)
    sender = AzureSignalR(text, credential=credential, hub=settings.signalr_hub)
    stack.push_async_callback(sender.aclose)
    return sender


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
