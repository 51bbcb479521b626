"""What a dry run reads of a migration that is half cut over, and how it names many rows that cannot be read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from bifrost_store.backends.protocol import ScanPage
from bifrost_store.core.clock import format_time
from bifrost_store.core.retention import Retention
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import SPECS
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.migration.rehearsal import Rehearsal
from bifrost_store.migration.state import MigrationState, Options, Phase, Step
from bifrost_store.routing.control import EVERY_SCOPE, Control, Route
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION, config, execution
from bifrost_store.testing.model import ModelBackend
from tests.unit.migration_support import Watched

pytestmark = pytest.mark.anyio

OLD = format_time(START - timedelta(days=30))
STATE = MigrationState(migration_id="m", source="table", target="cosmos", phase=Phase.CUT_OVER, changed_at=START)


class Damaged(Watched):
    """Has 25 rows that cannot be read."""

    async def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        async for page in super().scan(resume_token):
            yield replace(page, unreadable=tuple(CorruptDocumentError(f"row Config/o-1/{number:02}") for number in range(25)))


@pytest.fixture
async def stores() -> dict[str, Any]:
    """One organization is on the second store by now; each store has a stale copy of the other's, and a run of its own."""
    clock = SettableClock()
    made = {name: ModelBackend(clock=clock) for name in ("table", "cosmos")}
    for store in made.values():
        for scope in (ORGANIZATION, OTHER_ORGANIZATION, GLOBAL):
            await store.create(config(scope=scope))
    await made["table"].create(execution(1, scope=GLOBAL, completedAt=OLD, expires_at=None))
    await made["cosmos"].create(execution(2, scope=ORGANIZATION, expires_at=START - timedelta(days=1)))
    await made["cosmos"].create(execution(3, scope=GLOBAL))
    return made


def rehearsal(stores: dict[str, Any], *, budget: float | None = None) -> Rehearsal:
    return Rehearsal(stores, SPECS, START, Retention(timedelta(days=14), START), budget)


async def test_each_scope_counts_in_the_store_that_answers_for_it(stores: dict[str, Any]) -> None:
    """And what is expired there; the other store is read for what cannot be read."""
    routes = {
        EVERY_SCOPE: Route(primary="table", secondary="cosmos", epoch=1),
        ORGANIZATION.value: Route(primary="cosmos", secondary="table", epoch=2),
    }
    control = Control(migration_id="m", store="table", routes=routes)
    planned = await rehearsal(stores).plan(Step.VERIFY, STATE, control)

    assert planned.ok
    assert {"config": 3, "execution": 1} == planned.details["counts"]
    assert (4, 1, 0, []) == tuple(planned.details[name] for name in ("records", "expired", "no_longer_seen", "unreadable"))


async def test_what_is_dropped_counts_by_what_readers_see(stores: dict[str, Any]) -> None:
    state = STATE.at(Phase.STARTED, START).told(Step.BACKFILL, Options(drop_expired=True))
    state = state.model_copy(update={"dropped_before": START - timedelta(days=14)})
    planned = await rehearsal(stores).plan(Step.BACKFILL, state, None)

    assert (3, 1, 1) == tuple(planned.details[name] for name in ("records", "expired", "no_longer_seen"))
    assert any("1 execution that readers see today" in line for line in planned.lines)


async def test_a_budget_makes_it_take_longer(stores: dict[str, Any]) -> None:
    state = STATE.at(Phase.STARTED, START)
    free, bound = [await rehearsal(stores, budget=budget).plan(Step.BACKFILL, state, None) for budget in (None, 1.0)]

    assert free.details["request_units"] == bound.details["request_units"] > free.details["seconds"]
    assert bound.details["seconds"] >= bound.details["request_units"]


async def test_many_rows_are_named_by_the_first_and_a_number(stores: dict[str, Any]) -> None:
    """All of them stand in the JSON. What to do about them is the next step."""
    stores["table"] = Damaged(stores["table"])
    planned = await rehearsal(stores).plan(Step.BACKFILL, STATE.at(Phase.STARTED, START), None)

    assert (21, 25) == (len(planned.obstacles), len(planned.details["unreadable"]))
    assert ("table: row Config/o-1/00", "table: 5 more rows cannot be read") == (planned.obstacles[0], planned.obstacles[-1])
    assert planned.next_steps[0].text.startswith("correct the rows")
