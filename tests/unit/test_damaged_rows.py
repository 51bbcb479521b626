"""Rows of the library's own whose fields hold what nobody wrote: each is named as damaged, and nothing else is raised."""

from __future__ import annotations

import importlib
import json
import math
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

import bifrost_store
from bifrost_store.changefeed import dead_letters, leases
from bifrost_store.changefeed.dead_letters import DeadLetter
from bifrost_store.changefeed.leases import FeedLease
from bifrost_store.console.migration import shown_status
from bifrost_store.core.json import load_json
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import SYSTEM
from bifrost_store.documents import FEED_DEAD_LETTER, FEED_LEASE, LEASE, JobStatus
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.migration.pace import Paces
from bifrost_store.migration.state import Backfilled, MigrationState, Moment, Phase, Running, Step, Verified
from bifrost_store.migration.status import MigrationStatus, lines_of
from bifrost_store.reporting.migration import MigrationReport, page_of
from bifrost_store.routing.control import MAX_EPOCH, Control, Route
from bifrost_store.routing.membership import lease_rows
from bifrost_store.routing.membership.lease_rows import LeaseState
from bifrost_store.testing.examples import changed, job_status

NOW: Final = datetime(2026, 5, 1, tzinfo=UTC)
ABSURD: Final[list[Any]] = [
    *map(load_json, ("1e999", "-1e999", "1e308", str(10**400), "-1", "0", "1.5", "true", "null")),
    *("9999-12-31T23:59:59Z", "1" * 5000, "host " + "9" * 5000),
    *("NaN", "Infinity", "", "1e999", "0001-01-01T00:00:00+14:00", "2026-05-01T00:00:00"),
    *([], {}, [load_json("1e999")], {"a": load_json("1e999")}, {"a": 10**400}),
]


def row(kind: str, body: Body) -> Record:
    return Record(Key(kind, SYSTEM, "a" * 32), body)


LETTER: Final = DeadLetter(
    processor="p", feed="executions", kind="k", scope="s", id="i", error="E", message="m", attempts=1, failed_at=NOW
)
LEASED: Final = FeedLease(processor="p", feed="executions", low="", high="FF", position=None, moved_at=NOW, failing_since=NOW)
ROWS: Final[dict[str, tuple[Callable[[Body], object], Body]]] = {
    "feed lease": (lambda body: leases._load(row(FEED_LEASE.kind, body)), LEASED.model_dump(mode="json")),
    "dead letter": (lambda body: dead_letters._load(row(FEED_DEAD_LETTER.kind, body)), LETTER.model_dump(mode="json")),
    "lease": (lambda body: lease_rows._load(row(LEASE.kind, body)), LeaseState(process="p", seen_at=NOW).body()),
    "control": (Control.parse, Control(migration_id="m", store="table", routes={"*": Route(primary="table")}).body()),
    "state": (MigrationState.parse, MigrationState(migration_id="m", source="a", target="b", changed_at=NOW).body()),
}


@pytest.mark.parametrize(("name", "field"), [(name, field) for name, (_, body) in ROWS.items() for field in body])
def test_a_damaged_field_is_named_or_is_none(name: str, field: str) -> None:
    """Whatever JSON stands there: it is read as what it is, or the row cannot be read and says so."""
    load, body = ROWS[name]
    for value in ABSURD:
        try:
            load({**body, field: value})
        except CorruptDocumentError as error:
            assert "cannot be read" in str(error)


WHOLE: Final = MigrationState(
    migration_id="m",
    source="table",
    target="cosmos",
    phase=Phase.CUT_OVER,
    changed_at=NOW,
    runner="host 1",
    progress={"backfill": {"cursor": {"token": "t", "end": "e", "after": ["a", "b", "c"]}, "unreadable": 1, "done": 3, "total": 9}},
    backfill=Backfilled(ended_at=NOW, counts={"copied": 3}, kinds={"user": {"copied": 3, "failed": 1}}),
    verification=Verified(
        began_at=NOW,
        ended_at=NOW,
        epoch=1,
        counts={"same": 3, "differs": 1},
        kinds={"user": {"same": 3, "differs": 1}},
        open_count=1,
    ),
    cut_over_at=NOW,
    running=Running(step=Step.BACKFILL, runner="host 1", began_at=NOW, seen_at=NOW),
    history=(Moment(phase=Phase.STARTED, at=NOW), Moment(phase=Phase.CUT_OVER, at=NOW)),
    epoch=2,
)
"""A state with everything that a migration can have."""


def leaves(value: Any) -> Iterator[tuple[str | int, ...]]:
    """Yield the way to everything in *value*."""
    for name, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield (name,)
        yield from ((name, *rest) for rest in leaves(one))


def with_one(value: Any, way: tuple[str | int, ...], one: Any) -> Any:
    """Return *value* with *one* where *way* leads."""
    if not way:
        return one
    copied: Any = dict(value) if isinstance(value, dict) else list(value)
    copied[way[0]] = with_one(value[way[0]], way[1:], one)
    return copied


@pytest.mark.parametrize("way", list(leaves(WHOLE.body())), ids=lambda way: ".".join(map(str, way)))
def test_whatever_a_state_holds_can_be_shown(way: tuple[str | int, ...]) -> None:
    """A value that cannot be makes the whole a damaged state; every other one is shown by status, page, console and JSON."""
    for value in ABSURD:
        try:
            state = MigrationState.parse(with_one(WHOLE.body(), way, value))
        except CorruptDocumentError:
            continue
        status = MigrationStatus(state, None, {}, NOW + timedelta(hours=1), timedelta(seconds=20))
        lines_of(status)
        json.dumps([status.values(), shown_status(status)], allow_nan=False)
        page_of(MigrationReport(status, {}, NOW, "1"))
        paces = Paces()
        for hours in (0, 1):
            json.dumps(
                [one.values() for one in paces.see(replace(status, now=NOW + timedelta(hours=hours))).values()], allow_nan=False
            )


def models() -> Iterator[type[BaseModel]]:
    """Yield every model of the package."""
    for module in pkgutil.walk_packages(bifrost_store.__path__, "bifrost_store."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    left: list[type[BaseModel]] = [BaseModel]
    while left:
        found = left.pop().__subclasses__()
        left += found
        yield from (one for one in found if one.__module__.startswith("bifrost_store."))


@pytest.mark.parametrize("epoch", [10**400, 2**63, 9_999_999_999, MAX_EPOCH + 1, -1])
def test_an_epoch_that_leaves_no_room_is_none(epoch: int) -> None:
    """Those that follow must fit into versions."""
    with pytest.raises(CorruptDocumentError, match="control document cannot be read"):
        Control.parse({**ROWS["control"][1], "routes": {"*": {"primary": "table", "secondary": None, "epoch": epoch}}})
    with pytest.raises(CorruptDocumentError, match="epoch"):
        MigrationState.parse({**WHOLE.body(), "epoch": epoch})


def test_every_float_of_a_model_is_finite() -> None:
    """Who compares with NaN, or writes it into JSON, fails far from where it was read."""
    annotated: Any = Annotated
    floats = [
        TypeAdapter[Any](annotated[(field.annotation, field.description, *field.metadata)])
        for model in models()
        if model.model_rebuild(force=True)
        for field in model.model_fields.values()
        if "float" in repr(field).lower()
    ]

    assert len(floats) > 1
    for one in floats:
        for value in (math.nan, math.inf, -math.inf, "NaN", "Infinity", "1e999"):
            with pytest.raises(ValidationError):
                one.validate_python(value)


@given(st.sampled_from([math.nan, math.inf, -math.inf, "NaN", "-Infinity", "1e999", load_json("1e999")]))
def test_a_jobs_damaged_duration_is_named(value: object) -> None:
    """As any field of a document that cannot be read."""
    with pytest.raises(CorruptDocumentError, match="durationSeconds"):
        JobStatus.from_record(changed(job_status(), durationSeconds=value))
