"""What goes on is told as a sentence to people and as a dotted event with fields to programs."""

from __future__ import annotations

import ast
import logging
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bifrost_store.cli.logs import show_logs
from bifrost_store.cli.output import begin, display
from bifrost_store.core.events import SENTENCES, dotted, log_event, sentence

SOURCES = sorted((Path(__file__).parents[2] / "src" / "bifrost_store").rglob("*.py"))
OF_DICTIONARIES = {
    "_fields": {"scope", "blob", "error"},  # in repositories/executions/payload_blobs.py
    "self._names": {"processor", "range"},  # in changefeed/following.py
    "extra": {"repaired", "left", "failed", "stuck", "kind", "scope", "error"},  # in mirroring/journal_repair.py
}
A_PROGRAM = """
import logging
from bifrost_store.core.events import log_event
fields = {"count": 2, "error": "ThrottledError", "remedy": "bifrost-store repair"}
log_event(logging.getLogger("bifrost_store.table"), logging.WARNING, "table.index_rows_incomplete", **fields)
"""


def told(tree: ast.AST) -> Iterator[tuple[str, set[str]]]:
    """Yield every event that a module logs or tells, with the fields that it gives."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name == "log_event":
            event, given = call.args[2], {one.arg for one in call.keywords if one.arg}
            for one in (one.value for one in call.keywords if one.arg is None):
                given |= OF_DICTIONARIES[ast.unparse(one).partition("(")[0]]
        elif name == "tell" and len(call.args) == 2 and isinstance(call.args[1], ast.Dict):
            event, given = call.args[0], {ast.literal_eval(key) for key in call.args[1].keys if key is not None}
        else:
            continue
        yield ast.literal_eval(event), given


TOLD = [one for path in SOURCES for one in told(ast.parse(path.read_text("utf-8")))]


def test_every_event_has_a_sentence_and_the_fields_that_it_shows() -> None:
    """A log record or a step's news is readable wherever it comes from; no sentence is left of an event that is gone."""
    assert set(SENTENCES) == {event for event, _ in TOLD}
    for event, given in TOLD:
        shown = {name for _, name, _, _ in string.Formatter().parse(SENTENCES[event]) if name}
        assert shown <= given, event


def test_nothing_is_logged_past_the_sentences() -> None:
    """The library's loggers are written to by `log_event` alone; the emulator and SignalR stand alone."""
    methods = {"debug", "info", "warning", "error", "exception", "critical"}
    found = [
        f"{path.name}:{call.lineno}"
        for path in SOURCES
        if not {"emulator", "signalr"} & set(path.parts)
        for call in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Attribute)
        and call.func.attr in methods
        and "log" in ast.unparse(call.func.value).lower()
    ]

    assert [] == found


def test_a_log_record_holds_both(caplog: pytest.LogCaptureFixture) -> None:
    """Its message is the sentence; event and fields are attributes; it names the place that logged."""
    log_event(logging.getLogger("bifrost_store.table"), logging.WARNING, "table.unreadable_row", row="a {b} %s")
    (record,) = caplog.records

    assert "a row cannot be read and is left out of a list: a {b} %s" == record.getMessage()
    assert ("table.unreadable_row", "a {b} %s", "test_events.py") == (vars(record)["event"], vars(record)["row"], record.filename)


def test_a_program_without_logging_configuration_prints_the_sentence() -> None:
    """On stderr, by Python's handler of last resort."""
    done = subprocess.run([sys.executable, "-c", A_PROGRAM], capture_output=True, text=True, check=True)

    assert "a record was written, but 2 of its index rows" in done.stderr
    assert "table.index_rows_incomplete" not in done.stderr


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process whose logging is not configured, as a command finds it."""
    monkeypatch.setattr(logging.root, "handlers", [])
    begin()
    show_logs()


def log() -> None:
    fields = {"count": 2, "error": "sig=abc", "remedy": "bifrost-store repair"}
    log_event(logging.getLogger("bifrost_store.table"), logging.WARNING, "table.index_rows_incomplete", **fields)


@pytest.mark.usefixtures("handled")
def test_a_command_shows_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    """Without secrets that somebody quoted, and beside other libraries' warnings."""
    log()
    logging.getLogger("another").warning("a bad %s\nthing", "old")

    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: a record was written, but 2 of its index rows")
    assert "abc" not in first
    assert "warning: a bad old thing" == second


@pytest.mark.usefixtures("handled")
def test_a_command_with_json_shows_events(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """With their fields, for programs; stdout stays free for the one object."""
    monkeypatch.setattr(display, "is_json", True)
    log()

    said = capsys.readouterr()
    assert ("", "table.index_rows_incomplete count=2 error=sig=*** remedy=bifrost-store repair\n") == said


def test_configured_logging_decides_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command adds nothing where somebody has configured logging."""
    mine = logging.StreamHandler()
    monkeypatch.setattr(logging.root, "handlers", [mine])
    show_logs()

    assert [mine] == logging.root.handlers


def test_a_sentence_names_what_a_list_holds() -> None:
    """And programs get the values as they are."""
    fields = {"processes": ["a 1", "b 2"]}

    assert "waiting for processes that use the target by themselves: a 1, b 2" == sentence("start.processes_in_target", fields)
    assert "start.processes_in_target processes=['a 1', 'b 2']" == dotted("start.processes_in_target", fields)
