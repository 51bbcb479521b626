"""What API keys, schedules, job statuses and audit events may cost in requests."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest

from bifrost_store.core.meter import count_requests
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import JobOutcome, JobTrigger, Schedule
from bifrost_store.protocols import NewApiKey
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.harness import Harness
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio
ORGANIZATION = Scope.organization("budget")
NEXT = START + timedelta(hours=1)
DAYS = 5


@dataclass
class Subject:
    """A store that holds a few of each: every key was used, one of each of them again just now."""

    all: Repositories
    own: NewApiKey
    shared: NewApiKey
    schedule: Schedule

    @classmethod
    async def fill(cls, repositories: Repositories, clock: SettableClock) -> Subject:
        own, shared, *others = [
            await repositories.api_keys.create(created_by="ada", workflow_id=workflow_id)
            for workflow_id in ("w", None, "w", "v", None, "u")
        ]
        for key in (own, shared, *others):
            await repositories.api_keys.validate(key.key, key.document.workflow_id or "w")
        for number in range(3):
            await repositories.schedules.create(f"s-{number}", cron_expression="0 * * * *", next_run_at=START)
        for number in range(DAYS):
            for scope in (ORGANIZATION, GLOBAL):
                await repositories.audit.append(scope, "x", at=clock() - timedelta(days=number))
        schedule = await repositories.schedules.get("s-0")
        assert schedule is not None
        return cls(repositories, own, shared, schedule)

    def ended(self) -> Awaitable[object]:
        return self.all.job_statuses.set(
            "j", status=JobOutcome.COMPLETED, start_time=START, end_time=START, trigger_type=JobTrigger.MANUAL
        )


Call = Callable[[Subject], Awaitable[object]]
BUDGETS: dict[str, tuple[Call, dict[str, int]]] = {
    "make an API key": (lambda s: s.all.api_keys.create(created_by="ada"), {"table": 1, "cosmos": 1, "sqlite": 1}),
    "validate the key of a workflow": (lambda s: s.all.api_keys.validate(s.own.key, "w"), {"table": 2, "cosmos": 1, "sqlite": 1}),
    "validate a global key": (lambda s: s.all.api_keys.validate(s.shared.key, "w"), {"table": 2, "cosmos": 1, "sqlite": 1}),
    "validate no key": (lambda s: s.all.api_keys.validate("x", "w"), {"table": 2, "cosmos": 1, "sqlite": 1}),
    "get an API key": (lambda s: s.all.api_keys.get(s.own.document.id), {"table": 1, "cosmos": 1, "sqlite": 1}),
    "get a global API key": (lambda s: s.all.api_keys.get(s.shared.document.id), {"table": 2, "cosmos": 1, "sqlite": 1}),
    "API keys of a workflow": (lambda s: s.all.api_keys.list(workflow_id="w"), {"table": 1, "cosmos": 1, "sqlite": 1}),
    "due schedules": (lambda s: s.all.schedules.due(START), {"table": 1, "cosmos": 1, "sqlite": 1}),
    "claim a schedule, given the model": (
        lambda s: s.all.schedules.claim(s.schedule, now=START, next_run_at=NEXT),
        {"table": 1, "cosmos": 1, "sqlite": 1},
    ),
    "claim a schedule, by name": (
        lambda s: s.all.schedules.claim("s-0", now=START, next_run_at=NEXT),
        {"table": 2, "cosmos": 2, "sqlite": 2},
    ),
    "set a job's status": (lambda s: s.ended(), {"table": 2, "cosmos": 2, "sqlite": 2}),
    "job statuses": (lambda s: s.all.job_statuses.list(), {"table": 1, "cosmos": 1, "sqlite": 1}),
    "append an audit event": (lambda s: s.all.audit.append(ORGANIZATION, "x"), {"table": 1, "cosmos": 1, "sqlite": 1}),
    "audit events of today": (
        lambda s: s.all.audit.list(ORGANIZATION, since=START - timedelta(hours=12)),
        {"table": 1, "cosmos": 1, "sqlite": 1},
    ),
    "audit events of some days": (
        lambda s: s.all.audit.list(ORGANIZATION, since=START - timedelta(days=DAYS, hours=-12)),
        {"table": DAYS, "cosmos": 1, "sqlite": 1},
    ),
    "a page of audit events that the newest days fill": (
        lambda s: s.all.audit.list(ORGANIZATION, since=START - timedelta(days=300), limit=2),
        {"table": 3, "cosmos": 1, "sqlite": 1},
    ),
    "audit events of every scope": (
        lambda s: s.all.audit.list_all(since=START - timedelta(days=DAYS, hours=-12)),
        {"table": DAYS, "cosmos": 3, "sqlite": 1},
    ),
}


@pytest.mark.parametrize("operation", BUDGETS)
async def test_an_operation_stays_in_its_budget(
    repositories: Repositories, harness: Harness, clock: SettableClock, operation: str
) -> None:
    """No operation takes more requests than its budget, and the meter sees those it takes."""
    call, budgets = BUDGETS[operation]
    subject = await Subject.fill(repositories, clock)
    with count_requests() as counted:
        await call(subject)
    if harness.name in budgets:
        assert 0 < counted[harness.name] <= budgets[harness.name]


async def test_noting_the_use_of_a_key_takes_one_more(repositories: Repositories, harness: Harness, clock: SettableClock) -> None:
    """Five minutes after the last use was noted, validating costs one request more, once."""
    subject = await Subject.fill(repositories, clock)
    clock.advance(seconds=300)
    costs = []
    for key in (subject.own, subject.shared, subject.own):
        with count_requests() as counted:
            assert await repositories.api_keys.validate(key.key, "w") is not None
        costs.append(counted[harness.name])

    assert costs == {"table": [3, 3, 2], "cosmos": [2, 2, 1], "sqlite": [2, 2, 1]}.get(harness.name, [0, 0, 0])
