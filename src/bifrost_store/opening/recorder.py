"""Makes the recorder of a store: with clients of its own, as it works on a thread and an event loop of its own."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any, TypeVar

from typing_extensions import override

from bifrost_store.backends.execution_data import DataPage, ExecutionData
from bifrost_store.backends.registry import BACKENDS, BackendFactory
from bifrost_store.core.clock import Clock
from bifrost_store.core.execution_data import DataDocument, DataRange, DataType, Run
from bifrost_store.core.publishing import Publisher
from bifrost_store.core.record import NEVER, Expiry
from bifrost_store.core.scope import Scope
from bifrost_store.documents import SPECS
from bifrost_store.errors import BackendUnavailableError, ConfigurationError, StoreError
from bifrost_store.recording.lanes import Sink
from bifrost_store.recording.recorder import ProcessRecorder
from bifrost_store.repositories.assembly import Context
from bifrost_store.repositories.execution_data.gathering import Gathering
from bifrost_store.repositories.executions.saving import SavedPayloads
from bifrost_store.routing.router import RoutedBackend
from bifrost_store.settings import StoreSettings
from bifrost_store.wrappers.checked import CheckedBackend
from bifrost_store.wrappers.observe import ObservedBackend
from bifrost_store.wrappers.observer import Observer

T = TypeVar("T")


def make_recorder(
    settings: StoreSettings,
    backend: RoutedBackend,
    is_on: Callable[[Scope], Awaitable[bool]],
    observer: Observer,
    *,
    clock: Clock,
    retention: timedelta | None,
    publisher: Publisher | None,
    loop: asyncio.AbstractEventLoop,
) -> ProcessRecorder:
    """Return the recorder of the store over *backend*.

    Args:
        is_on: Tells whether what runs of a scope leave is stored while they go on.
        observer: Sees what recordings ask of stores.
        retention: How long a run is kept after its last change. What it leaves is kept twice as long, so that it never ends first.
        publisher: Tells others of what recordings have stored.
        loop: The store's own.
    """

    @asynccontextmanager
    async def open_data(name: str) -> AsyncIterator[Sink]:
        if settings.is_in_memory(name) or name not in BACKENDS:  # of another package's, there may be one alone
            yield _Elsewhere(backend, name, loop)
            return
        async with AsyncExitStack() as stack:
            observed = ObservedBackend(BackendFactory(settings, SPECS, clock, stack).backend(name), observer)
            opened = CheckedBackend(observed, SPECS)
            stack.push_async_callback(opened.aclose)
            data = opened.execution_data
            if data is None:
                raise ConfigurationError(f"{name} keeps no execution data")
            yield data

    def expiry() -> Expiry:
        return NEVER if retention is None else clock() + 2 * retention

    gathering = Gathering(backend, backend.data_place, None)
    context = Context(backend, clock, backend.blobs_for, retention, place=backend.data_place, is_realtime=is_on)
    saved = SavedPayloads(backend, clock=clock, payloads=context.payloads, retention=retention, gathering=gathering)
    return ProcessRecorder(
        backend,
        place=backend.data_place,
        is_on=is_on,
        open_data=open_data,
        expiry=expiry,
        leave=saved.leave,
        masked_names=[] if settings.masked_names == "none" else settings.masked_names.split(","),
        publisher=publisher,
    )


class _Elsewhere(Sink):
    """Execution data that can be had on the store's own event loop only: a database in memory is there once."""

    def __init__(self, backend: RoutedBackend, name: str, loop: asyncio.AbstractEventLoop) -> None:
        self._backend = backend
        self._name = name
        self._loop = loop
        self._process = os.getpid()

    @property
    @override
    def shares_transactions(self) -> bool:
        return True

    @override
    async def append(self, flushes: Sequence[Sequence[DataDocument]]) -> list[StoreError | None]:
        return await self._there(lambda data: data.append(flushes))

    @override
    async def read(
        self,
        run: Run,
        ranges: Sequence[DataRange],
        *,
        types: Collection[DataType] | None = None,
        limit: int = 100,
        backwards: bool = False,
    ) -> DataPage:
        return await self._there(lambda data: data.read(run, ranges, types=types, limit=limit, backwards=backwards))

    async def _there(self, call: Callable[[ExecutionData], Coroutine[Any, Any, T]]) -> T:
        async def make() -> T:
            data = self._backend.backend(self._name).execution_data
            assert data is not None
            return await call(data)

        if os.getpid() != self._process or self._loop.is_closed():
            raise BackendUnavailableError("the database in memory belongs to another process, or an event loop that has ended")
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(make(), self._loop))
