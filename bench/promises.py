"""What the platform's plan promises of executions, held to a scope with 25,000 of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import perf_counter
from typing import Any, Final

import anyio

from bench.places import Place
from bench.timing import Call, Times, seconds_of
from bench.world import hours_ago
from bifrost_store import ExecutionFilter, ExecutionStatus, Scope, Store
from bifrost_store.core.meter import Meter, metering
from bifrost_store.core.record import Record
from bifrost_store.testing.examples import execution

EXECUTIONS: Final = 25_000
PAGE: Final = 50
_CREATE_SECONDS: Final = 0.5
_QUERY_SECONDS: Final = 0.1
BUSY: Final = Scope.organization("busy")
"""The scope that promises are held to."""
_APART: Final = timedelta(seconds=30)
_LOADERS: Final = 4


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise, and what was measured.

    Attributes:
        name: What is promised to be quick.
        limit: Seconds.
        requests: To the database, of the last call.
        request_units: Of the last call; 0.0 but on Cosmos DB.
    """

    name: str
    limit: float
    requests: int
    times: Times
    request_units: float = 0.0

    @property
    def is_broken(self) -> bool:
        """Whether more than 5 of 100 calls took longer than promised."""
        return self.times.p95 >= self.limit


async def load(place: Place, count: int, scope: Scope = BUSY) -> float:
    """Store *count* executions in one scope and return the seconds it took."""
    newest = hours_ago(1)
    records = [_record(number, newest - number * _APART, scope) for number in range(count)]
    start = perf_counter()
    async with anyio.create_task_group() as tasks:
        for loader in range(_LOADERS):
            tasks.start_soon(place.load, records[loader::_LOADERS])
    return perf_counter() - start


def _record(number: int, started_at: datetime, scope: Scope) -> Record:
    """Return one of many: of 200 users and 40 workflows, every fifth from one of 10 forms, every sixteenth failed."""
    return execution(
        number,
        scope=scope,
        started_at=started_at,
        workflowName=f"workflow {number % 40}",
        formId=None if number % 5 else f"form-{number // 5 % 10}",
        executedBy=f"user-{number % 200}@x.example",
        status="Success" if number % 16 else "Failed",
        inputData={"ticket": number},
        durationMs=1000 + number % 500,
        result={"moved": number},
        resultType="json",
    )


def _calls(store: Store, count: int) -> dict[str, tuple[Call, float]]:
    """Return what is promised to be quick, with the seconds it may take."""
    middle = hours_ago(1) - count // 2 * _APART

    def create() -> Any:
        return store.executions.create(BUSY, workflow_name="w", executed_by="user-7@x.example", executed_by_name="Kim")

    def page(**where: Any) -> tuple[Call, float]:
        return lambda: store.executions.list(BUSY, ExecutionFilter(**where), limit=PAGE), _QUERY_SECONDS

    return {
        "create an execution": (create, _CREATE_SECONDS),
        "list the newest": page(),
        "list those of a user": page(user="user-7@x.example"),
        "list those of a status": page(statuses=[ExecutionStatus.FAILED]),
        "list those of a form": page(form="form-7"),
        "list those of a workflow": page(workflow="workflow 7"),
        "list those of a day": page(since=middle - timedelta(days=1), until=middle),
    }


async def hold(place: Place, count: int, rounds: int) -> Sequence[Promise]:
    """Measure what is promised in the scope that `load` filled, every call once a round; the first round is not kept."""
    calls = _calls(place.store, count)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    meters: dict[str, Meter] = {}
    for number in range(rounds + 1):
        for name, (call, _) in calls.items():
            with metering() as meters[name]:
                took = await seconds_of(call)
            if number:
                seconds[name].append(took)
    return [
        Promise(name, limit, meters[name].requests[place.name], Times(seconds[name]), meters[name].request_units)
        for name, (_, limit) in calls.items()
    ]
