"""A recorder over stores in memory, whose execution data can be made to fail."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

from bifrost_store.backends.execution_data import DataPage, DataPlace
from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.core.clock import utc_now
from bifrost_store.core.execution_data import DataDocument, DataRange, DataType, Run
from bifrost_store.core.record import NEVER
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import SPECS, Execution
from bifrost_store.errors import StoreError
from bifrost_store.protocols import Item, LogLine
from bifrost_store.recording.recorder import ProcessRecorder
from bifrost_store.repositories.assembly import Context, Repositories
from bifrost_store.repositories.execution_data.gathering import Gathering
from bifrost_store.repositories.executions.saving import SavedPayloads
from bifrost_store.settings import StoreSettings
from bifrost_store.testing.memory_data import MemoryData
from bifrost_store.wrappers.checked import CheckedBackend


@dataclass
class FailingData(MemoryData):
    """Execution data whose next calls meet what *plan* says: None: carried out; an error: not; an error and True: carried out."""

    plan: list[tuple[StoreError | None, bool]] = field(default_factory=list)
    shares: bool = True
    down: StoreError | None = None
    seconds: float = 0.0

    def __post_init__(self) -> None:
        super().__init__()
        self.calls = 0
        self.lock = threading.Lock()

    @property
    def shares_transactions(self) -> bool:
        return self.shares

    async def append(self, flushes: Sequence[Sequence[DataDocument]]) -> list[StoreError | None]:
        await asyncio.sleep(self.seconds)
        outcomes: list[StoreError | None] = []
        for flush in flushes:
            self.calls += 1
            error, is_done = self.plan.pop(0) if self.plan else (self.down, False)
            if error is not None and not is_done:
                outcomes.append(error)
                continue
            with self.lock:
                stored = self._append(flush)
            outcomes.append(error or stored)
        return outcomes

    async def read(
        self,
        run: Run,
        ranges: Sequence[DataRange],
        *,
        types: Collection[DataType] | None = None,
        limit: int = 100,
        backwards: bool = False,
    ) -> DataPage:
        with self.lock:
            return await super().read(run, ranges, types=types, limit=limit, backwards=backwards)


@dataclass
class World:
    """A store as an application has it: *place* says where its execution data goes now."""

    repositories: Repositories
    recorder: ProcessRecorder
    data: FailingData
    place: DataPlace
    backend: Backend
    is_on: bool = True

    async def run(self, scope: Scope = GLOBAL, execution_id: str | None = None) -> Execution:
        return await self.repositories.executions.create(
            scope, workflow_name="w", executed_by="u", executed_by_name="U", execution_id=execution_id
        )

    async def items(self, run: Execution) -> list[Item]:
        found: list[Item] = []
        after: str | None = None
        while True:
            page = await self.repositories.execution_data.items(run.scope, run.execution_id, after=after)
            found += page
            after = page.after
            if page.is_last:
                return found

    async def messages(self, run: Execution) -> list[str]:
        return [item.message for item in await self.items(run) if isinstance(item, LogLine)]


@asynccontextmanager
async def open_world(
    folder: Path,
    data: FailingData | None = None,
    *,
    beside: World | None = None,
    has_data: bool = True,
    is_complete: bool = True,
) -> AsyncIterator[World]:
    """Open one.

    Args:
        beside: Another process's, of the same store.
        has_data: A store of the route keeps execution data.
        is_complete: All do.
    """
    sink = data or (FailingData() if beside is None else beside.data)
    backend = CheckedBackend(SqliteBackend(":memory:", SPECS), SPECS) if beside is None else beside.backend
    blobs = FolderBlobStore(folder)
    retention = timedelta(days=14)

    async def place(scope: Scope) -> DataPlace:
        return world.place

    async def is_on(scope: Scope) -> bool:
        return world.is_on

    @asynccontextmanager
    async def open_data(name: str) -> AsyncIterator[FailingData]:
        yield sink

    saving = Context(backend, utc_now, lambda _: blobs, retention, place=place, is_realtime=is_on)
    gathering = Gathering(backend, place, None)
    saved = SavedPayloads(backend, clock=utc_now, payloads=saving.payloads, retention=retention, gathering=gathering)
    names = StoreSettings().masked_names.split(",")
    recorder = ProcessRecorder(
        backend, place=place, is_on=is_on, open_data=open_data, expiry=lambda: NEVER, leave=saved.leave, masked_names=names
    )
    context = replace(saving, recorder=recorder)
    stored = DataPlace("cosmos", sink, is_complete) if has_data else DataPlace(None, None, False)
    world = World(Repositories(context), recorder, sink, stored, backend)
    try:
        yield world
    finally:
        await recorder.aclose()
        if beside is None:
            await backend.aclose()


def stored(data: FailingData, run: Execution) -> dict[int, list[DataDocument]]:
    """Return the segments of a run, by recording, in order."""
    found: dict[int, list[DataDocument]] = {}
    for one in sorted(data.documents.values(), key=lambda one: one.id):
        if one.run.execution_id == run.execution_id and one.run.scope == run.scope:
            found.setdefault(one.recording, []).append(one)
    return found


def check_covers(documents: Sequence[DataDocument], *, is_ended: bool = True) -> None:
    """Of one recording nothing is missing and nothing twice: ranges join, times never go back, the last one says that it ends."""
    number, before = 0, None
    for one in documents:
        assert one.first == number + 1
        assert one.first <= one.last
        number = one.last
        lines = [line["number"] for line in one.body.get("lines", ())]
        assert len(lines) <= 100
        assert lines == sorted(set(lines))
        assert all(one.first <= line <= one.last for line in lines)
        times = [line["timestamp"] for line in one.body.get("lines", ())]
        assert [time for time in (before, *times) if time] == sorted(time for time in (before, *times) if time)
        before = times[-1] if times else before
    assert ["ends" in one.body for one in documents] == [False] * (len(documents) - 1) + [is_ended]
