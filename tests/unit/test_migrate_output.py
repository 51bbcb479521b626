"""What `migrate` says when something ends a phase: what it was, what to do next, and an exit code."""

from __future__ import annotations

import errno
import json
from types import SimpleNamespace

import pytest
import typer

from bifrost_store.cli.interrupts import Interrupted
from bifrost_store.cli.migrate import _ask
from bifrost_store.cli.migrate_output import failed, hearing, show
from bifrost_store.cli.output import display
from bifrost_store.errors import (
    AccessDeniedError,
    BackendUnavailableError,
    ConfigurationError,
    CorruptDocumentError,
    MigrationRefusedError,
    NextStep,
)
from bifrost_store.migration.outcome import PhaseReport, Plan
from bifrost_store.migration.state import Phase

AGAIN = "bifrost-store migrate backfill"
ENDS = [
    (MigrationRefusedError("no", next_steps=[NextStep("do this")]), 1, "do this"),
    (MigrationRefusedError("no"), 1, "bifrost-store migrate status"),
    (AccessDeniedError("no"), 1, f"correct the credentials, then {AGAIN}"),
    (BackendUnavailableError("away"), 1, AGAIN),
    (ConfigurationError("wrong"), 2, f"correct the settings, then {AGAIN}"),
    (OSError(errno.ENOSPC, "No space left on device"), 1, "make room for reports, or name another folder with --reports"),
    (CorruptDocumentError("damaged"), 1, "bifrost-store migrate status"),
]


@pytest.fixture(autouse=True)
def as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(display, "is_json", True)


def end(error: BaseException) -> None:
    """End a phase by *error*."""
    with failed("backfill") as known:
        known.phase = Phase.BACKFILLING
        raise error


@pytest.mark.parametrize(("error", "code", "next_step"), ENDS, ids=[type(error).__name__ for error, *_ in ENDS])
def test_every_end_names_the_next_step(error: BaseException, code: int, next_step: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON with the phase that was known, and on stderr for people."""
    with pytest.raises(typer.Exit) as ended:
        end(error)
    said = capsys.readouterr()
    values = json.loads(said.out)

    assert (code, "backfilling", False) == (ended.value.exit_code, values["phase"], values["ok"])
    assert values["next"].startswith(next_step)
    assert f"next: {next_step}" in said.err
    assert type(error).__name__ == values["error"]["type"]


def test_a_report_that_is_not_ok_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """The report is printed first, with its details beside phase, ok and next."""
    with pytest.raises(typer.Exit) as ended:
        show(PhaseReport("verify", Phase.BACKFILLED, False, (NextStep("repair"),), (), {"differs": 2}), as_json=True)

    assert 1 == ended.value.exit_code
    expected = {"phase": "backfilled", "ok": False, "next": "repair", "step": "verify", "differs": 2}
    assert expected == json.loads(capsys.readouterr().out)


def test_a_plan_that_would_be_refused_exits_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    """Each obstacle is named."""
    with pytest.raises(typer.Exit):
        show(
            Plan("cutover", Phase.BACKFILLED, ("would move",), ("nothing was verified",), (NextStep("now", "verify"),)),
            as_json=False,
        )

    assert [
        "would move",
        "refused: nothing was verified",
        "phase: backfilled",
        "next: now: bifrost-store migrate verify",
    ] == capsys.readouterr().out.splitlines()


def test_progress_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """Not one for each batch; what is no count is told at once."""
    with hearing() as tell:
        for done in range(0, 2500, 100):
            tell("backfill.progress", {"done": done, "total": 2500})
        tell("handover.committed", {"epoch": 3})

    lines = capsys.readouterr().err.splitlines()
    assert ["backfill.progress: 1000 of 2500", "backfill.progress: 2000 of 2500", "handover.committed epoch=3"] == lines


@pytest.mark.parametrize("answer", [typer.Abort(), False])
def test_a_question_that_is_not_answered_with_yes(
    answer: typer.Abort | bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C at the question is an interruption like any other; a no says that nothing was changed."""

    def confirm(*_: object, **__: object) -> bool:
        if isinstance(answer, typer.Abort):
            raise answer
        return answer

    monkeypatch.setattr(typer, "confirm", confirm)
    monkeypatch.setattr("sys.stdin", SimpleNamespace(isatty=lambda: True))
    with pytest.raises((Interrupted, typer.Exit)) as ended, failed("cutover", ["--force"]):
        _ask("cutover", ["--force"])

    if isinstance(ended.value, Interrupted):
        assert ended.value.next == "bifrost-store migrate cutover --force"
        assert {"phase", "ok", "next", "error"} == ended.value.values.keys()
    else:
        assert isinstance(ended.value, typer.Exit)
        assert (1, "nothing was changed\n") == (ended.value.exit_code, capsys.readouterr().err)
