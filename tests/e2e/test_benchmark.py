"""The benchmark as a process: that it runs, never how fast."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.places import PLACES
from bench.reads import READS
from bench.writes import WRITES

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("backend", PLACES)
def test_everything_is_measured_on_every_backend(backend: str, request: pytest.FixtureRequest) -> None:
    """The quick run tries each operation once on each backend, and shows a line for it."""
    if backend != "sqlite":
        request.getfixturevalue("azurite")
    command = [sys.executable, "-m", "bench", "--quick", "--backend", backend]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    names = [f"| `{name.partition(',')[0]}`{''.join(name.partition(',')[1:])} |" for name in (*READS, *WRITES)]
    assert [] == [name for name in names if name not in done.stdout]
