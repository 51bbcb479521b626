"""Very many runs at once: put into a store's file past its front door, just as the library would have left them there.

`fill_sqlite` and `fill_emulator` need the file for themselves. `tests/unit/test_bench_runs.py` compares what they leave with what
`create` leaves.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from itertools import islice
from pathlib import Path
from typing import Final

from bifrost_store.backends.cosmos.documents import document_from_record
from bifrost_store.backends.cosmos.layout import CONTAINERS
from bifrost_store.backends.sqlite.backend import SqliteBackend
from bifrost_store.backends.sqlite.queries import CREATE
from bifrost_store.backends.sqlite.rows import row_from_record
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import format_time, utc_now
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.version import Version
from bifrost_store.documents import SPECS
from bifrost_store.emulator.clock import Clock
from bifrost_store.emulator.engine import Engine, Options
from bifrost_store.emulator.query.queries import condition_holds
from bifrost_store.emulator.store.items import Item
from bifrost_store.emulator.wire import jsontext
from bifrost_store.testing.examples import execution

_AT_ONCE: Final = 5_000
_CONTAINER: Final = CONTAINERS["executions"]
_COUNTED_BY: Final = ("scope", "type", "completedAt")
"""What a count of a window reads an index on, in the emulator."""


def ended_runs(count: int, scope: Scope, *, newest: datetime, span: timedelta) -> Iterator[Record]:
    """Yield *count* runs of 50 workflows and 200 users that ended evenly over *span*, up to *newest*.

    The same ones for the same arguments. Of a hundred about six failed and one timed out; durations are log-normal, their median
    between half a second and twenty, by workflow; one run of 51 has none.
    """
    draw = random.Random(count)
    step = span / count
    for number in range(count):
        workflow = number % 50
        duration = None if number % 51 == 7 else int(draw.lognormvariate(6.2 + workflow / 14, 0.7))
        ended = newest - number * step
        yield execution(
            number,
            scope=scope,
            started_at=ended - timedelta(milliseconds=duration or 0),
            workflowName=f"workflow {workflow}",
            executedBy=f"user-{number % 200}@x.example",
            status="Timeout" if number % 97 == 3 else "Failed" if number % 16 == 5 else "Success",
            completedAt=format_time(ended),
            durationMs=duration,
            inputData={"ticket": number},
            result={"moved": number},
            resultType="json",
        )


async def fill_sqlite(path: Path, records: Iterable[Record], attempt: Attempt | None = None) -> int:
    """Store new *records* in the library's file at *path*, made where it is missing; return how many."""
    backend = SqliteBackend(str(path), SPECS)
    await backend.provision()
    await backend.aclose()
    return await asyncio.to_thread(_insert_rows, path, _versioned(records, attempt))


def _insert_rows(path: Path, records: Iterator[Record]) -> int:
    stored = 0
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -400000")
        now = format_time(utc_now())
        # Made once all rows are there: with a million of them row by row takes three times as long.
        indexes = connection.execute("SELECT name, sql FROM sqlite_master WHERE name LIKE 'records_execution_%'").fetchall()
        for name, _ in indexes:
            connection.execute(f"DROP INDEX {name}")
        while chunk := [{**row_from_record(record, SPECS), "now": now} for record in islice(records, _AT_ONCE)]:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(CREATE.removesuffix("RETURNING sort_key, epoch, revision"), chunk)
            connection.execute("COMMIT")
            stored += len(chunk)
        for _, statement in indexes:
            connection.execute(statement)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return stored


def fill_emulator(path: Path, database: str, records: Iterable[Record], attempt: Attempt | None = None) -> int:
    """Store new *records* in the emulator's file at *path*, where *database* is provisioned; return how many.

    A thousand are one transaction, as if they had been one batch.
    """
    stored, now, versioned = 0, utc_now(), _versioned(records, attempt)
    engine = Engine(path, Clock(), Options(), condition_holds)
    try:
        engine.database.execute("PRAGMA synchronous = OFF")
        engine.database.execute("PRAGMA cache_size = -400000")
        container = engine.container(database, _CONTAINER.name)
        epk = cache(lambda scope: container.partition_key.epk((scope,)))
        while chunk := list(islice(versioned, 1_000)):
            with engine.writing(container) as writer:
                writer.has_written = True
                for record in chunk:
                    document = document_from_record(record, now, has_ttl=_CONTAINER.default_ttl is not None)
                    body, etag, at = jsontext.dump(document), engine.new_etag(), int(writer.now)
                    item = Item(0, epk(record.key.scope.value), document["id"], body, etag, at, document.get("ttl"), container.lsn)
                    container.table.insert(item)
            stored += len(chunk)
        # Made by the first query that needs it, which would not wait as long.
        container.table.indexes.ensure([((name,), False) for name in _COUNTED_BY], within_key=True)
    finally:
        engine.close()
    return stored


def _versioned(records: Iterable[Record], attempt: Attempt | None) -> Iterator[Record]:
    write_id = (attempt or Attempt()).write_id
    return (replace(record, version=Version(1, write_id)) for record in records)
