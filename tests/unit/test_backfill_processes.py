"""The backfill as a process: killed at any moment, and how much memory it takes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.core.clock import utc_now
from bifrost_store.core.operations import Create
from bifrost_store.documents import SPECS
from bifrost_store.migration.backfill import WORKERS
from bifrost_store.testing.examples import execution

pytestmark = [pytest.mark.anyio, pytest.mark.long]
_BATCH = 32
_KILLS = 4
_ROOM_KIB = 16 * 1024


async def fill(folder: Path, count: int, size: int) -> None:
    """Make both databases, the source with *count* executions of *size* characters."""
    for name, number in (("source", count), ("target", 0)):
        backend = SqliteBackend(str(folder / f"{name}.db"), SPECS, clock=utc_now)
        await backend.provision()
        records = [execution(n, started_at=utc_now() - timedelta(seconds=n), result="x" * size) for n in range(number)]
        for first in range(0, number, _BATCH):
            await backend.batch([Create(record) for record in records[first : first + _BATCH]])
        await backend.aclose()


def start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-m", "tests.unit.backfill_program", str(folder)], stdout=subprocess.PIPE)


def finish(folder: Path) -> dict[str, Any]:
    with start(folder) as process:
        output, _ = process.communicate()
    assert process.returncode == 0
    result: dict[str, Any] = json.loads(output)
    return result


def wait_for_lines(log: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        if log.exists() and log.read_bytes().count(b"\n") >= count:
            return
        time.sleep(0.001)
    pytest.fail("the backfill ended before it could be killed")


async def test_each_kill_costs_at_most_one_batch_per_worker(tmp_path: Path) -> None:
    count = 4000
    await fill(tmp_path, count, 10)
    log = tmp_path / "applied.log"
    for kill in range(1, _KILLS + 1):
        with start(tmp_path) as process:
            wait_for_lines(log, kill * 700, process)
            process.send_signal(signal.SIGKILL)
    result = finish(tmp_path)
    again = Counter(log.read_text().splitlines())
    assert len(again) == count
    assert sum(number - 1 for number in again.values()) <= _KILLS * WORKERS * _BATCH
    assert sum(result["backfill"].values()) == count
    assert result["verification"]["same"] == count


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process its most memory")
async def test_memory_does_not_grow_with_the_data(tmp_path: Path) -> None:
    peaks = []
    for count in (750, 6000):
        folder = tmp_path / str(count)
        folder.mkdir()
        await fill(folder, count, 5000)
        result = finish(folder)
        assert result["verification"]["same"] == count
        peaks.append(result["peak"])
    assert peaks[1] - peaks[0] < _ROOM_KIB, peaks
    assert peaks[1] < 300 * 1024
