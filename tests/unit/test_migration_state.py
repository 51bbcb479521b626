"""The saved state of a migration: which step is legal when, who decides, and that one of two operators wins."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.core.commands import spelled
from bifrost_store.core.record import Record
from bifrost_store.documents import SPECS
from bifrost_store.errors import CorruptDocumentError, MigrationRefusedError, NextStep, OutcomeUnknownError
from bifrost_store.migration.state import MigrationState, Options, Phase, Step, Verified
from bifrost_store.migration.state_store import StateStore
from bifrost_store.routing.control import Control, Route
from bifrost_store.routing.copies import STATE_KEY

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 5, 1, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
BASE = MigrationState(migration_id="m", source="table", target="cosmos", changed_at=NOW)
ALONE, DUAL = Route(primary="table"), Route(primary="table", secondary="cosmos", epoch=1)
TURNED, AWAY = Route(primary="cosmos", secondary="table", epoch=2), Route(primary="cosmos", epoch=3)
VERIFIED = Verified(began_at=NOW, ended_at=NOW, epoch=1, counts={"same": 1}, kinds={}, open_count=0)


def control(route: Route, *, finished: bool = False, first: Route | None = None) -> Control:
    others = {} if first is None else {"org-a": first}
    return Control(migration_id="m", store="table", routes={"*": route, **others}, finished=finished)


@pytest.fixture
async def backend() -> AsyncIterator[Backend]:
    opened = SqliteBackend(":memory:", SPECS)
    await opened.provision()
    yield opened
    await opened.aclose()


LEGAL = {
    Step.START: "none starting started backfilling backfilled verified rolled-back abandoned",
    Step.BACKFILL: "started backfilling backfilled verified rolled-back",
    Step.VERIFY: "backfilled verified cut-over rolled-back",
    Step.CUTOVER: "verified cut-over",
    Step.ROLLBACK: "cut-over rolled-back",
    Step.ABANDON: "starting started backfilling backfilled verified rolled-back abandoned",
    Step.FINISH: "cut-over finished",
    Step.RUN: "none starting started backfilling backfilled verified rolled-back abandoned",
}


@pytest.mark.parametrize(("step", "phase"), list(itertools.product(Step, Phase)))
def test_a_step_is_done_in_its_turn_only(step: Step, phase: Phase) -> None:
    """Out of turn it is refused, with the phase and what comes next; in turn it is not, also when repeated."""
    state = BASE.at(phase, NOW)
    if phase in LEGAL[step].split():
        state.check(step)
        return
    with pytest.raises(MigrationRefusedError, match=f"{step} cannot be done in phase {phase}") as refused:
        state.check(step)
    assert refused.value.next_steps


@pytest.mark.parametrize(
    ("phase", "route", "finished", "seen"),
    [
        (Phase.NONE, ALONE, False, Phase.STARTING),
        (Phase.STARTING, ALONE, False, Phase.STARTING),
        (Phase.STARTING, DUAL, False, Phase.STARTED),
        (Phase.BACKFILLING, DUAL, False, Phase.BACKFILLING),
        (Phase.VERIFIED, DUAL, False, Phase.VERIFIED),
        (Phase.VERIFIED, TURNED, False, Phase.CUT_OVER),
        (Phase.CUT_OVER, DUAL, False, Phase.ROLLED_BACK),
        (Phase.VERIFIED, ALONE, False, Phase.ABANDONED),
        (Phase.ABANDONED, DUAL, False, Phase.STARTED),
        (Phase.CUT_OVER, AWAY, True, Phase.FINISHED),
    ],
)
def test_the_control_document_decides(phase: Phase, route: Route, finished: bool, seen: Phase) -> None:
    """Whoever committed a hand-over and was killed before saying so here changes nothing: the phase is seen as it is."""
    assert seen is BASE.at(phase, NOW).seen(control(route, finished=finished), LATER).phase


def test_one_scope_that_was_cut_over_makes_the_phase() -> None:
    """One organization went first: the days to roll back count from then, and again from the next one that is noted."""
    state = BASE.at(Phase.VERIFIED, NOW).seen(control(DUAL, first=TURNED), LATER)

    assert (Phase.CUT_OVER, LATER) == (state.phase, state.cut_over_at)
    assert state == state.seen(control(DUAL, first=TURNED), LATER + timedelta(days=1))


def test_after_giving_up_nothing_counts_as_carried() -> None:
    """A later start begins from nothing: the target was not told of what was written meanwhile."""
    state = BASE.model_copy(update={"phase": Phase.VERIFIED, "verification": VERIFIED, "progress": {"backfill": {"done": 1}}})
    state = state.seen(control(ALONE), LATER)

    assert (None, {}) == (state.verification, state.progress)


@pytest.mark.parametrize(("days", "left"), [(0, 30), (0.5, 30), (29, 1), (29.5, 1), (30, 0), (300, 0)])
def test_days_left_to_roll_back(days: float, left: int) -> None:
    """30 whole days from the last cut-over; a day that has begun counts as left."""
    state = BASE.model_copy(update={"phase": Phase.CUT_OVER, "cut_over_at": NOW})

    assert left == state.days_left(NOW + timedelta(days=days))


async def test_one_of_two_operators_wins(backend: Backend) -> None:
    """Both read the same state; the second to write is told, and what the first wrote stays."""
    first, second = StateStore(backend), StateStore(backend)
    assert [None, None] == [await first.read(), await second.read()]
    await first.write(BASE.at(Phase.STARTING, NOW))

    with pytest.raises(MigrationRefusedError, match=r"another operator .* phase starting"):
        await second.write(BASE.at(Phase.STARTING, LATER))
    assert BASE.at(Phase.STARTING, NOW) == await second.read()


async def test_progress_stops_whoever_was_overtaken(backend: Backend) -> None:
    """Cursors survive the process; a second run goes on from them, and the first one stops at its next save."""
    first, second = StateStore(backend), StateStore(backend)
    await first.write(BASE)
    await first.progress("backfill").save({"done": 1})
    await first.progress("verify").save({"done": 7})
    await second.read()
    assert {"done": 1} == await second.progress("backfill").load()
    await second.progress("backfill").save({"done": 2})

    with pytest.raises(MigrationRefusedError):
        await first.progress("backfill").save({"done": 3})
    state = await StateStore(backend).read()
    assert state is not None
    assert {"backfill": {"done": 2}, "verify": {"done": 7}} == state.progress


async def test_a_write_whose_answer_was_lost_counts(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is stored is what was to be: nobody else came between."""
    store = StateStore(backend)
    await store.write(BASE)
    replace = backend.replace

    async def lose(*arguments: object, **options: object) -> Record:
        await replace(*arguments, **options)  # type: ignore[arg-type]
        raise OutcomeUnknownError("lost")

    monkeypatch.setattr(backend, "replace", lose)
    assert BASE.at(Phase.STARTED, LATER) == await store.write(BASE.at(Phase.STARTED, LATER))


async def test_a_state_of_a_newer_release_is_not_guessed_at(backend: Backend) -> None:
    """An unknown version or field is an error that says so."""
    await backend.create(Record(STATE_KEY, BASE.body() | {"schemaVersion": 2}))

    with pytest.raises(CorruptDocumentError, match="newer release"):
        await StateStore(backend).read()


async def test_a_damaged_state_is_none_and_told_once(backend: Backend, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever looks again and again, as a console does, says no more until it was whole in between."""
    store = StateStore(backend)
    record = await backend.create(Record(STATE_KEY, {"rubbish": 1}))
    assert [None, None] == [await store.read(), await store.read()]
    assert ["migration.state_damaged"] == [getattr(one, "event", None) for one in caplog.records]

    record = await backend.replace(record.with_body(BASE.body()), record.etag)
    assert BASE == await store.read()
    await backend.replace(record.with_body({**BASE.body(), "phase": "elsewhere"}), record.etag)
    assert await store.read() is None
    assert 2 == len(caplog.records)


KEPT, DROPPED = Options(drop_expired=False), Options(drop_expired=True)


def test_what_shapes_the_result_is_chosen_once() -> None:
    """The first that is told counts; the same may be told again, another is refused with the command that fits."""
    state = BASE.at(Phase.STARTED, NOW).told(Step.BACKFILL, KEPT)
    again = (NextStep(step=Step.BACKFILL),)

    assert KEPT == state.told(Step.RUN, KEPT).options
    assert again == state.next_steps
    with pytest.raises(MigrationRefusedError, match=r"was begun to carry everything .* is asked now to leave out") as refused:
        state.told(Step.BACKFILL, DROPPED)
    assert again == refused.value.next_steps
    dropped = BASE.at(Phase.STARTED, NOW).told(Step.RUN, DROPPED)
    assert "bifrost-store migrate backfill --drop-expired" == spelled(dropped.next_steps)


def test_abandoning_frees_the_choice() -> None:
    """What comes after it is another migration."""
    state = BASE.at(Phase.BACKFILLED, NOW).told(Step.BACKFILL, KEPT)

    assert state.seen(control(ALONE), LATER).options is None


@pytest.mark.parametrize(
    ("phase", "kept", "options"),
    [("backfilled", True, KEPT), ("cut-over", False, DROPPED), ("started", False, None), ("abandoned", True, None)],
)
def test_a_migration_outlives_an_upgrade(phase: str, kept: bool, options: Options | None) -> None:
    """A state whose options were one field of an earlier shape is read."""
    body = {name: value for name, value in BASE.body().items() if name != "options"}

    assert options == MigrationState.parse({**body, "phase": phase, "keepExpired": kept}).options
