"""The recorder of a store before anybody records: most processes never do, and need not import what does."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from bifrost_store.core.record import Key

if TYPE_CHECKING:
    from bifrost_store.core.execution_data import Run
    from bifrost_store.documents import Execution
    from bifrost_store.recording.recorder import ProcessRecorder
    from bifrost_store.repositories.execution_data.places import OwnItems
    from bifrost_store.repository_protocols.execution_data import Level, Recording
    from bifrost_store.repository_protocols.executions import ExecutionRef


class LateRecorder:
    """A `Recorder` that is made for the first recording."""

    def __init__(self, make: Callable[[], ProcessRecorder]) -> None:
        self._make = make
        self._made: ProcessRecorder | None = None

    def knows(self, key: Key) -> bool:
        return self._made is not None and self._made.knows(key)

    async def settle(self, run: Run) -> list[OwnItems]:
        return [] if self._made is None else await self._made.settle(run)

    def forget(self, run: Run) -> None:
        if self._made is not None:
            self._made.forget(run)

    def recording(
        self, execution: Execution | ExecutionRef, *, level: Level, capture: bool
    ) -> AbstractAsyncContextManager[Recording]:
        if self._made is None:
            self._made = self._make()
        return self._made.recording(execution, level=level, capture=capture)

    async def aclose(self) -> None:
        """Store what is left, and stop."""
        if self._made is not None:
            await self._made.aclose()
