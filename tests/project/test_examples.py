"""Pages whose code is run from top to bottom, and prints what stands below it."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
from pathlib import Path
from typing import Any

import pytest

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"```python\n(.*?)```(?:\s*```text\n(.*?)```)?", re.DOTALL)
RUN = ["tutorial.md", "howto/observe.md"]


async def printed(code: str, names: dict[str, Any]) -> str:
    """Run *code*, in which ``await`` may stand at the top, and return what it printed."""
    compiled = compile(code, "<example>", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        outcome = eval(compiled, names)
        if inspect.isawaitable(outcome):
            await outcome
    return output.getvalue()


@pytest.mark.parametrize("page", RUN)
def test_a_page_prints_what_it_says(page: str) -> None:
    """A reader who types the page in sees exactly what it promises, piece by piece."""
    blocks = BLOCK.findall((DOCS / page).read_text("utf-8"))

    async def read() -> list[str]:
        names: dict[str, Any] = {}
        return [await printed(code, names) for code, _ in blocks]

    assert [text for _, text in blocks] == asyncio.run(read())
