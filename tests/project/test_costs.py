"""The page about costs shows figures that hold."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tools.costs import differences

ROOT = Path(__file__).parents[2]


def test_the_page_says_what_the_command_says() -> None:
    """Whoever runs the command of docs/howto/costs.md sees its lines, and its figures to 2 %."""
    check = [sys.executable, str(ROOT / "tools" / "costs.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)

    assert (done.stdout, done.returncode) == ("", 0), done.stderr


@pytest.mark.parametrize(
    ("now", "is_same"),
    [
        ("get  1,010 calls  0.51 $\nlist 5 RU", True),
        ("list   5 RU\nget 1,000 calls 0.50 $", True),
        ("get 1,000 calls 0.50 $\nlist 6 RU", False),
        ("get 1,100 calls 0.50 $\nlist 5 RU", False),
        ("got 1,000 calls 0.50 $\nlist 5 RU", False),
        ("get 1,000 calls 0.50 $", False),
    ],
)
def test_figures_may_differ_a_little_and_words_not_at_all(now: str, is_same: bool) -> None:
    """2 %, or a unit of the last digit; the order of lines does not matter."""
    assert is_same is (differences("get 1,000 calls 0.50 $\nlist 5 RU", now) == [])
