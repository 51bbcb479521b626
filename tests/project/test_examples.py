"""Pages whose code is run from top to bottom, and prints what stands below it; and files that are run as they stand."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import logging
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", re.DOTALL)
FILE = re.compile(r"```python title=\"(\w+\.py)\"\n(.*?)```", re.DOTALL)
RUN = [
    "tutorial.md",
    "howto/observe.md",
    "howto/record-runs.md",
    "howto/follow-changes.md",
    "howto/roll-out-realtime.md",
    "howto/lists-and-settings.md",
    "howto/secrets.md",
]


async def printed(code: str, names: dict[str, Any]) -> str:
    """Run *code*, in which ``await`` may stand at the top, and return what it printed."""
    compiled = compile(code, "<example>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        outcome = eval(compiled, names)
        if inspect.isawaitable(outcome):
            await outcome
    return output.getvalue()


@pytest.mark.parametrize("page", RUN)
def test_a_page_prints_what_it_says(page: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader who types the page in sees exactly what it promises, piece by piece."""
    monkeypatch.setattr(logging.getLogger("bifrost_store"), "handlers", [])  # what the page adds goes with it
    blocks = BLOCK.findall((DOCS / page).read_text("utf-8"))

    async def read() -> list[str]:
        names: dict[str, Any] = {}
        return [await printed(code, names) for code, _ in blocks]

    assert [text for _, text in blocks] == asyncio.run(read())


@pytest.mark.parametrize(
    ("page", "test"),
    [
        ("write-a-handler.md", "test_function_app.py"),
        ("scripts.md", "test_close_stale.py"),
        ("flask-and-celery.md", "test_web_and_jobs.py"),
        ("fastapi.md", "test_api.py"),
    ],
)
def test_the_files_of_a_guide_pass_their_test(page: str, test: str, tmp_path: Path) -> None:
    """A reader who saves the files of the page and runs pytest, as it says, sees the test pass."""
    files = dict(FILE.findall((DOCS / "howto" / page).read_text("utf-8")))
    for name, content in files.items():
        (tmp_path / name).write_text(content, "utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)

    assert test in files
    assert len(files) > 1
    assert "1 passed" in done.stdout, done.stdout
    assert "" == done.stderr


def test_the_example_application_answers_without_a_host(tmp_path: Path) -> None:
    """A reader without Core Tools who runs the code of its README sees an organization made and listed."""
    app = DOCS.parent / "examples" / "functions_app"
    code = BLOCK.findall((app / "README.md").read_text("utf-8"))[0][0]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(app), os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, env=environment, check=False)

    assert done.stdout.startswith('201\n{"items": [{'), done.stderr
