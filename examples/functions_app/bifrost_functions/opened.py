"""The store of this worker process: opened at the first call, kept until the process ends."""

from __future__ import annotations

from contextlib import AsyncExitStack

import anyio

from bifrost_store import Store, StoreSettings, open_store
from bifrost_store.opening.azure_realtime import AzureRealtime, open_azure_realtime
from bifrost_store.realtime import platform_rules

_stack = AsyncExitStack()
_lock = anyio.Lock()
_store: Store | None = None
_realtime: AzureRealtime | None = None


def is_realtime(settings: StoreSettings) -> bool:
    """Return whether runs may be watched: real time is on, and there is a service that clients can connect to."""
    return settings.realtime == "on" and settings.signalr_connection_string is not None


async def store() -> Store:
    """Return the store that the environment names. The worker runs every asynchronous function on one loop."""
    global _store  # noqa: PLW0603 - one per process
    async with _lock:
        if _store is None:
            settings = StoreSettings.from_environment()
            if is_realtime(settings):
                _store = (await _open_realtime(settings)).store
            else:
                _store = await _stack.enter_async_context(open_store(settings))
        return _store


async def realtime() -> AzureRealtime:
    """Return the store together with the service that clients watch its runs through. Only where real time is on."""
    await store()
    assert _realtime is not None
    return _realtime


async def _open_realtime(settings: StoreSettings) -> AzureRealtime:
    global _realtime  # noqa: PLW0603 - one per process
    _realtime = await _stack.enter_async_context(open_azure_realtime(settings, may_watch=platform_rules))
    return _realtime


def use(opened: Store | None, watched: AzureRealtime | None = None) -> None:
    """Take a store that somebody else opened and closes: for tests."""
    global _store, _realtime
    _store, _realtime = opened, watched
