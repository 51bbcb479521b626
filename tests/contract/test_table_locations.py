"""What a process remembers of where executions are never changes an answer."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.table.account import Put
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.version import Version
from bifrost_store.documents.execution import execution_sort_key, new_execution_id
from bifrost_store.errors import DocumentExistsError
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, execution
from tests.contract.harness import TableStore
from tests.innermost import innermost

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("table_only")]
SCOPES: Final = (ORGANIZATION, GLOBAL)
STARTS: Final = tuple(START - timedelta(days=days) for days in (0, 3, 9))
IDS: Final = (new_execution_id(STARTS[0]), new_execution_id(STARTS[1]), str(UUID(int=7, version=4)), "e-1")


class Processes:
    """One process that remembers, and another that changes what it remembers; each action is drawn."""

    def __init__(self, warm: Backend, other: Backend, clock: SettableClock, draw: random.Random) -> None:
        self.warm, self.other, self.clock, self.draw = warm, other, clock, draw
        self.actions: list[Callable[[], Awaitable[object]]] = [
            self.create,
            self.create,
            self.create_here,
            self.delete,
            self.purge,
            self.apply_tombstone,
            self.let_time_pass,
            self.let_old_application_create,
            self.repair,
            self.list_here,
        ]

    def key(self) -> Key:
        return Key("execution", self.draw.choice(SCOPES), self.draw.choice(IDS))

    def record(self) -> Record:
        key, started_at = self.key(), self.draw.choice(STARTS)
        expires_at = self.clock.now + timedelta(hours=self.draw.choice((1, 5)))
        given = execution(1, scope=key.scope, started_at=started_at, expires_at=expires_at)
        return Record(key, {**given.body, "executionId": key.id}, execution_sort_key(started_at, key.id), expires_at=expires_at)

    async def create(self) -> None:
        await self._create(self.other)

    async def create_here(self) -> None:
        await self._create(self.warm)

    async def _create(self, backend: Backend) -> None:
        try:
            await backend.create(self.record())
        except DocumentExistsError:
            return

    async def delete(self) -> None:
        await self.other.delete(self.key())

    async def purge(self) -> None:
        await self.other.purge_expired(kind="execution")

    async def apply_tombstone(self) -> None:
        record = self.record()
        await self.other.apply(record.tombstone(Version(self.draw.randrange(2, 9), "w")))

    async def let_time_pass(self) -> None:
        self.clock.advance(seconds=3600)

    async def let_old_application_create(self) -> None:
        record = self.record()
        row = {
            "PartitionKey": record.key.scope.partition_key,
            "RowKey": f"execution:{record.sort_key}",
            "ExecutionId": record.key.id,
            "WorkflowName": "w",
            "ExecutedBy": "u",
            "ExecutedByName": "U",
            "Status": "Running",
            "StartedAt": record.body["startedAt"].removesuffix("Z"),
        }
        if await self.other.stored(record.key) is None:
            await innermost(self.other).account.write("Entities", [Put(row)])

    async def repair(self) -> None:
        assert self.other.repair is not None
        await self.other.repair.run()

    async def list_here(self) -> None:
        await self.warm.query(Query("execution", self.draw.choice((*SCOPES, None))))

    async def expected(self, key: Key, fallback: Scope | None) -> Record | None:
        """Return what the locators and rows themselves say."""
        for scope in (key.scope, fallback):
            found = None if scope is None else await self.other.stored(Key(key.kind, scope, key.id))
            if found is not None and found.is_present(self.clock.now):
                return found
        return None


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("most", [2, 100])
async def test_what_is_remembered_changes_no_answer(tables: TableStore, clock: SettableClock, seed: int, most: int) -> None:
    """Whatever another process does to executions, whoever has seen them before reads what is stored now."""
    async with tables.open_another() as other:
        innermost(tables.backend)._reader.locations._most = most
        processes = Processes(tables.backend, other, clock, random.Random(seed))
        for _ in range(40):
            await processes.draw.choice(processes.actions)()
            key = processes.key()
            fallback = processes.draw.choice((None, GLOBAL)) if key.scope != GLOBAL else None
            assert await processes.expected(key, fallback) == await processes.warm.get(key, fallback=fallback)


async def test_an_expired_run_of_ones_own_gives_way_to_one_of_global(tables: TableStore, clock: SettableClock) -> None:
    """Also where it was seen before."""
    own = await tables.backend.create(execution(1, expires_at=clock.now + timedelta(hours=1)))
    shared = await tables.backend.create(execution(1, scope=GLOBAL))
    assert await tables.backend.get(own.key, fallback=GLOBAL) == own
    clock.advance(days=1)

    assert await tables.backend.get(own.key, fallback=GLOBAL) == shared
