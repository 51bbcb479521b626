"""A backfill and a verification in a process of its own: ``python -m tests.unit.backfill_program FOLDER``.

The folder holds ``source.db`` and ``target.db``; ``progress.json`` is its cursor, and ``applied.log`` gets every key that is sent.
At its end it prints the findings and the most memory it used, in KiB.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import utc_now
from bifrost_store.core.operations import Operation, Result
from bifrost_store.core.record import Key
from bifrost_store.documents import SPECS
from bifrost_store.migration.backfill import Backfill
from bifrost_store.migration.verify import Verification
from tests.unit.migration_support import Watched, always


class FileProgress:
    """A `Progress` that survives a kill."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> dict[str, Any] | None:
        return json.loads(self._path.read_text()) if self._path.exists() else None

    async def save(self, values: dict[str, Any]) -> None:
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(values))
        new.replace(self._path)


class _Logged(Watched):
    """Writes down every key before it is sent."""

    def __init__(self, inner: Any, log: Path) -> None:
        super().__init__(inner)
        self._log = log.open("a")

    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        self._note([operation.key for operation in operations])
        return await super().write(operations, attempt=attempt)

    def _note(self, keys: list[Key]) -> None:
        self._log.writelines(f"{key}\n" for key in keys)
        self._log.flush()


async def main(folder: Path) -> dict[str, Any]:
    source = SqliteBackend(str(folder / "source.db"), SPECS, clock=utc_now)
    target = SqliteBackend(str(folder / "target.db"), SPECS, clock=utc_now)
    progress = FileProgress(folder / "progress.json")
    copied: Any = _Logged(target, folder / "applied.log")
    try:
        done = await Backfill(source, copied, specs=SPECS, progress=progress, is_current=always).run()
        found = await Verification(source, target, specs=SPECS, is_current=always).run()
    finally:
        await source.aclose()
        await target.aclose()
    return {"backfill": done.counts, "verification": found.counts}


def peak_kib() -> int:
    """Return the most memory that this program had, in KiB. ``getrusage`` would count that of the process that started it."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


if __name__ == "__main__":
    result = asyncio.run(main(Path(sys.argv[1])))
    os.write(1, json.dumps({**result, "peak": peak_kib()}).encode())
