"""Writes what `bifrost-store cost` says of 50,000 executions into docs/howto/costs.md. With --check, only compares.

Charges of queries vary with the lengths of random ids by a hundredth, so that --check lets figures differ by 2 %.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "howto" / "costs.md"
BEGIN: Final = "<!-- What follows is written by `nox -s costs`. -->"
END: Final = "<!-- Here it ends. -->"
EXECUTIONS: Final = "50000"
_NUMBER: Final = re.compile(r"\d[\d,]*(?:\.\d+)?")
_TOLERANCE: Final = 0.02
_LAST_DIGIT: Final = 0.011
"""Small figures differ by what rounding makes of them."""


def measured() -> str:
    """Return what the command prints, whatever the environment says of a store of its own."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("BIFROST_STORE_")}
    command = [sys.executable, "-m", "bifrost_store.cli", "cost", "--executions-per-month", EXECUTIONS]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)  # noqa: S603 - our own command
    return "\n".join(line.rstrip() for line in done.stdout.splitlines())


def written(page: str) -> str:
    """Return what stands between the marks of *page*, without the fence around it."""
    return page.partition(BEGIN)[2].partition(END)[0].replace("```text", "").replace("```", "").strip()


def differences(one: str, other: str) -> list[str]:
    """Return the lines of *other* that say something else than *one*; their order may differ where lines cost the same."""
    left = sorted(one.splitlines())
    right = sorted(other.splitlines())
    if len(left) != len(right):
        return [f"{len(left)} lines are {len(right)} now"]
    return [now for before, now in zip(left, right, strict=True) if not _is_same(before, now)]


def _is_same(one: str, other: str) -> bool:
    if _NUMBER.sub("#", " ".join(one.split())) != _NUMBER.sub("#", " ".join(other.split())):
        return False
    pairs = zip(_NUMBER.findall(one), _NUMBER.findall(other), strict=True)
    return all(_is_near(_value(before), _value(now)) for before, now in pairs)


def _is_near(one: float, other: float) -> bool:
    return abs(one - other) <= max(_TOLERANCE * max(one, other), _LAST_DIGIT)


def _value(text: str) -> float:
    return float(text.replace(",", ""))


def main() -> int:
    """Write the page or compare it; 1 if it is out of date."""
    page, now = PAGE.read_text("utf-8"), measured()
    if "--check" in sys.argv[1:]:
        found = differences(written(page), now)
        if found:
            sys.stdout.write("\n".join(["docs/howto/costs.md is out of date; run `nox -s costs`:", *found, ""]))
        return 1 if found else 0
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n\n```text\n{now}\n```\n\n{END}{rest.partition(END)[2]}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
