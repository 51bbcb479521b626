"""Job statuses, as `bifrost_store.protocols.JobStatuses` promises."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given

from bifrost_store.core.query import Query
from bifrost_store.core.scope import GLOBAL, SYSTEM
from bifrost_store.documents import JobOutcome, JobStatus, JobTrigger
from bifrost_store.errors import InvalidKeyError, InvalidRequestError
from bifrost_store.testing import strategies
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import config
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories
from bifrost_store.testing.strict import exact_json

pytestmark = pytest.mark.anyio

JOB = "TokenRefreshJob"


async def ended(repositories: Repositories, job_name: str = JOB, **more: Any) -> JobStatus:
    """Store that a job went well, if nothing else is said."""
    fields = {
        "status": JobOutcome.COMPLETED,
        "start_time": START,
        "end_time": START + timedelta(microseconds=22_189),
        "trigger_type": JobTrigger.AUTOMATIC,
    }
    return await repositories.job_statuses.set(job_name, **{**fields, **more})


async def test_a_status_is_found(repositories: Repositories) -> None:
    """What was set is what get returns, with the time between start and end in seconds."""
    stored = await ended(
        repositories,
        status="failed",
        trigger_type="manual",
        trigger_user="dana@bifrost-msp.com",
        total_connections=3,
        needs_refresh=2,
        refreshed_successfully=0,
        refresh_failed=2,
        errors=[{"connection": "HaloPSA", "tries": 2}, "no answer"],
        error_message="gave up – erschöpft",
    )

    assert (stored.scope, stored.job_name, stored.status, stored.trigger_type) == (
        SYSTEM,
        JOB,
        JobOutcome.FAILED,
        JobTrigger.MANUAL,
    )
    assert (stored.start_time, stored.duration_seconds) == (START, 0.022189)
    counts = (stored.total_connections, stored.needs_refresh, stored.refreshed_successfully, stored.refresh_failed)
    assert counts == (3, 2, 0, 2)
    assert stored.errors == [{"connection": "HaloPSA", "tries": 2}, "no answer"]
    assert (stored.trigger_user, stored.error_message) == ("dana@bifrost-msp.com", "gave up – erschöpft")
    assert await repositories.job_statuses.get(JOB) == stored
    assert await repositories.job_statuses.get("tokenrefreshjob") is None


async def test_a_run_takes_the_place_of_the_one_before(repositories: Repositories) -> None:
    """Setting again leaves nothing of the run before: what is not given is null."""
    await ended(repositories, errors=["x"], error_message="y", total_connections=1, trigger_user="dana")
    second = await ended(repositories, end_time=START, errors=[])

    assert (second.errors, second.error_message, second.total_connections, second.trigger_user) == (None, None, None, None)
    assert second.duration_seconds == 0.0
    assert await repositories.job_statuses.get(JOB) == second


async def test_jobs_are_listed_by_name(store: StoreUnderTest, repositories: Repositories) -> None:
    """List holds one status for each job, by name, and nothing else that lies in SYSTEM or elsewhere."""
    await store.backend.create(config(scope=GLOBAL))
    stored = {name: await ended(repositories, name) for name in ("b", "a", "é", "B")}
    await ended(repositories, "a", total_connections=1)

    listed = await repositories.job_statuses.list()
    assert [one.job_name for one in listed] == ["B", "a", "b", "é"]
    assert [one for one in listed if one.job_name != "a"] == [stored[name] for name in ("B", "b", "é")]


@given(name=strategies.identifiers, text=strategies.texts, value=strategies.json_values)
async def test_any_job_name(store: StoreUnderTest, repositories: Repositories, name: str, text: str, value: Any) -> None:
    """A job's name, message and errors may hold anything."""
    stored = await ended(repositories, name, error_message=text, errors=[value])
    try:
        read = await repositories.job_statuses.get(name)
        assert read == stored
        assert read is not None
        assert (read.job_name, read.error_message, exact_json(read.record.body["errors"])) == (name, text, exact_json([value]))
        assert list(await repositories.job_statuses.list()) == [stored]
    finally:
        await store.backend.delete(stored.record.key)


async def test_runs_that_end_at_once(repositories: Repositories) -> None:
    """Of statuses set at the same time every call succeeds and one is stored last."""
    stored = await asyncio.gather(*(ended(repositories, total_connections=number) for number in range(8)))

    assert await repositories.job_statuses.get(JOB) in stored
    assert sorted(one.total_connections or 0 for one in stored) == list(range(8))


@pytest.mark.parametrize(
    ("name", "arguments", "expected", "named"),
    [
        ("", {}, InvalidKeyError, "job_name"),
        (None, {}, InvalidKeyError, "job_name"),
        ("x" * 129, {}, InvalidKeyError, "job_name"),
        (JOB, {"status": "running"}, InvalidRequestError, "status"),
        (JOB, {"trigger_type": None}, InvalidRequestError, "trigger_type"),
        (JOB, {"start_time": "now"}, InvalidRequestError, "start_time"),
        (JOB, {"end_time": START - timedelta(microseconds=1)}, InvalidRequestError, "end_time"),
        (JOB, {"trigger_user": ""}, InvalidKeyError, "trigger_user"),
        (JOB, {"total_connections": -1}, InvalidRequestError, "total_connections"),
        (JOB, {"needs_refresh": True}, InvalidRequestError, "needs_refresh"),
        (JOB, {"refreshed_successfully": 2**31}, InvalidRequestError, "refreshed_successfully"),
        (JOB, {"refresh_failed": 1.0}, InvalidRequestError, "refresh_failed"),
        (JOB, {"errors": "x"}, InvalidRequestError, "errors"),
        (JOB, {"errors": [float("nan")]}, InvalidRequestError, "errors"),
        (JOB, {"errors": ["x" * 32_768]}, InvalidRequestError, "errors"),
        (JOB, {"error_message": 5}, InvalidRequestError, "error_message"),
    ],
)
async def test_bad_arguments(
    store: StoreUnderTest, repositories: Repositories, name: Any, arguments: Any, expected: type[Exception], named: str
) -> None:
    """What cannot be is refused before anything is written, and named."""
    with pytest.raises(expected, match=named):
        await ended(repositories, name, **arguments)
    assert await everything(store.backend) == {}


async def test_only_system_holds_them(store: StoreUnderTest, repositories: Repositories) -> None:
    """No other scope has job statuses: neither to write nor to ask for."""
    stored = (await ended(repositories)).record
    with pytest.raises(InvalidKeyError, match="GLOBAL"):
        await store.backend.query(Query("job_status", GLOBAL))
    assert [one.key for one in await store.backend.query(Query("job_status", SYSTEM))] == [stored.key]
    assert [one.key for one in await store.backend.query(Query("job_status", None))] == [stored.key]
