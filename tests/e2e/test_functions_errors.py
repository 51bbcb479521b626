"""What the example application makes of errors: one shape for every answer, and timers that go on."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import azure.functions as func
import pytest

from bifrost_store import GLOBAL, ExecutionRef, ExecutionStatus, Store, StoreSettings, errors, open_store
from bifrost_store.testing.clock import SettableClock
from tests.e2e.functions_app.replay import Route, registered, routes

pytestmark = pytest.mark.anyio
STATUSES = {
    "AccessDeniedError": 500,
    "BackendError": 503,
    "BackendTimeoutError": 503,
    "BackendUnavailableError": 503,
    "ConfigurationError": 500,
    "CorruptDocumentError": 500,
    "DocumentExistsError": 409,
    "DocumentNotFoundError": 404,
    "DocumentTooLargeError": 413,
    "EventLoopError": 500,
    "InvalidContinuationTokenError": 400,
    "InvalidKeyError": 400,
    "InvalidLinkError": 400,
    "InvalidRequestError": 400,
    "MigrationRefusedError": 409,
    "MissingDependencyError": 500,
    "NotProvisionedError": 500,
    "OutcomeUnknownError": 503,
    "PreconditionFailedError": 412,
    "SecretNotFoundError": 500,
    "StaleRouteError": 503,
    "StoreError": 500,
    "ThrottledError": 429,
}


async def answer(store: Any, monkeypatch: pytest.MonkeyPatch) -> func.HttpResponse:
    """Return what ``GET /api/organizations`` answers over *store*."""
    functions = {one.get_function_name(): one.get_user_function() for one in registered()}
    monkeypatch.setattr("bifrost_functions.opened._store", store)
    headers = {"X-Platform-Admin": "true", "X-User-Id": "ada@msp.example"}
    request = func.HttpRequest(method="GET", url="/api/organizations", headers=headers, body=b"")
    response: func.HttpResponse = await functions["list_organizations"](request)
    return response


def failing(error: Exception) -> Any:
    """Return a store whose organizations cannot be listed."""

    async def refuse(**_: Any) -> None:
        raise error

    return SimpleNamespace(organizations=SimpleNamespace(list=refuse))


def everything_raised() -> list[type[errors.StoreError]]:
    return [one for one in vars(errors).values() if isinstance(one, type) and issubclass(one, errors.StoreError)]


@pytest.mark.parametrize("kind", everything_raised(), ids=lambda kind: kind.__name__)
async def test_every_error_of_the_library_has_a_status(kind: type[errors.StoreError], monkeypatch: pytest.MonkeyPatch) -> None:
    """Each error answers with its own status, its name as the code, whether trying again helps, and not with its cause."""
    error = kind("what happened", backend="table", key="organization GLOBAL a")
    error.__cause__ = ValueError("AccountKey=secret")

    response = await answer(failing(error), monkeypatch)

    assert STATUSES[kind.__name__] == response.status_code
    said = {"code": kind.__name__, "message": "what happened", "isRetryable": kind.is_retryable}
    assert {"error": said} == json.loads(response.get_body())
    assert "Retry-After" not in response.headers


@pytest.mark.parametrize(("seconds", "expected"), [(0.0, "1"), (0.2, "1"), (2.0, "2"), (2.3, "3"), (60.5, "61")])
async def test_a_throttled_client_is_told_when_to_come_back(seconds: float, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry-After is in whole seconds, at least one, and never earlier than the database asked."""
    response = await answer(failing(errors.ThrottledError("slow down", retry_after_seconds=seconds)), monkeypatch)

    assert (429, expected) == (response.status_code, response.headers["Retry-After"])


@pytest.fixture
async def store(clock: SettableClock) -> AsyncIterator[Store]:
    registered()
    async with open_store(StoreSettings(sqlite_path=":memory:"), clock=clock) as opened:
        await opened.provision()
        yield opened


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock()


@pytest.mark.parametrize("route", list(routes(registered())), ids=lambda route: f"{route.method} {route.path}")
async def test_nobody_in_particular_is_served_nothing(route: Route, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a user's id every endpoint refuses before it looks for anything, but for the branding, which a login page shows."""
    monkeypatch.setattr("bifrost_functions.opened._store", store)
    parts = dict.fromkeys(route.pattern.groupindex, "acme") | {"owner": "acme", "shape": "square"}
    request = func.HttpRequest(
        method=route.method, url=route.path, headers={"X-Organization-Id": "acme"}, route_params=parts, body=b"{}"
    )
    response = await route.function(request)

    open_to_all = {("GET", "branding"): 200, ("GET", "branding/logo-proxy/{owner}/{shape}"): 404}
    assert open_to_all.get((route.method, route.path), 401) == response.status_code


async def schedule(store: Store, clock: SettableClock, *workflows: str, cron: str = "*/5 * * * *") -> None:
    due = clock.now + timedelta(minutes=1)
    for workflow in workflows:
        await store.schedules.create(workflow, cron_expression=cron, next_run_at=due)
    clock.advance(seconds=120)


async def test_a_due_run_is_started_once(store: Store, clock: SettableClock) -> None:
    """Of workers whose timers fire at the same moment one starts the run, and the schedule names its execution."""
    from bifrost_functions.timers import start_due

    await schedule(store, clock, "nightly")

    assert 1 == sum(await asyncio.gather(*(start_due(store, clock.now) for _ in range(8))))
    (run,) = await store.executions.list(GLOBAL)
    found = await store.schedules.get("nightly")
    assert found is not None
    assert (run.execution_id, 1) == (found.last_execution_id, found.execution_count)
    assert ("nightly", "system:scheduler") == (run.workflow_name, run.executed_by)


async def test_a_schedule_that_cannot_run_stops_no_other(
    store: Store, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are started, and the worker still hears of the failure."""
    from bifrost_functions.timers import start_due

    await schedule(store, clock, "a", "b", "c")
    create = store.executions.create

    async def fail_for_b(*args: Any, workflow_name: str, **more: Any) -> Any:
        if workflow_name == "b":
            raise errors.BackendUnavailableError("out of service")
        return await create(*args, workflow_name=workflow_name, **more)

    monkeypatch.setattr(store, "executions", SimpleNamespace(create=fail_for_b, list=store.executions.list))
    with pytest.raises(ExceptionGroup) as raised:
        await start_due(store, clock.now)

    assert [errors.BackendUnavailableError] == [type(one) for one in raised.value.exceptions]
    assert {"a", "c"} == {run.workflow_name for run in await store.executions.list(GLOBAL)}


async def test_a_schedule_without_sense_goes(store: Store, clock: SettableClock) -> None:
    """As on the platform today, a schedule whose expression cannot be understood is deleted; nothing runs."""
    from bifrost_functions.timers import start_due

    await schedule(store, clock, "odd", cron="whenever")

    assert 0 == await start_due(store, clock.now)
    assert None is await store.schedules.get("odd")
    assert [] == list(await store.executions.list(GLOBAL))


async def test_stuck_runs_end_as_their_status_says(store: Store, clock: SettableClock) -> None:
    """Runs that wait or run for too long time out, those being cancelled are cancelled, and fresh ones stay."""
    from bifrost_functions.timers import end_stuck

    async def run(execution_id: str, status: ExecutionStatus) -> None:
        who: dict[str, Any] = {"executed_by": "kim", "executed_by_name": "Kim"}
        await store.executions.create(GLOBAL, workflow_name="w", execution_id=execution_id, status=status, **who)

    await run("waiting", ExecutionStatus.PENDING)
    await run("running", ExecutionStatus.RUNNING)
    await store.executions.cancel(ExecutionRef(GLOBAL, "running"))
    await run("running-on", ExecutionStatus.RUNNING)
    clock.advance(seconds=3600)
    await run("fresh", ExecutionStatus.RUNNING)

    assert 3 == await end_stuck(store, clock.now)
    assert 0 == await end_stuck(store, clock.now)
    statuses = {one.execution_id: one.status.value for one in await store.executions.list(GLOBAL)}
    assert {"waiting": "Timeout", "running": "Cancelled", "running-on": "Timeout", "fresh": "Running"} == statuses
