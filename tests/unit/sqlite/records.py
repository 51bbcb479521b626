"""Records and statements for tests of the SQLite backend."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from bifrost_store.core.clock import format_time
from bifrost_store.core.record import NEVER, Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import SPECS
from bifrost_store.documents.execution import execution_sort_key

NOW = datetime(2025, 11, 14, 12, tzinfo=UTC)
ORGANIZATION = Scope.organization("o-1")


def execution(number: int = 1, scope: Scope = ORGANIZATION, **fields: Any) -> Record:
    started_at = NOW + timedelta(seconds=number)
    names = SPECS["execution"].fields or ()
    body: dict[str, Any] = {
        **dict.fromkeys(names),
        "executionId": f"e-{number}",
        "workflowName": "nightly",
        "executedBy": "sam@example.com",
        "executedByName": "Sam",
        "status": "Running",
        "inputData": {},
        "startedAt": format_time(started_at),
        "resultInBlob": False,
        "blobs": {},
    }
    key = Key("execution", scope, f"e-{number}")
    return Record(key, {**body, **fields}, execution_sort_key(started_at, key.id), expires_at=NEVER)


def sql(path: Path, statement: str, *parameters: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return connection.execute(statement, parameters).fetchall()
