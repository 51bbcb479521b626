"""What the benchmark of painting makes of what pages and stores say."""

from __future__ import annotations

from typing import Any, cast

import pytest
from playwright.async_api import Page

from bench.first_paint import sizes
from bench.painted import Watched
from bench.watching import judged


class _Page:
    """A page that says what it has painted."""

    def __init__(self, painted: list[tuple[str, float]]) -> None:
        self._painted = painted

    async def evaluate(self, _: str) -> Any:
        return self._painted


@pytest.mark.anyio
async def test_lines_that_were_passed_are_there_with_the_next_one() -> None:
    """A line that was not drawn counts with the first one behind it that was, by this process's clock."""
    page = _Page([("0-2", 11.0), ("0-5", 12.0), ("0-4", 12.5), ("0-5", 13.0)])
    found = await Watched(cast("Page", page), "run", ahead=1.0).painted()

    assert {("run", 1): 10.0, ("run", 2): 10.0, ("run", 3): 11.0, ("run", 4): 11.0, ("run", 5): 11.0} == found


def test_a_line_that_never_came_is_late(capsys: pytest.CaptureFixture[str]) -> None:
    """Percentiles are of all lines that were acknowledged, whether they came or not."""
    lines = [[number, 0.95] for number in range(1, 101)]
    came = {("run", number): 1.05 for number in range(1, 101)}
    assert (100, True) == judged("{}", came, [{"run": "run", "at": 1.0, "lines": lines}])
    assert (100, False) == judged("{}", {}, [{"run": "run", "at": 1.0, "lines": lines}])
    assert "p95 inf ms" in capsys.readouterr().out
    assert (0, False) == judged("{}", came, [])


def test_the_page_is_small() -> None:
    """All of it, as it is sent, keeps to its limit."""
    assert sizes()
