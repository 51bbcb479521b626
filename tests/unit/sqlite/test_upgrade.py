"""A SQLite file of an earlier layout gains what is new when it is opened, and loses nothing."""

# ruff: noqa: ASYNC220 - nothing else runs in the loop while a test waits for processes.

from __future__ import annotations

import inspect
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bifrost_store.backends.sqlite import connection as connection_module
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents import SPECS
from bifrost_store.testing.examples import EXAMPLES, config, touched

pytestmark = pytest.mark.anyio

INTERNAL = frozenset(spec.kind for spec in SPECS.values() if spec.is_internal)
VERSION_1 = """
CREATE TABLE records (
    kind TEXT NOT NULL, scope TEXT NOT NULL, id TEXT NOT NULL, sort_key TEXT NOT NULL, epoch INTEGER NOT NULL,
    revision INTEGER NOT NULL, write_id TEXT NOT NULL, digest TEXT NOT NULL, schema_version INTEGER NOT NULL,
    expires_at TEXT NULL CHECK (expires_at = 'never' OR expires_at GLOB '????-??-??T??:??:??.??????Z'),
    is_tombstone INTEGER NOT NULL CHECK (is_tombstone IN (0, 1)),
    body TEXT NOT NULL, extra TEXT NOT NULL, fields TEXT NOT NULL CHECK (json_valid(fields)),
    PRIMARY KEY (kind, scope, id)
);
CREATE INDEX records_in_order ON records (kind, scope, sort_key);
CREATE INDEX records_by_expiry ON records (kind, expires_at) WHERE expires_at IS NOT NULL;
PRAGMA application_id = 0x62667374;
PRAGMA user_version = 1;
"""
OBJECTS = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name"


def sql(path: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement).fetchall()


@pytest.fixture
async def old(tmp_path: Path) -> Path:
    """A file of version 1 with a record of every kind, one of them deleted, one the library's own."""
    path, source = tmp_path / "old.db", tmp_path / "source.db"
    backend = SqliteBackend(str(source), SPECS)
    for example in EXAMPLES:
        await backend.create(example)
    await backend.create(config("deleted"))
    await backend.delete(config("deleted").key)
    await backend.aclose()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1)
        connection.execute("ATTACH ? AS source", (str(source),))
        connection.execute("INSERT INTO records SELECT * FROM source.records")
        connection.execute("""INSERT INTO records SELECT 'control', 'SYSTEM', 'c', '', 0, 1, write_id, digest, 1, NULL, 0,
            '{}', '{}', '{}' FROM records LIMIT 1""")
        connection.commit()
    return path


async def open_and_close(path: Path) -> None:
    backend = SqliteBackend(str(path), SPECS)
    await backend.get(config().key)
    await backend.aclose()


async def test_opening_an_old_file_upgrades_it(old: Path, tmp_path: Path) -> None:
    """It keeps every row, has what a new file has, and its feeds tell of everything but the library's own records."""
    before = sql(old, "SELECT * FROM records ORDER BY kind, scope, id")
    await open_and_close(old)
    await open_and_close(tmp_path / "new.db")

    assert before == sql(old, "SELECT * FROM records ORDER BY kind, scope, id")
    assert sql(tmp_path / "new.db", OBJECTS) == sql(old, OBJECTS)
    assert sql(old, "PRAGMA user_version") == [(7,)]
    expected = [(SPECS[kind].feed, kind, *key) for kind, *key in before_keys(before) if kind not in INTERNAL]
    assert sorted(expected) == sql(old, "SELECT feed, kind, place, id FROM changes ORDER BY feed, kind, place, id")


EARLIER = {
    2: (("status", "status"),),
    5: (
        ("formId", "formId"),
        ("executedBy_workflowName", "executedBy", "workflowName"),
        ("formId_executedBy", "formId", "executedBy"),
    ),
    6: (),
}
"""Indexes on runs that a version had, and a new file has not."""
_SINCE_7 = ("schedule_nextRunAt", "feed_dead_letter_processor", "api_key_isRevoked")
_SINCE_6 = ("execution_of_form", "execution_other_status", "execution_formId_workflowName_status", *_SINCE_7)
NEWER = {2: ("execution_by_status", "execution_completedAt", *_SINCE_6), 5: _SINCE_6, 6: _SINCE_7}
"""Indexes of a new file that a version did not have: of 2 and 5 some of them."""


@pytest.mark.parametrize("version", EARLIER)
async def test_a_file_of_an_earlier_version_gains_its_indexes(tmp_path: Path, version: int) -> None:
    """Rows, identity and changes stay as they are, and lists and counts find the indexes of a new file, and no others."""
    path, new = tmp_path / "old.db", tmp_path / "new.db"
    await open_and_close(new)
    backend = SqliteBackend(str(path), SPECS)
    for example in EXAMPLES:
        await backend.create(example)
    await backend.aclose()
    for name in NEWER[version]:
        sql(path, f"DROP INDEX records_{name}")
    for name, *fields in EARLIER[version]:
        values = ", ".join(f"json_extract(fields, '$.{field}')" for field in fields)
        where = "WHERE kind = 'execution' AND is_tombstone = 0"
        sql(path, f"CREATE INDEX records_execution_{name} ON records (scope, {values}, sort_key) {where}")
    sql(path, f"PRAGMA user_version = {version}")
    tables = ("changes", "identity", "feeds", "sqlite_sequence", "records")
    before = [sql(path, f"SELECT * FROM {table} ORDER BY 1") for table in tables]
    await open_and_close(path)

    assert before == [sql(path, f"SELECT * FROM {table} ORDER BY 1") for table in tables]
    assert sql(new, OBJECTS) == sql(path, OBJECTS)
    assert sql(path, "PRAGMA user_version") == [(7,)]


def before_keys(rows: list[tuple[Any, ...]]) -> list[tuple[str, str, str]]:
    return [row[:3] for row in rows]


async def test_what_an_old_file_is_written_next_comes_last(old: Path) -> None:
    """Changes after the upgrade have higher numbers than what it found, and take the place of what they change."""
    await open_and_close(old)
    (count,) = sql(old, "SELECT count(*) FROM changes")
    backend = SqliteBackend(str(old), SPECS)
    stored = await backend.get(config().key)
    assert stored is not None
    await backend.replace(touched(stored), stored.etag)
    await backend.aclose()

    assert [count] == sql(old, "SELECT count(*) FROM changes")
    assert [("config", config().key.id)] == sql(old, "SELECT kind, id FROM changes ORDER BY number DESC LIMIT 1")


async def test_provisioning_again_changes_nothing(old: Path) -> None:
    """Numbers and the identity of the database stay, so that positions stay good."""
    await open_and_close(old)
    tables = ("changes", "identity", "feeds", "sqlite_sequence", "records")
    before = [sql(old, f"SELECT * FROM {table} ORDER BY 1") for table in tables]
    backend = SqliteBackend(str(old), SPECS)
    await backend.provision()
    await backend.provision()
    await backend.aclose()

    assert before == [sql(old, f"SELECT * FROM {table} ORDER BY 1") for table in tables]


async def test_a_failed_upgrade_leaves_the_old_file(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is one transaction: whatever statement fails, the file is of version 1 as before, and the next opening upgrades it."""
    before = sql(old, "SELECT name FROM sqlite_master ORDER BY name")
    monkeypatch.setattr(connection_module, "FILL_CHANGES", ("SELECT * FROM nowhere",))
    with pytest.raises(Exception, match="table is missing"):
        await open_and_close(old)

    assert before == sql(old, "SELECT name FROM sqlite_master ORDER BY name")
    assert sql(old, "PRAGMA user_version") == [(1,)]
    monkeypatch.undo()
    await open_and_close(old)
    assert sql(old, "PRAGMA user_version") == [(7,)]


async def test_processes_that_open_an_old_file_at_once(old: Path) -> None:
    """One of them upgrades it, the others wait, and all of them write."""
    program = f"""
        import anyio, sys
        from bifrost_store.backends.sqlite.backend import SqliteBackend
        from bifrost_store.documents import SPECS
        from bifrost_store.testing.examples import config

        async def main():
            backend = SqliteBackend({str(old)!r}, SPECS, busy_timeout_seconds=60)
            await backend.create(config(sys.argv[1]))
            await backend.aclose()

        anyio.run(main)
    """
    ((before,),) = sql(old, "SELECT count(*) FROM records")
    command = [sys.executable, "-c", inspect.cleandoc(program)]
    processes = [subprocess.Popen([*command, f"p{number}"], env={"PYTHONPATH": ":".join(sys.path)}) for number in range(4)]

    assert [0] * 4 == [process.wait(120) for process in processes]
    assert [(before + 4,)] == sql(old, "SELECT count(*) FROM records")
    assert [(before + 4 - 1, before + 4 - 1)] == sql(old, "SELECT count(*), count(DISTINCT id || kind || place) FROM changes")
    assert [(1,)] == sql(old, "SELECT count(*) FROM identity")


async def test_a_process_of_an_older_release_is_told_of_too(old: Path) -> None:
    """It has the file open while another process upgrades it, and knows of no feeds; its writes are in them all the same."""
    with closing(sqlite3.connect(old, isolation_level=None)) as older:
        older.execute("SELECT count(*) FROM records").fetchall()
        await open_and_close(old)
        older.execute("UPDATE records SET revision = revision + 1 WHERE kind = 'organization'")

    assert [("organization",)] == sql(old, "SELECT kind FROM changes ORDER BY number DESC LIMIT 1")


async def test_a_new_kind_is_followed_as_soon_as_a_process_knows_it(tmp_path: Path) -> None:
    """Opening a provisioned file with a kind more, or one less, is enough; what it holds of that kind is told of."""
    path = tmp_path / "store.db"
    await open_and_close(path)
    sql(path, """INSERT INTO records VALUES ('novel', 'GLOBAL', 'n', '', 0, 1, 'w', '', 1, NULL, 0, '{}', '{}', '{}')""")
    assert sql(path, "SELECT * FROM changes") == []
    backend = SqliteBackend(str(path), {**SPECS, "novel": DocumentSpec("novel", feed="executions")})
    await backend.get(config().key)
    await backend.aclose()
    await open_and_close(path)
    sql(path, """INSERT INTO records VALUES ('novel', 'GLOBAL', 'o', '', 0, 1, 'w', '', 1, NULL, 0, '{}', '{}', '{}')""")

    assert [("executions", "n"), ("executions", "o")] == sql(path, "SELECT feed, id FROM changes ORDER BY number")


async def test_execution_data_is_told_of_until_it_is_removed(tmp_path: Path) -> None:
    """A row that is added is a change; with the row the change goes."""
    path = tmp_path / "store.db"
    await open_and_close(path)
    insert = """INSERT INTO execution_data VALUES
        ('e', 'GLOBAL', {id!r}, 'c', 'log', 0, 1, 1, '2025-11-14T11:11:51.872212Z', 'w', 'never', '{{}}')"""
    sql(path, insert.format(id="a"))
    sql(path, insert.format(id="b"))
    sql(path, "DELETE FROM execution_data WHERE id = 'a'")

    assert [(2, "execution_data", "", "e", "b", "w", 2)] == sql(
        path, "SELECT number, feed, kind, place, id, write_id, size FROM changes"
    )
