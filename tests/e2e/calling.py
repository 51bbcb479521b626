"""Commands of the library as processes, and what they must print."""

from __future__ import annotations

import asyncio
import filecmp
import json
from pathlib import Path
from typing import Any

from bifrost_store import GLOBAL, Store, StoreSettings, open_store
from bifrost_store.core.operations import Apply
from bifrost_store.core.version import Version
from bifrost_store.testing.examples import config
from tests import commands
from tests.commands import Finished, Settings


def run(*arguments: str | Path, settings: Settings, check: int = 0) -> Finished:
    """Run one command to its end and demand its exit code."""
    finished = commands.run(*arguments, settings=settings)
    assert check == finished.returncode, finished.stdout + finished.stderr
    assert "Traceback" not in finished.stderr
    return finished


def report(*arguments: str | Path, settings: Settings, check: int = 0) -> dict[str, Any]:
    """Run one command with ``--json``; its stdout must be one JSON object and nothing else."""
    finished = run(*arguments, "--json", settings=settings, check=check)
    values: dict[str, Any] = json.loads(finished.stdout)
    assert finished.stdout.count("\n") == 1
    assert values["ok"] is (check == 0)
    return values


def error_of(finished: Finished) -> str:
    """The one line that says what went wrong."""
    lines = finished.stderr.splitlines()
    assert finished.stdout == ""
    assert 1 == len(lines), finished.stderr
    assert lines[0].startswith("error: ")
    return lines[0]


def in_store(settings: Settings, function: Any) -> Any:
    """Run an async function on a store in this process."""

    async def call() -> Any:
        async with open_store(StoreSettings.from_environment(settings)) as store:
            return await function(store)

    # Not anyio.run: where sniffio is installed it takes the loop of the plugin, which waits, for one that runs.
    return asyncio.run(call())


def lines_of(folder: Path) -> list[bytes]:
    return sorted((folder / "records.jsonl").read_bytes().splitlines())


def same_files(one: Path, other: Path) -> None:
    compared = filecmp.dircmp(one, other)
    assert [] == [*compared.left_only, *compared.right_only, *compared.funny_files]
    matching, different, failed = filecmp.cmpfiles(one, other, compared.common_files, shallow=False)
    assert ([], []) == (different, failed), one
    assert sorted(compared.common_files) == sorted(matching)
    for folder in compared.common_dirs:
        same_files(one / folder, other / folder)


async def set_configs(store: Store, count: int) -> None:
    await store.provision()
    records = [config(f"k{n:05d}", "x" * 200, scope=GLOBAL) for n in range(count)]
    for first in range(0, count, 32):
        await store.backend.batch([Apply(_versioned(record)) for record in records[first : first + 32]])


def _versioned(record: Any) -> Any:
    from dataclasses import replace

    return replace(record, version=Version(1, "a" * 32))
