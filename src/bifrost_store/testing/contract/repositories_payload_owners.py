"""Two scopes' runs of one id: today's blob names hold no scope, yet no call of one reads, replaces or removes the other's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final

import pytest

from bifrost_store.blobs.protocol import EXECUTION_DATA, BlobStore
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.protocols import ExecutionRef, Executions
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, execution
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import RETENTION, Repositories

pytestmark = pytest.mark.anyio

_ID: Final = "e-1"
_GLOBAL_TOO: Final = ((GLOBAL, ORGANIZATION), (ORGANIZATION, GLOBAL))
_OLD_BLOBS: Final = {
    f"{_ID}/result.json": b'{"of": "the old application"}',
    f"{_ID}/logs.json": b'[{"of": "the old application"}]',
    f"{_ID}/variables.json": b'{"of": "the old application"}',
    f"{_ID}/snapshot.json": b'["of the old application"]',
}

Call = Callable[[Executions, Scope, SettableClock], Awaitable[object]]


async def _complete(executions: Executions, scope: Scope, result: object) -> Execution:
    return await executions.complete(
        ExecutionRef(scope, _ID), ExecutionStatus.FAILED, error_message="x" * 40_000, result=result, result_type=None
    )


async def _complete_twice(executions: Executions, scope: Scope, clock: SettableClock) -> None:
    await _complete(executions, scope, ["intruder"])
    await _complete(executions, scope, ["intruder"])


async def _save_all(executions: Executions, scope: Scope, clock: SettableClock) -> None:
    ref = ExecutionRef(scope, _ID)
    for result in (["intruder"], "<p>" + "x" * 2_000, "x" * 2_000, {"small": 1}, None):
        await executions.save_result(ref, result)
    for _ in range(2):
        await executions.save_logs(ref, [{"of": "intruder"}])
        await executions.save_variables(ref, {"of": "intruder"})
        await executions.save_snapshot(ref, ["of intruder"])


async def _delete(executions: Executions, scope: Scope, clock: SettableClock) -> None:
    assert await executions.delete(scope, _ID)


async def _save_and_delete(executions: Executions, scope: Scope, clock: SettableClock) -> None:
    await _save_all(executions, scope, clock)
    await _delete(executions, scope, clock)


async def _expire(executions: Executions, scope: Scope, clock: SettableClock) -> None:
    await _save_all(executions, scope, clock)
    clock.advance(seconds=RETENTION.total_seconds())
    assert await executions.purge_expired() == 1


_CALLS: Final[dict[str, Call]] = {
    "complete": _complete_twice,
    "save": _save_all,
    "delete": _delete,
    "save, delete": _save_and_delete,
    "save, expire": _expire,
}


_AS_LONG_AS_THE_OTHER_LIVES: Final = [name for name in _CALLS if name != "save, expire"]
_CASES: Final = [
    *((ORGANIZATION, OTHER_ORGANIZATION, name) for name in _CALLS),
    *((victim, intruder, "save, delete") for victim, intruder in _GLOBAL_TOO),
]


async def _old_run(store: StoreUnderTest, scope: Scope) -> None:
    """Leave what the old application leaves: a row that names no blob, and its blobs under names without a scope."""
    await store.backend.create(execution(1, scope=scope, status="Success", resultInBlob=True))
    for name, data in _OLD_BLOBS.items():
        await store.blobs.put(EXECUTION_DATA, name, data)


async def _new_run(executions: Executions, scope: Scope, whose: str) -> None:
    run = await executions.create(
        scope, workflow_name="w", executed_by="u", executed_by_name="U", execution_id=_ID, input_data={"of": whose * 40_000}
    )
    run = await executions.save_logs(run, [{"of": whose}])
    run = await executions.save_variables(run, {"of": whose})
    run = await executions.save_snapshot(run, [whose])
    await executions.save_result(run, [whose])


async def _create(executions: Executions, scope: Scope) -> None:
    await executions.create(scope, workflow_name="w", executed_by="i", executed_by_name="I", execution_id=_ID)


async def _payloads(executions: Executions, scope: Scope) -> list[Any]:
    ref = ExecutionRef(scope, _ID)
    shown = await executions.get(scope, _ID, fallback=False)
    return [
        None if shown is None else (shown.input_data, shown.error_message),
        await executions.load_result(ref),
        await executions.load_logs(ref),
        await executions.load_variables(ref),
        await executions.load_snapshot(ref),
    ]


async def _old_blobs(blobs: BlobStore) -> dict[str, bytes | None]:
    return {name: await blobs.get(EXECUTION_DATA, name) for name in _OLD_BLOBS}


@pytest.mark.parametrize(("victim", "intruder", "name"), _CASES, ids=str)
async def test_a_run_of_the_old_application_keeps_its_payloads(
    repositories: Repositories, store: StoreUnderTest, clock: SettableClock, victim: Scope, intruder: Scope, name: str
) -> None:
    """Whatever a run of the same id in another scope does, they are read by their owner alone, and stay where they are."""
    executions = repositories.executions
    await _old_run(store, victim)
    before = await _payloads(executions, victim)
    assert None not in before

    await _create(executions, intruder)
    assert await _payloads(executions, intruder) == [({}, None), None, None, None, None]
    await _CALLS[name](executions, intruder, clock)

    assert await _payloads(executions, victim) == before
    assert await _old_blobs(store.blobs) == _OLD_BLOBS


@pytest.mark.parametrize(
    ("victim", "intruder", "name"), [case for case in _CASES if case[2] in _AS_LONG_AS_THE_OTHER_LIVES], ids=str
)
async def test_a_run_of_this_library_keeps_its_payloads(
    repositories: Repositories, store: StoreUnderTest, clock: SettableClock, victim: Scope, intruder: Scope, name: str
) -> None:
    """Of two runs that this library made, each reads its own; the copies for the old application are the first one's."""
    executions = repositories.executions
    await _new_run(executions, victim, "v")
    before, copies = await _payloads(executions, victim), await _old_blobs(store.blobs)
    assert None not in [*before, *copies.values()]

    await _create(executions, intruder)
    assert await _payloads(executions, intruder) == [({}, None), None, None, None, None]
    await _CALLS[name](executions, intruder, clock)

    assert await _payloads(executions, victim) == before
    assert await _old_blobs(store.blobs) == copies


@pytest.mark.parametrize("name", _AS_LONG_AS_THE_OTHER_LIVES)
async def test_an_old_run_without_payloads_takes_nobody_elses(
    repositories: Repositories, store: StoreUnderTest, clock: SettableClock, name: str
) -> None:
    """A row of the old application, which may have payloads under today's names, neither reads nor removes another's copies."""
    executions = repositories.executions
    await _new_run(executions, ORGANIZATION, "v")
    before, copies = await _payloads(executions, ORGANIZATION), await _old_blobs(store.blobs)

    await store.backend.create(execution(1, scope=OTHER_ORGANIZATION))
    assert (await _payloads(executions, OTHER_ORGANIZATION))[1:] == [None, None, None, None]
    await _CALLS[name](executions, OTHER_ORGANIZATION, clock)

    assert await _payloads(executions, ORGANIZATION) == before
    assert await _old_blobs(store.blobs) == copies


@pytest.mark.parametrize("name", _AS_LONG_AS_THE_OTHER_LIVES)
async def test_what_two_old_runs_may_both_have_stays(
    repositories: Repositories, store: StoreUnderTest, clock: SettableClock, name: str
) -> None:
    """Where the rows of two scopes both say that the old application left a payload, neither replaces or removes it."""
    executions = repositories.executions
    await _old_run(store, ORGANIZATION)
    before = await _payloads(executions, ORGANIZATION)
    await store.backend.create(execution(1, scope=OTHER_ORGANIZATION, resultInBlob=True))

    await _CALLS[name](executions, OTHER_ORGANIZATION, clock)

    assert await _payloads(executions, ORGANIZATION) == before
    assert await _old_blobs(store.blobs) == _OLD_BLOBS


@pytest.mark.parametrize("name", ["delete", "save, delete"])
async def test_an_old_runs_own_payloads_go_with_it(
    repositories: Repositories, store: StoreUnderTest, clock: SettableClock, name: str
) -> None:
    """A run of the old application is saved over and deleted with its blobs, though a new run of its id is in another scope."""
    executions = repositories.executions
    await _old_run(store, ORGANIZATION)
    await _create(executions, OTHER_ORGANIZATION)

    await _CALLS[name](executions, ORGANIZATION, clock)

    assert set((await _old_blobs(store.blobs)).values()) == {None}
