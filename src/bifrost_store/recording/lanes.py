"""The way into one store, shared by all recordings that go there."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from typing import Final, Protocol

from bifrost_store.backends.execution_data import DataPage
from bifrost_store.core.execution_data import DataDocument, DataRange, DataType, Run
from bifrost_store.errors import StoreError

Flush = Sequence[DataDocument]
_MOST_TOGETHER: Final = 64


class Sink(Protocol):
    """The part of an `ExecutionData` that recordings need."""

    @property
    def shares_transactions(self) -> bool:
        """See `ExecutionData.shares_transactions`."""
        ...

    async def append(self, flushes: Sequence[Flush]) -> list[StoreError | None]:
        """See `ExecutionData.append`."""
        ...

    async def read(
        self,
        run: Run,
        ranges: Sequence[DataRange],
        *,
        types: Collection[DataType] | None = None,
        limit: int = 100,
        backwards: bool = False,
    ) -> DataPage:
        """See `ExecutionData.read`."""
        ...


class Lane:
    """Appends flushes: where a store takes several for the price of one, all that are due at once, one call at a time.

    Args:
        data: The store's, opened on this event loop.
    """

    def __init__(self, data: Sink) -> None:
        self.data = data
        self._due: list[tuple[Flush, asyncio.Future[StoreError | None]]] = []
        self._task: asyncio.Task[None] | None = None

    async def append(self, flush: Flush) -> StoreError | None:
        """Store one flush; see `ExecutionData.append`."""
        if not self.data.shares_transactions:
            (outcome,) = await self.data.append([flush])
            return outcome
        future: asyncio.Future[StoreError | None] = asyncio.get_running_loop().create_future()
        self._due.append((flush, future))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        try:
            while self._due:
                now, self._due = self._due[:_MOST_TOGETHER], self._due[_MOST_TOGETHER:]
                try:
                    outcomes = await self.data.append([flush for flush, _ in now])
                except Exception as error:  # noqa: BLE001 - each of them hears of it
                    for _, future in now:
                        if not future.done():
                            future.set_exception(error)
                    continue
                for (_, future), outcome in zip(now, outcomes, strict=True):
                    if not future.done():
                        future.set_result(outcome)
        finally:
            self._task = None
