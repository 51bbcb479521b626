"""Documentation that is true: examples run, and everything that can be set, called or raised is written down."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from bifrost_store import errors
from bifrost_store.cli.app import app
from bifrost_store.settings import StoreSettings, variable_name

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
DECISIONS = sorted((DOCS / "decisions").glob("*.md"))
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
EVERYWHERE = {"--json", "--help", "--verbose", "-v"}
"""Options that the reference explains once for all commands."""


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def leaves(command: Any, name: str = "") -> dict[str, Any]:
    """Return every command by name, groups spelled out."""
    below = getattr(command, "commands", None)
    if below is None:
        return {name: command}
    found: dict[str, Any] = {}
    for part, inner in below.items():
        found |= leaves(inner, f"{name} {part}".strip())
    return found


COMMANDS = leaves(get_command(app))
ERRORS = [name for name, one in vars(errors).items() if isinstance(one, type) and issubclass(one, errors.StoreError)]


def linked_from(page: Path) -> set[Path]:
    return {(page.parent / target).resolve() for target in LINK.findall(page.read_text("utf-8"))}


def test_the_example_of_the_readme_prints_what_it_says(tmp_path: Path) -> None:
    """A reader who copies the example sees the line that the text promises."""
    readme = (ROOT / "README.md").read_text("utf-8")
    example = PYTHON.search(readme)
    promised = re.search(r"It prints `(.*?)`", readme)
    assert example is not None
    assert promised is not None
    done = subprocess.run([sys.executable, "-c", example[1]], capture_output=True, text=True, cwd=tmp_path, check=False)

    assert promised[1] == done.stdout.strip(), done.stderr


@pytest.mark.parametrize("page", [page for page in PAGES if "```python" in page.read_text("utf-8")], ids=name_of)
def test_the_python_of_a_page_compiles_and_finds_what_it_imports(page: Path) -> None:
    """Examples hold no name that was renamed since."""
    for example in PYTHON.findall(page.read_text("utf-8")):
        imports: list[ast.stmt] = [node for node in ast.parse(example).body if isinstance(node, ast.Import | ast.ImportFrom)]
        exec(compile(ast.Module(imports, []), str(page), "exec"), {})


def test_the_readme_is_short() -> None:
    """Whoever opens the repository reads it to its end."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) < 110


@pytest.mark.parametrize("field", StoreSettings.model_fields)
def test_every_setting_is_documented(field: str) -> None:
    """Variable, default and meaning of each setting stand in the reference."""
    default = StoreSettings.model_fields[field].default
    line = (
        f"| `{variable_name(field)}` | `{'none' if default is None else default}` | {StoreSettings.model_fields[field].description}"
    )

    assert line in (DOCS / "reference" / "settings.md").read_text("utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_documented(name: str) -> None:
    """Each command has a section in the reference, with its arguments in the heading and its options below."""
    reference = (DOCS / "reference" / "cli.md").read_text("utf-8")
    parameters = COMMANDS[name].params
    arguments = [one.metavar for one in parameters if one.param_type_name == "argument"]
    options = {option for one in parameters if one.param_type_name == "option" for option in one.opts} - EVERYWHERE
    heading = f"## `{' '.join([name, *arguments])}`\n"
    assert heading in reference
    section = reference.partition(heading)[2].partition("\n## ")[0]

    assert [] == [option for option in sorted(options) if f"| `{option}` |" not in section]
    assert [] == [option for option in sorted(EVERYWHERE) if f"`{option}`" not in reference]


def test_no_command_is_documented_that_does_not_exist() -> None:
    """Sections of the reference that name a command name one that can be called."""
    headings = re.findall(r"^## `([a-z -]+)", (DOCS / "reference" / "cli.md").read_text("utf-8"), re.MULTILINE)

    assert sorted(COMMANDS) == sorted(heading.strip() for heading in headings)


@pytest.mark.parametrize("name", ERRORS)
def test_every_error_says_what_to_do(name: str) -> None:
    """Each error class stands in the guide to errors; `StoreError` is the base of them all."""
    guide = (DOCS / "howto" / "errors.md").read_text("utf-8")

    assert (f"| `{name}` |" if name != "StoreError" else "`StoreError`") in guide


@pytest.mark.parametrize("page", DECISIONS, ids=name_of)
def test_a_decision_is_a_page_of_three_parts(page: Path) -> None:
    """A decision tells its number, the context, what was decided, and what follows."""
    lines = page.read_text("utf-8").splitlines()

    assert lines[0].startswith(f"# {int(page.name[:4])}. ")
    assert ["## Context", "## Decision", "## Consequences"] == [line for line in lines if line.startswith("## ")]


def test_decisions_are_numbered_without_gaps() -> None:
    """No decision is lost, and no number is taken twice."""
    assert list(range(1, len(DECISIONS) + 1)) == [int(page.name[:4]) for page in DECISIONS]


def test_every_page_is_linked_from_the_index() -> None:
    """A reader of docs/index.md finds each page, in two steps at most."""
    index = DOCS / "index.md"
    near = {index, *linked_from(index)}
    linked = near.union(*(linked_from(page) for page in near if page.suffix == ".md"))

    assert [] == [name_of(page) for page in sorted(DOCS.rglob("*.md")) if page.resolve() not in {one.resolve() for one in linked}]


def test_the_reference_says_what_the_docstrings_say() -> None:
    """The pages about the repositories were written from the docstrings as they are now."""
    check = [sys.executable, str(ROOT / "tools" / "reference.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("", 0)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_link_leads_nowhere(page: Path) -> None:
    """What a page links to is there."""
    assert [] == [str(target) for target in sorted(linked_from(page)) if not target.exists()]
