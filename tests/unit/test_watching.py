"""A migration that is watched: how fast it goes now, what is left, and one line for each change where nobody draws."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console

from bifrost_store.cli import watching
from bifrost_store.migration.pace import Pace, Paces
from bifrost_store.migration.state import MigrationState, Phase, Running, Step
from bifrost_store.migration.status import MigrationStatus, StoreStatus

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
RUNNING = Running(step=Step.BACKFILL, runner="elsewhere 1", began_at=NOW, seen_at=NOW)


def look(seconds: float, done: int | None, *, total: int | None = 1000, running: Running | None = RUNNING) -> MigrationStatus:
    """Return what is seen *seconds* after the start."""
    now = NOW + timedelta(seconds=seconds)
    progress: dict[str, dict[str, Any]] = {} if done is None else {"backfill": {"done": done, "total": total}}
    state = MigrationState(
        migration_id="m",
        source="table",
        target="cosmos",
        changed_at=NOW,
        phase=Phase.BACKFILLING,
        progress=progress,
        running=running and running.model_copy(update={"seen_at": now}),
    )
    return MigrationStatus(state, None, {"table": StoreStatus(journal=0)}, now, timedelta(seconds=30))


def test_the_rate_is_that_of_the_last_half_minute() -> None:
    """What an earlier run did counts as done, not as speed; the first look tells no rate."""
    paces = Paces()

    assert {"backfill": Pace(600, 1000, None, None)} == paces.see(look(0, 600))
    assert {"backfill": Pace(700, 1000, 10.0, 30.0)} == paces.see(look(10, 700))
    for seconds in (20, 30, 40, 50):
        last = paces.see(look(seconds, 700 + 2 * (seconds - 10)))
    assert 2.0 == last["backfill"].rate
    assert (1000 - 780) / 2 == last["backfill"].seconds_left


def test_what_stands_has_no_rate() -> None:
    """Nobody works on it, it starts over, its total is unknown, or it is over."""
    paces = Paces()
    paces.see(look(0, 100))

    assert Pace(100, 1000, None, None) == paces.see(look(10, 100, running=RUNNING.model_copy(update={"is_over": True})))["backfill"]
    paces.see(look(20, 100))
    assert Pace(0, 1000, None, None) == paces.see(look(30, 0))["backfill"]
    assert Pace(50, None, 5.0, None) == paces.see(look(40, 50, total=None))["backfill"]
    assert Pace(50, 1000, 2.5, 380.0) == paces.see(look(50, 50))["backfill"]
    assert {} == paces.see(look(60, None))


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What a command prints, which is no terminal."""
    written = io.StringIO()
    monkeypatch.setattr(watching, "out", Console(file=written, soft_wrap=True, highlight=False, width=100))
    return written


def test_elsewhere_each_change_is_a_line(screen: io.StringIO) -> None:
    """The same again is not said again; what a store lacks is."""
    paces = Paces()
    away = replace(look(6, 100), stores={"table": StoreStatus(problem="does not answer", is_away=True)})
    with watching._shown(as_json=False) as show:
        for status in (look(0, 100), look(2, 120), look(4, 140), away):
            show(status, paces.see(status))

    assert [
        "12:00:00 UTC phase backfilling; backfill 100 of 1,000",
        "12:00:02 UTC phase backfilling; backfill 120 of 1,000, 10 a second, 1 min 28 s left",
        "12:00:04 UTC phase backfilling; backfill 140 of 1,000, 10 a second, 1 min 26 s left",
        "12:00:06 UTC phase backfilling; backfill 100 of 1,000; table: does not answer",
    ] == screen.getvalue().splitlines()


def test_a_terminal_shows_bar_and_state() -> None:
    """Lines of the status, and for what is under way a bar with how fast it goes."""
    paces = Paces()
    paces.see(look(0, 0))
    status = look(10, 250)
    console = Console(file=io.StringIO(), width=100, force_terminal=True, record=True)
    console.print(watching._picture(status, paces.see(status)))
    text = console.export_text()

    assert "phase: backfilling" in text
    assert "backfill: 250 of 1,000, 25 a second, 30 s left" in text
    assert "━" * 10 in text
    assert "records, " not in text
    assert "Ctrl-C ends" in text


def test_as_json_each_look_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """That of `status`, with the pace in place of the average."""
    paces = Paces()
    with watching._shown(as_json=True) as show:
        for status in (look(0, 100), look(2, 120)):
            show(status, paces.see(status))
    first, second = map(json.loads, capsys.readouterr().out.splitlines())

    assert ("backfilling", None) == (first["phase"], first["progress"]["backfill"]["rate"])
    assert {"done": 120, "total": 1000, "rate": 10.0, "seconds_left": 88.0} == second["progress"]["backfill"]
