"""With ``--json`` every command tells what went wrong as one JSON object."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, NoReturn

import pytest
import typer
from typer.main import get_command_from_info
from typer.models import CommandInfo

from bifrost_store.cli.app import app, run
from bifrost_store.errors import ThrottledError


def commands_of(group: typer.Typer, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], CommandInfo]]:
    for command in group.registered_commands:
        assert command.callback is not None
        yield (*words, command.name or command.callback.__name__.replace("_", "-")), command
    for inner in group.registered_groups:
        assert inner.typer_instance is not None
        yield from commands_of(inner.typer_instance, (*words, str(inner.name)))


def parameters(command: CommandInfo) -> list[Any]:
    return get_command_from_info(command, pretty_exceptions_short=False, rich_markup_mode=None).params


COMMANDS = {words: command for words, command in commands_of(app) if any("--json" in one.opts for one in parameters(command))}


def failing(callback: Callable[..., Any]) -> Callable[..., NoReturn]:
    @functools.wraps(callback)
    def fail(**_: object) -> NoReturn:
        raise ThrottledError("slow down", backend="table", retry_after_seconds=7.0)

    return fail


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_an_error_is_an_object(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever the command is about, a store that refuses is told so on stdout, and for people on stderr."""
    command = COMMANDS[words]
    assert command.callback is not None
    needed = [one for one in parameters(command) if one.required]
    values = [word for one in needed for word in ([one.opts[0], "1"] if one.opts[0].startswith("-") else [str(tmp_path)])]
    monkeypatch.setattr(command, "callback", failing(command.callback))
    monkeypatch.setattr(sys, "argv", ["bifrost-store", *words, *values, "--json"])

    with pytest.raises(SystemExit) as ended:
        run()

    said = capsys.readouterr()
    assert 1 == ended.value.code
    values = json.loads(said.out)
    assert (False, "ThrottledError", 7.0) == (values["ok"], values["error"]["type"], values["error"]["retry_after_seconds"])
    assert "error: slow down; try again after 7 s\n" == said.err


def wrong_uses(words: tuple[str, ...]) -> Iterator[list[str]]:
    """Yield command lines of a command that cannot be meant: too much, too little, and each option without its value."""
    known = parameters(COMMANDS[words])
    needed = {one.opts[0]: [one.opts[0], "1"] if one.opts[0].startswith("-") else ["x"] for one in known if one.required}
    yield [*words, *chain(*needed.values()), "--json", "--no-such-option"]
    yield [*words, "--no-such-option", *chain(*needed.values()), "--json"]
    yield [*words, *chain(*needed.values()), *["x"] * 99, "--json"]
    for missing in needed:
        yield [*words, *chain(*(value for name, value in needed.items() if name != missing)), "--json"]
    for one in known:
        if one.opts[0].startswith("--") and not one.is_flag:
            yield [*words, "--json", *chain(*needed.values()), one.opts[0]]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_wrong_use_is_an_object_too(
    words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One object on stdout, whatever is wrong and wherever ``--json`` stands; stderr tells it to people, and the exit code is 2."""
    for line in wrong_uses(words):
        monkeypatch.setattr(sys, "argv", ["bifrost-store", *line])

        with pytest.raises(SystemExit) as ended:
            run()

        said = capsys.readouterr()
        values = json.loads(said.out)
        assert (2, False, "UsageError") == (ended.value.code, values["ok"], values["error"]["type"])
        assert values["error"]["message"]
        assert "Error" in said.err


@pytest.mark.parametrize(
    "line",
    [
        ["no-such-command", "--json"],
        ["migrate", "no-such-command", "--json"],
        ["--no-such-option", "ping", "--json"],
        ["cost", "--json", "--executions-per-month", "nan"],
        ["cost", "--executions-per-month", "many", "--json"],
        ["metrics", "rebuild", "--day", "today", "--json"],
        ["logs", "e", "--scope", "\n", "--json"],
        ["repair", "--stop-index-rows", "--resume-index-rows", "--json"],
        ["load", "no/such/folder", "--json"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_an_object_whoever_finds_it(
    line: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A value that is none, before the command begins or in it; and a command that there is not."""
    monkeypatch.setattr(sys, "argv", ["bifrost-store", *line])
    with pytest.raises(SystemExit) as ended:
        run()

    assert (2, "UsageError") == (ended.value.code, json.loads(capsys.readouterr().out)["error"]["type"])


@pytest.mark.parametrize("line", [["ping", "--no-such-option"], ["ping", "--no-such-option", "--", "--json"]])
def test_wrong_use_without_the_option_is_text_alone(
    line: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What follows ``--`` is no option."""
    monkeypatch.setattr(sys, "argv", ["bifrost-store", *line])
    with pytest.raises(SystemExit) as ended:
        run()

    said = capsys.readouterr()
    assert (2, "") == (ended.value.code, said.out)
    assert "no-such-option" in said.err


def test_those_are_all_that_report() -> None:
    """Of the commands without ``--json`` each serves until it is stopped."""
    others = {words for words, _ in commands_of(app)} - set(COMMANDS)

    assert {("console",), ("cosmos-emulator",)} == others
