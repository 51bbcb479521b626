"""Command lines that pages and messages give work as written: commands and options exist, and none that is needed lacks."""

from __future__ import annotations

import re
import shlex
from itertools import pairwise
from pathlib import Path

import pytest
import typer
from typer.main import get_command

from bifrost_store.cli.app import app
from bifrost_store.core.commands import spelled
from bifrost_store.errors import NextStep
from bifrost_store.migration.state import STATUS, Asked, Options, Step, forced, repairing

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SOURCES = sorted((ROOT / "src").rglob("*.py"))
FENCED = re.compile(r"^ *```[a-z]*\n(.*?)^ *```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`(bifrost-store [^`\n]+)`")
PART = re.compile(r"&&|\|\||\||;|#")
"""What ends a command in a shell's line."""


def commands_of(text: str) -> set[str]:
    """Return the command lines of a page: those in its blocks, without variables set before them, and those in its sentences."""
    lines = [line for block in FENCED.findall(text) for line in block.splitlines()]
    parts = [part.strip().removeprefix("$ ") for line in lines for part in PART.split(line)]
    bare = [re.sub(r"^(?:[A-Z_a-z]+=(?:'[^']*'|\S*)\s+)+", "", part) for part in parts]
    return {part for part in bare if re.match(r"bifrost-store [a-z-]", part)} | set(SPAN.findall(FENCED.sub("", text)))


GIVEN = {command: name for path in PAGES for name in [path.name] for command in commands_of(path.read_text("utf-8"))}
NAMED = {
    command: path.name
    for path in SOURCES
    for command in re.findall(r"`{1,2}(bifrost-store [a-z][^`{}\n]*)`", path.read_text("utf-8"))
}


STEPS = [
    *(NextStep(step=step) for step in Step),
    *(forced(step) for step in (Step.CUTOVER, Step.ROLLBACK, Step.FINISH)),
    *(NextStep(step=step, options=Options(drop_expired=True).arguments) for step in (Step.BACKFILL, Step.RUN)),
    *(Asked(step=step, scopes=("acme", "GLOBAL")).again for step in (Step.CUTOVER, Step.ROLLBACK)),
    repairing(),
    STATUS,
    NextStep(step="init", options={"fix": True}),
    NextStep(step="repair"),
]
"""What a migration names as the next step."""


@pytest.mark.parametrize("command", sorted({*GIVEN, *NAMED, *(spelled([step]) for step in STEPS)}), ids=str)
def test_a_command_line_is_understood(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command line reads it, up to the moment before the command begins."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("typer.completion.install", lambda **_: ("bash", tmp_path))  # which writes into the home folder
    program, *words = shlex.split(command)
    for word in words:
        if word.startswith("./") or word == "DIR":
            Path(word).mkdir()
    found = get_command(app)
    while "commands" in vars(found):
        try:
            group = found.make_context(program, words)
        except (typer.Exit, SystemExit) as ended:  # of an option that is answered at once
            assert not getattr(ended, "code", 0)
            return
        _, found, words = found.resolve_command(group, [*group._protected_args, *group.args])  # type: ignore[attr-defined]
        if found is None or (not words and "commands" in vars(found)):
            break
    if found is not None and "commands" not in vars(found):
        found.make_context(program, words)


def test_there_are_such_lines() -> None:
    """They are found at all, in blocks and in sentences."""
    assert {"bifrost-store migrate run --dry-run", "bifrost-store cost --executions-per-month 50000"} <= GIVEN.keys()
    assert {"bifrost-store load ./dump", "bifrost-store usage --scope acme"} <= GIVEN.keys()
    assert {"bifrost-store init --fix", "bifrost-store init"} <= NAMED.keys()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_lists_are_rendered_as_lists(page: Path) -> None:
    """Python-Markdown, which makes the site, wants a blank line before a list, and four spaces before what else an item holds."""
    lines = FENCED.sub("", page.read_text("utf-8")).splitlines()
    fences = re.findall(r"^ {1,3}```", page.read_text("utf-8"), re.MULTILINE)
    items = re.compile(r"(\d+\.|[*-]) ")
    run_on = [now for before, now in pairwise(lines) if items.match(now) and not _may_precede(before, items)]
    too_near = [now for before, now in pairwise(lines) if not before.strip() and re.match(r" {1,3}\S", now)]

    assert ([], [], []) == (fences, run_on, too_near)


def _may_precede(line: str, items: re.Pattern[str]) -> bool:
    """Return whether a list may go on, or begin, after *line*."""
    return not line.strip() or bool(items.match(line)) or line.startswith("  ")
