"""The retention that the start of a migration records: one function, and what two copies of the control document make of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bifrost_store.core.retention import Recorded, Retention, agreed
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.migration.expiry import retention_line
from bifrost_store.routing.control import EVERY_SCOPE, Control, Move, Route, Target
from bifrost_store.testing.clock import START
from bifrost_store.testing.examples import execution

PERIOD = timedelta(days=14)
RETENTION = Retention(PERIOD, START)
LATER = Retention(PERIOD, START + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("body", "end"),
    [
        ({"completedAt": "2020-01-01T00:00:00"}, START + PERIOD),
        ({"completedAt": None, "startedAt": "2025-11-15T00:00:00"}, datetime(2025, 11, 29, tzinfo=UTC)),
        ({"completedAt": "2025-11-16T00:00:00+02:00", "startedAt": "2020-01-01T00:00:00"}, datetime(2025, 11, 29, 22, tzinfo=UTC)),
        ({"completedAt": "soon", "startedAt": "2025-11-15T00:00:00"}, datetime(2025, 11, 29, tzinfo=UTC)),
        ({"completedAt": "", "startedAt": ""}, START + PERIOD),
        ({}, START + PERIOD),
        ({"completedAt": "9999-12-31T00:00:00"}, None),
    ],
)
def test_the_end_follows_from_the_last_change(body: dict[str, object], end: datetime | None) -> None:
    """But nothing ends before a period after the start; what the calendar cannot tell never does."""
    assert end == RETENTION.expiry_of(body)


def test_only_what_stores_no_expiry_is_given_one() -> None:
    """And only once there is a retention; a tombstone has none."""
    own, old = execution(expires_at=START), execution(expires_at=None)

    assert Recorded().aged(old) is old
    assert Recorded(RETENTION).aged(own) is own
    assert START + PERIOD == Recorded(RETENTION).aged(old).expires_at
    assert Recorded(RETENTION).aged(old.tombstone(old.version)).expires_at is None


@given(
    st.sampled_from(["P14D", "P36500D", "P36501D", "P99999999D", "P999999999D", "-P1D", "P0D", "PT1S"]) | st.text(max_size=8),
    st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat) | st.datetimes().map(datetime.isoformat),
)
@example("P14D", "9999-12-31T00:00:00Z")
@example("P14D", "0001-01-01T00:00:00+14:00")
def test_a_retention_that_nobody_recorded_is_damage(period: str, since: str) -> None:
    """Whatever a stored control document says of it, it is named, or can be counted with."""
    body = Control(migration_id="m", store="table", routes={EVERY_SCOPE: Route(primary="table")}).body()
    try:
        retention = Control.parse({**body, "retention": {"period": period, "since": since}}).retention
    except CorruptDocumentError as error:
        assert "retention" in str(error)
        return

    assert retention is not None
    assert "not before" in retention_line(retention)
    assert retention.values()
    assert Recorded(retention).aged(execution(expires_at=None)) is not None
    for now in (START, datetime(1, 1, 1, tzinfo=UTC)):
        before = Recorded(retention).ended_before(now)
        assert before is None or before < now


def test_of_two_starts_the_later_counts_in_both_copies() -> None:
    """Neither copy loses a hand-over under way by it. Without a retention the document is that of earlier releases."""
    move = Move(attempt="a", kind="start", keys=("*",), target=Target(primary="table", secondary="cosmos"))
    routes = {EVERY_SCOPE: Route(primary="table")}
    first = Control(migration_id="m", store="cosmos", routes=routes, retention=RETENTION)
    second = Control(migration_id="m", store="table", routes=routes, retention=LATER, move=move)

    assert LATER == agreed(None, LATER, RETENTION)
    assert LATER == first.raised(second).retention
    assert second == second.raised(first)
    assert move == second.model_copy(update={"retention": None}).raised(first).move
    assert second == Control.parse(second.body())
    assert "retention" not in Control(migration_id="m", store="table", routes=routes).body()
