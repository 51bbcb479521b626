"""Documentation that is true: examples run, and everything that can be set or called is written down."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from bifrost_store.cli.app import app
from bifrost_store.settings import StoreSettings, variable_name

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


def commands() -> list[str]:
    """Return every command, groups spelled out."""
    found = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        below = getattr(command, "commands", None)
        found += [f"{name} {inner}" for inner in below] if below else [name]
    return found


def test_the_example_of_the_readme_prints_what_it_says(tmp_path: Path) -> None:
    """A reader who copies the example sees the line that the text promises."""
    readme = (ROOT / "README.md").read_text("utf-8")
    example = re.search(r"```python\n(.*?)```", readme, re.DOTALL)
    promised = re.search(r"It prints `(.*?)`", readme)
    assert example is not None
    assert promised is not None
    done = subprocess.run([sys.executable, "-c", example[1]], capture_output=True, text=True, cwd=tmp_path, check=False)

    assert promised[1] == done.stdout.strip(), done.stderr


@pytest.mark.parametrize("field", StoreSettings.model_fields)
def test_every_setting_is_documented(field: str) -> None:
    """Variable, default and meaning of each setting stand in the reference."""
    default = StoreSettings.model_fields[field].default
    line = (
        f"| `{variable_name(field)}` | `{'none' if default is None else default}` | {StoreSettings.model_fields[field].description}"
    )

    assert line in (DOCS / "reference" / "settings.md").read_text("utf-8")


@pytest.mark.parametrize("command", commands())
def test_every_command_is_documented(command: str) -> None:
    """Each command stands in the reference."""
    assert f"`{command}" in (DOCS / "reference" / "cli.md").read_text("utf-8")


def test_every_page_is_within_reach() -> None:
    """Each page is linked from another, and no link leads nowhere."""
    pages = [ROOT / "README.md", *DOCS.rglob("*.md")]
    linked = {(page.parent / target).resolve() for page in pages for target in LINK.findall(page.read_text("utf-8"))}

    assert [] == [str(target) for target in linked if not target.exists()]
    assert [] == [str(page) for page in DOCS.rglob("*.md") if page.resolve() not in linked]
