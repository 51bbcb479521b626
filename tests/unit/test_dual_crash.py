"""A process is killed between the primary and the secondary, and its writer's entry finds what it left."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import anyio
import pytest

from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.core.version import new_writer, writer_of
from bifrost_store.documents import SPECS
from bifrost_store.mirroring.journal import Journal
from bifrost_store.mirroring.journal_repair import JournalRepair
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.examples import config

pytestmark = pytest.mark.anyio

PROGRAM = """
import os, signal, sys
import anyio
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.operations import Create, Delete
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.documents import SPECS
from bifrost_store.testing.examples import config
from bifrost_store.mirroring.dual_write import DualWriteBackend
from bifrost_store.mirroring.journal import Journal
from bifrost_store.mirroring.mirror import Mirror

class Killer(SqliteBackend):
    async def write(self, operations, *, attempt):
        os.kill(os.getpid(), signal.SIGKILL)

async def main(primary_path, secondary_path, writer, operation):
    primary, secondary = SqliteBackend(primary_path, SPECS), Killer(secondary_path, SPECS)
    dual = DualWriteBackend(primary, Mirror(secondary, Journal(primary)), SPECS)
    operations = {
        "create": [Create(config("new"))],
        "delete": [Delete(config("old").key)],
        "batch": [Create(config("new")), Create(config("newer"))],
    }
    await dual.write(operations[operation], attempt=Attempt(writer=writer))

anyio.run(main, *sys.argv[1:])
"""


@pytest.mark.parametrize("operation", ["create", "delete", "batch"])
async def test_what_a_killed_process_left_is_found_by_its_writers_entry(tmp_path: Path, operation: str) -> None:
    """The primary has the write, the secondary and the journal do not; comparing all that the writer wrote mends it."""
    writer, paths = new_writer(), [str(tmp_path / name) for name in ("primary.db", "secondary.db")]
    primary, secondary = [SqliteBackend(path, SPECS) for path in paths]
    try:
        await secondary.apply(await primary.create(config("old")))

        ended = await anyio.run_process([sys.executable, "-c", PROGRAM, *paths, writer, operation], check=False)

        assert ended.returncode == -signal.SIGKILL
        here, there = await everything(primary), await everything(secondary)
        left = {key for key, record in here.items() if there.get(key) != record}
        assert len(left) == {"create": 1, "delete": 1, "batch": 2}[operation]
        assert {writer_of(here[key].version) for key in left} == {writer}
        journal = Journal(primary)
        assert await journal.count() == 0

        await journal.note_writer(writer)
        done = await JournalRepair(primary, secondary, journal).run_once()

        assert (done.is_clean, done.checked) == (True, len(left))
        assert await everything(primary) == await everything(secondary)
        assert await journal.count() == 0
    finally:
        await primary.aclose()
        await secondary.aclose()
