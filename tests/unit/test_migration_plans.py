"""What a hand-over would do and what stands in its way, decided before anything is touched."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bifrost_store.core.scope import Scope
from bifrost_store.errors import MigrationRefusedError, NextStep
from bifrost_store.migration.handover import HandOverReport
from bifrost_store.migration.plans import destination_of, keys_to_move, lines_of_move, plan_of
from bifrost_store.migration.state import STATUS, MigrationState, Phase, Step, Verified
from bifrost_store.routing.control import Control, Route, Target

NOW = datetime(2026, 5, 1, tzinfo=UTC)
DUAL, TURNED = Route(primary="table", secondary="cosmos", epoch=1), Route(primary="cosmos", secondary="table", epoch=2)
ACME = Scope.organization("acme")
GOOD = Verified(began_at=NOW - timedelta(hours=1), ended_at=NOW, epoch=1, counts={"same": 1}, kinds={}, open_count=0)
VERIFIED = MigrationState(
    migration_id="m", source="table", target="cosmos", phase=Phase.VERIFIED, changed_at=NOW, verification=GOOD
)


def control(**routes: Route) -> Control:
    return Control(migration_id="m", store="table", routes={"*": DUAL, **{f"org-{name}": route for name, route in routes.items()}})


def obstacles(step: Step, state: MigrationState, *, force: bool = False) -> tuple[str, ...]:
    return plan_of(step, state, control(), ("*",), now=NOW, force=force, journal=0).obstacles


def test_a_fresh_verification_without_differences_opens_the_way() -> None:
    """Nothing stands in the way of the cut-over."""
    assert () == obstacles(Step.CUTOVER, VERIFIED)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (None, "nothing was verified"),
        ({"open_count": 3}, "3 differences open"),
        ({"epoch": 0}, "a hand-over since"),
        ({"began_at": NOW - timedelta(hours=24)}, "more than 24 hours ago"),
        ({"began_at": NOW + timedelta(hours=1)}, "in the future"),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_a_cut_over_wants_such_a_verification(changes: dict[str, Any] | None, message: str, force: bool) -> None:
    """Anything less is refused, also with ``--force``, which is for a dead store only; the next step is to verify."""
    verification = None if changes is None else GOOD.model_copy(update=changes)
    state = VERIFIED.model_copy(update={"verification": verification})
    plan = plan_of(Step.CUTOVER, state, control(), ("*",), now=NOW, force=force, journal=0)

    assert [True] == [message in obstacle for obstacle in plan.obstacles]
    assert (NextStep(step=Step.VERIFY),) == plan.next_steps


def test_a_rollback_is_never_refused() -> None:
    """No verification, however old: nobody is trapped."""
    state = VERIFIED.model_copy(update={"phase": Phase.CUT_OVER, "verification": None, "cut_over_at": NOW})

    assert () == obstacles(Step.ROLLBACK, state)


@pytest.mark.parametrize(("days", "force", "count"), [(29, False, 1), (29, True, 0), (30, False, 0)])
def test_finishing_waits_for_thirty_days(days: int, force: bool, count: int) -> None:
    """Unless it is forced."""
    state = VERIFIED.model_copy(update={"phase": Phase.CUT_OVER, "cut_over_at": NOW - timedelta(days=days)})

    assert count == len(obstacles(Step.FINISH, state, force=force))


def test_what_is_there_already_is_not_moved_again() -> None:
    """Repeating a step, or cutting over the rest after one organization, moves only what has not gone."""
    place = destination_of(Step.CUTOVER, VERIFIED)

    assert ("*",) == keys_to_move(control(acme=TURNED), place, ())
    assert () == keys_to_move(control(acme=TURNED), place, [ACME])
    assert ("org-acme",) == keys_to_move(control(), place, [ACME])
    assert ("org-acme",) == keys_to_move(control(acme=TURNED), destination_of(Step.ROLLBACK, VERIFIED), ())
    assert Target(primary="cosmos", secondary="table") == place.after


def test_finishing_wants_all_scopes_cut_over() -> None:
    """A scope that still is on Table Storage would lose its way back without having gone."""
    with pytest.raises(MigrationRefusedError, match="every scope without a route of its own is on table") as refused:
        keys_to_move(control(acme=TURNED), destination_of(Step.FINISH, VERIFIED), ())
    assert (STATUS,) == refused.value.next_steps


def test_nothing_to_do_is_said() -> None:
    """A plan without keys is done."""
    assert plan_of(Step.CUTOVER, VERIFIED, control(), (), now=NOW, force=False, journal=0).is_done


def test_what_a_hand_over_did_is_told_in_the_past_tense() -> None:
    """Where the scopes went, what was repaired, who was silent, how long writers waited, and what was left behind."""
    done = HandOverReport("cutover", ("*",), attempts=1, paused_seconds=0.25, revoked=["host 1"], repaired=3, left={"a": "b"})
    lines = lines_of_move(Step.CUTOVER, destination_of(Step.CUTOVER, VERIFIED), ["*"], control(), done)

    assert [
        "every scope went from table (every write also goes to cosmos) to cosmos (every write also goes to table)",
        "3 records that the journal named were repaired first",
        "processes that were silent were taken off the list: host 1",
        "writers waited for 0.25 seconds",
    ] == lines[:4]
    assert "left behind: a: b" == lines[-1]
    values = done.values()
    assert (["host 1"], 3) == (values["revoked"], values["repaired"])
