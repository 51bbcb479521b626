"""What binds runs to where their execution data is, and to whoever records it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from bifrost_store.backends.execution_data import DataPlace
from bifrost_store.backends.protocol import Backend
from bifrost_store.core.execution_data import Run
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import Execution
from bifrost_store.repositories.executions.creation import creation_of
from bifrost_store.repository_protocols.execution_data import Item, Level, Recording
from bifrost_store.repository_protocols.executions import ExecutionRef

FindPlace = Callable[[Scope], Awaitable[DataPlace]]
"""Returns where the execution data of a scope is now."""


@dataclass(frozen=True, slots=True)
class OwnItems:
    """What a recording of this process has kept of its items.

    Attributes:
        store: Where they also are, or are on their way to; None: nowhere.
        recording: Under which ordinal; None: nothing of it is there yet.
        items: All of them, in order.
    """

    store: str | None
    recording: int | None
    items: Sequence[Item]


class Recorder(Protocol):
    """Records runs; made by whoever opens the store."""

    def knows(self, key: Key) -> bool:
        """Return whether this process records, or has recorded, the run at *key*."""
        ...

    async def settle(self, run: Run) -> list[OwnItems]:
        """Wait, but not long, until what this process has recorded of a run is stored; return what it has kept of it."""
        ...

    def forget(self, run: Run) -> None:
        """Let go of what is kept of recordings that have ended: it is where it belongs."""
        ...

    def recording(
        self, execution: Execution | ExecutionRef, *, level: Level, capture: bool
    ) -> AbstractAsyncContextManager[Recording]:
        """See `bifrost_store.repository_protocols.execution_data.ExecutionItems.recording`."""
        ...


def run_of(record: Record) -> Run:
    """Return a run as its execution data knows it."""
    return Run(record.key.scope, record.key.id, creation_of(record))


def own_place(backend: Backend) -> FindPlace:
    """Return what tells where execution data is that lies with *backend*, or nowhere."""

    async def place(scope: Scope) -> DataPlace:
        data = backend.execution_data
        return DataPlace(None if data is None else backend.name, data, data is not None)

    return place
