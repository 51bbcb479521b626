"""Runs of workflows: create, find, expire, delete, as `bifrost_store.protocols.Executions` promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.errors import (
    DocumentExistsError,
    InvalidKeyError,
    InvalidRequestError,
)
from bifrost_store.protocols import ExecutionFilter
from bifrost_store.testing import strategies
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, execution
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import RETENTION, Repositories, repositories_over
from bifrost_store.testing.strict import exact_json

pytestmark = pytest.mark.anyio


async def start(repositories: Repositories, scope: Scope = ORGANIZATION, **given_fields: Any) -> Execution:
    """Create a run with whatever is not given."""
    fields = {"workflow_name": "nightly", "executed_by": "kim@x.com", "executed_by_name": "Kim", **given_fields}
    return await repositories.executions.create(scope, **fields)


def ids(executions: Sequence[Execution]) -> list[str]:
    """Return which runs these are."""
    return [one.execution_id for one in executions]


async def test_a_created_run_is_found(repositories: Repositories) -> None:
    """Create stores what was given; start, status, id and expiry follow where nothing was."""
    input_data = {"n": [1, 1.0, -0.0, 2**53 + 1, None, "\x00é🙂"]}
    created = await start(repositories, input_data=input_data, form_id="f/1")

    assert (created.workflow_name, created.executed_by, created.executed_by_name, created.form_id) == (
        "nightly",
        "kim@x.com",
        "Kim",
        "f/1",
    )
    assert exact_json(created.input_data) == exact_json(input_data)
    assert (created.status, created.started_at, created.completed_at) == (ExecutionStatus.RUNNING, START, None)
    assert (created.scope, created.org_id, len(created.execution_id)) == (ORGANIZATION, "o-1", 36)
    assert created.record.expires_at == START + RETENTION
    assert await repositories.executions.get(ORGANIZATION, created.execution_id) == created
    assert (await start(repositories, GLOBAL)).org_id == "GLOBAL"


@given(
    name=strategies.identifiers,
    by=strategies.identifiers,
    shown=strategies.texts,
    form=st.none() | strategies.identifiers,
    input_data=strategies.json_objects,
    started_at=strategies.moments,
)
async def test_any_run(
    repositories: Repositories, name: str, by: str, shown: str, form: str | None, input_data: dict[str, Any], started_at: datetime
) -> None:
    """Any names, input and start come back equal, from get and from a list by each of them."""
    created = await start(
        repositories,
        workflow_name=name,
        executed_by=by,
        executed_by_name=shown[:200],
        form_id=form,
        input_data=input_data,
        started_at=started_at,
    )
    try:
        read = await repositories.executions.get(ORGANIZATION, created.execution_id)
        assert read == created
        assert (read.workflow_name, read.executed_by, read.form_id, read.started_at) == (name, by, form, started_at)
        assert exact_json(read.input_data) == exact_json(input_data)
        where = ExecutionFilter(user=by, workflow=name, form=form, since=started_at, until=started_at + timedelta(microseconds=1))
        assert await repositories.executions.list(ORGANIZATION, where) == type(await repositories.executions.list(ORGANIZATION))(
            (read,)
        )
    finally:
        await repositories.executions.delete(ORGANIZATION, created.execution_id)


async def test_creating_again_returns_what_is_stored(repositories: Repositories, clock: SettableClock) -> None:
    """The same call with the same id returns the stored run, also after it went on; any other difference is refused."""
    first = await start(repositories, execution_id="e-1", input_data={"a": 1}, form_id="f")
    clock.advance(seconds=60)
    assert await start(repositories, execution_id="e-1", input_data={"a": 1}, form_id="f") == first
    assert await start(repositories, execution_id="e-1", input_data={"a": 1}, form_id="f", started_at=START) == first
    differences: list[dict[str, Any]] = [
        {"input_data": {"a": 1.0}},
        {"input_data": None},
        {"form_id": None},
        {"workflow_name": "other"},
        {"executed_by": "lee"},
        {"executed_by_name": "Lee"},
        {"status": ExecutionStatus.PENDING},
        {"started_at": START + timedelta(microseconds=1)},
    ]
    for different in differences:
        with pytest.raises(DocumentExistsError):
            await start(repositories, execution_id="e-1", **{"input_data": {"a": 1}, "form_id": "f", **different})
    ended = await repositories.executions.complete(first, ExecutionStatus.SUCCESS)
    assert await start(repositories, execution_id="e-1", input_data={"a": 1}, form_id="f") == ended


async def test_the_same_id_in_two_scopes(repositories: Repositories) -> None:
    """An id may be used in several scopes; fallback asks the own scope first."""
    shared = await start(repositories, GLOBAL, execution_id="e-1")
    executions = repositories.executions
    assert await executions.get(ORGANIZATION, "e-1") == shared
    assert await executions.get(ORGANIZATION, "e-1", fallback=False) is None
    assert await executions.get_status(ORGANIZATION, "e-1") is ExecutionStatus.RUNNING
    assert await executions.get_status(ORGANIZATION, "e-1", fallback=False) is None
    own = await start(repositories, execution_id="e-1", status=ExecutionStatus.PENDING)

    assert await executions.get(ORGANIZATION, "e-1") == own
    assert await executions.get_status(ORGANIZATION, "e-1") is ExecutionStatus.PENDING
    assert await executions.get(OTHER_ORGANIZATION, "e-1") == shared
    assert await executions.get(GLOBAL, "e-1") == shared
    assert await executions.get(ORGANIZATION, "missing") is None


async def test_expiry_follows_changes(repositories: Repositories, store: StoreUnderTest, clock: SettableClock) -> None:
    """A run expires its retention after its last change; then it is gone for every method, and purge removes it."""
    run = await start(repositories, execution_id="e-1")
    clock.advance(days=10)
    run = await repositories.executions.set_status(run, ExecutionStatus.PENDING)
    assert run.record.expires_at == clock.now + RETENTION
    clock.advance(days=13)
    assert await repositories.executions.get(ORGANIZATION, "e-1") == run
    await repositories.executions.save_logs(run, [{"message": "x"}])
    clock.advance(days=14)

    assert await repositories.executions.get(ORGANIZATION, "e-1") is None
    assert ids(await repositories.executions.list(ORGANIZATION)) == []
    assert await repositories.executions.delete(ORGANIZATION, "e-1") is False
    assert await repositories.executions.purge_expired() == 1
    assert await repositories.executions.purge_expired() == 0
    assert await everything(store.backend) == {}
    assert [blob async for blob in store.blobs.list("execution-data")] == []


async def test_without_retention_nothing_expires(store: StoreUnderTest, clock: SettableClock) -> None:
    """Without a retention runs are kept for ever."""
    repositories = repositories_over(store.backend, store.blobs, clock, retention=None)
    run = await start(repositories)
    clock.advance(days=365 * 100)

    assert await repositories.executions.get(ORGANIZATION, run.execution_id) == run
    assert await repositories.executions.purge_expired() == 0


async def test_runs_of_the_old_application_keep_no_expiry_until_they_end(store: StoreUnderTest, repositories: Repositories) -> None:
    """A live run without an expiry keeps none when it is changed, and gets one when it is completed."""
    await store.backend.create(replace(execution(1), expires_at=None))
    run = await repositories.executions.get(ORGANIZATION, "e-1")
    assert run is not None
    run = await repositories.executions.set_status(run, ExecutionStatus.CANCELLING)
    assert run.record.expires_at is None
    run = await repositories.executions.complete(run, ExecutionStatus.CANCELLED)
    assert run.record.expires_at == START + RETENTION


async def test_delete(repositories: Repositories, store: StoreUnderTest) -> None:
    """Delete removes the run with its payloads, says whether it was there, and lets the id be used again."""
    run = await start(repositories, execution_id="e-1", input_data={"x": "y" * 40_000})
    await repositories.executions.save_variables(run, {"a": 1})
    assert await repositories.executions.delete(GLOBAL, "e-1") is False
    assert await repositories.executions.delete(ORGANIZATION, "e-1") is True
    assert await repositories.executions.delete(ORGANIZATION, "e-1") is False

    assert [blob async for blob in store.blobs.list("execution-data")] == []
    again = await start(repositories, execution_id="e-1")
    assert again.input_data == {}
    assert await repositories.executions.load_variables(again) is None


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"execution_id": "a/b"}, InvalidKeyError),
        ({"execution_id": ""}, InvalidKeyError),
        ({"execution_id": "x" * 65}, InvalidKeyError),
        ({"execution_id": 7}, InvalidKeyError),
        ({"workflow_name": ""}, InvalidKeyError),
        ({"workflow_name": "x" * 129}, InvalidKeyError),
        ({"executed_by": "\ud800"}, InvalidKeyError),
        ({"executed_by_name": None}, InvalidRequestError),
        ({"form_id": ""}, InvalidKeyError),
        ({"input_data": [1]}, InvalidRequestError),
        ({"input_data": {"a": float("inf")}}, InvalidRequestError),
        ({"input_data": {1: 1}}, InvalidRequestError),
        ({"input_data": {"a": "\udc00"}}, InvalidRequestError),
        ({"input_data": {"a": strategies.nested(1, 101)}}, InvalidRequestError),
        ({"status": "Paused"}, InvalidRequestError),
        ({"started_at": "2025-01-01"}, InvalidRequestError),
        ({"started_at": datetime(1969, 12, 31, tzinfo=UTC)}, InvalidRequestError),
        ({"started_at": datetime(2287, 1, 1, tzinfo=UTC)}, InvalidRequestError),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else value.__name__,
)
async def test_bad_arguments(store: StoreUnderTest, repositories: Repositories, arguments: Any, expected: type[Exception]) -> None:
    """Bad arguments are refused before anything is written, blobs included."""
    with pytest.raises(expected) as caught:
        await start(repositories, **arguments)

    assert type(caught.value) is expected
    assert await everything(store.backend) == {}
    assert [blob async for blob in store.blobs.list("execution-data")] == []
