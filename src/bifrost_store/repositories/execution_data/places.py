"""What binds runs to where their execution data is, and to whoever records it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from bifrost_store.backends.execution_data import DataPlace
from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import Execution
from bifrost_store.repository_protocols.execution_data import Level, Recording
from bifrost_store.repository_protocols.executions import ExecutionRef

FindPlace = Callable[[Scope], Awaitable[DataPlace]]
"""Returns where the execution data of a scope is now."""


class Recorder(Protocol):
    """Records runs; made by whoever opens the store."""

    def recording(
        self, execution: Execution | ExecutionRef, *, level: Level, capture: bool
    ) -> AbstractAsyncContextManager[Recording]:
        """See `bifrost_store.repository_protocols.execution_data.ExecutionItems.recording`."""
        ...


def creation_of(record: Record) -> str:
    """Return what names the creation of a run's record; of rows of the old application it is their start time."""
    creation: str = record.body.get("creationId") or record.body["startedAt"]
    return creation


def own_place(backend: Backend) -> FindPlace:
    """Return what tells where execution data is that lies with *backend*, or nowhere."""

    async def place(scope: Scope) -> DataPlace:
        data = backend.execution_data
        return DataPlace(None if data is None else backend.name, data, data is not None)

    return place
