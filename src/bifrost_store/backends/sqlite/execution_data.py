"""Execution data in the table of that name: one transaction for all flushes of a call."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Collection, Sequence
from functools import cache
from typing import Final

from typing_extensions import override

from bifrost_store.backends.execution_data import DataPage, DataScanPage, ExecutionData, data_page, data_scan_page
from bifrost_store.backends.sqlite.connection import Connection
from bifrost_store.backends.sqlite.data_rows import DATA_COLUMNS, data_from_row, data_row_as_json, row_from_data
from bifrost_store.backends.sqlite.errors import NAME, mapped_errors
from bifrost_store.backends.sqlite.rows import Row, Value
from bifrost_store.backends.sqlite.turns import Execute
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.execution_data import DataDocument, DataRange, DataType, Run
from bifrost_store.core.json import dump_json, load_json
from bifrost_store.core.record import Key
from bifrost_store.errors import CorruptDocumentError, DocumentExistsError, InvalidContinuationTokenError, StoreError

# ruff: noqa: S608 - what is put together here are constants of this module; every value is a parameter.

_PAGE_BYTES: Final = 4_000_000
"""Of the bodies of one page, one more at most: a page of Cosmos DB ends there (service quotas)."""
_SCAN_PAGE_SIZE: Final = 500
_LAST: Final = "\U0010ffff"
_OF_RUN: Final = "execution_id = :execution_id AND scope = :scope AND creation = :creation"
_GET: Final = f"SELECT {DATA_COLUMNS} FROM execution_data WHERE id = :id AND {_OF_RUN}"
_WRITERS: Final = """SELECT id, write_id FROM execution_data
WHERE execution_id = :execution_id AND id IN (SELECT value FROM json_each(:ids))"""
_REMOVE_ALL: Final = f"DELETE FROM execution_data WHERE {_OF_RUN} RETURNING 1"
_REMOVE: Final = f"DELETE FROM execution_data WHERE {_OF_RUN} AND id IN (SELECT value FROM json_each(:ids)) RETURNING 1"
_PURGE: Final = """DELETE FROM execution_data WHERE rowid IN
    (SELECT rowid FROM execution_data WHERE expires_at <> 'never' AND expires_at <= :now LIMIT :limit)
RETURNING 1"""


class SqliteExecutionData(ExecutionData):
    """An `ExecutionData` over one database. Every call but `scan` and an `append` of several flushes is one statement."""

    def __init__(self, connection: Connection, path: str, clock: Clock) -> None:
        self._connection = connection
        self._path = path
        self._now = clock

    @property
    @override
    def shares_transactions(self) -> bool:
        return True

    @override
    async def append(self, flushes: Sequence[Sequence[DataDocument]]) -> list[StoreError | None]:
        try:
            with mapped_errors(self._path, "append_data", is_write=True):
                send = self._connection.write if len(flushes) == 1 else self._connection.write_together
                return await send(lambda execute: [_append(execute, flush) for flush in flushes])
        except StoreError as error:
            return [error] * len(flushes)

    @override
    async def get(self, run: Run, document_id: str) -> DataDocument | None:
        with mapped_errors(self._path, "get_data", _key_of(run)):
            rows = await self._connection.read(_GET, {**_parameters(run), "id": document_id})
            return data_from_row(rows[0]) if rows else None

    @override
    async def read(
        self,
        run: Run,
        ranges: Sequence[DataRange],
        *,
        types: Collection[DataType] | None = None,
        limit: int = 100,
        backwards: bool = False,
    ) -> DataPage:
        bounds = {f"ge{n}": part.ge for n, part in enumerate(ranges)} | {f"lt{n}": part.lt for n, part in enumerate(ranges)}
        where = f"{_OF_RUN} AND ({' OR '.join(f'id >= :ge{n} AND id < :lt{n}' for n in range(len(ranges)))})"
        if types is not None:
            where += " AND type IN (SELECT value FROM json_each(:types))"
        statement = _page(f"{where} AND id {'<' if backwards else '>'} :after", "id DESC" if backwards else "id")
        parameters: dict[str, Value] = {**_parameters(run), **bounds, "types": dump_json(sorted(types or ())), "limit": limit + 1}
        parameters["after"] = _LAST if backwards else ""
        found: list[DataDocument | CorruptDocumentError] = []
        with mapped_errors(self._path, "read_data", _key_of(run)):
            while True:
                rows = await self._connection.read(statement, parameters)
                found += map(_decoded, rows)
                page = data_page(found, limit, is_complete=not rows or len(rows) == rows[0][-1] <= limit)
                # A reader goes on after the last document that it got: without any it would stand still.
                if page.documents or page.is_last:
                    return page
                parameters["after"] = rows[-1][2]

    @override
    async def remove(self, run: Run, document_ids: Sequence[str] | None = None) -> int:
        with mapped_errors(self._path, "remove_data", _key_of(run), is_write=True):
            if document_ids is None:
                return len(await self._connection.execute(_REMOVE_ALL, _parameters(run)))
            return len(await self._connection.execute(_REMOVE, {**_parameters(run), "ids": dump_json(list(document_ids))}))

    @override
    async def scan(self, resume_token: str | None = None) -> AsyncIterator[DataScanPage]:
        position = ["", ""] if resume_token is None else _position(resume_token)
        while True:
            parameters: dict[str, Value] = {"execution_id": position[0], "id": position[1], "limit": _SCAN_PAGE_SIZE}
            with mapped_errors(self._path, "scan_data"):
                rows = await self._connection.read(
                    _page("(execution_id, id) > (:execution_id, :id)", "execution_id, id"), parameters
                )
            if not rows:
                return
            rows = [row[:-1] for row in rows]
            position = [str(rows[-1][0]), str(rows[-1][2])]
            yield data_scan_page(map(_decoded, rows), map(data_row_as_json, rows), dump_json(position))

    @override
    async def purge_expired(self, *, limit: int = 500) -> int:
        with mapped_errors(self._path, "purge_data", is_write=True):
            return len(await self._connection.execute(_PURGE, {"now": format_time(self._now()), "limit": limit}))


def _append(execute: Execute, documents: Sequence[DataDocument]) -> StoreError | None:
    parameters = {f"{name}{n}": value for n, data in enumerate(documents) for name, value in row_from_data(data).items()}
    try:
        execute(_insert(len(documents)), parameters)
    except sqlite3.IntegrityError:
        # Only the statement is undone: what other flushes stored in the same transaction stays.
        return _conflict(execute, documents)
    return None


def _conflict(execute: Execute, documents: Sequence[DataDocument]) -> StoreError | None:
    """Return what it means that one of *documents* is there: nothing if this write put it there, and all others with it."""
    run = documents[0].run
    own = {data.id: data.write_id for data in documents}
    writers: dict[str, str] = dict(execute(_WRITERS, {"execution_id": run.execution_id, "ids": dump_json(list(own))}))
    taken = sorted(name for name, writer in writers.items() if own[name] != writer)
    if not taken:
        return None
    return DocumentExistsError(
        f"{_key_of(run)}: {taken[0]} is another writer's already; nothing of this flush was stored",
        backend=NAME,
        operation="append_data",
        key=str(_key_of(run)),
    )


@cache
def _insert(count: int) -> str:
    names = DATA_COLUMNS.split(", ")
    rows = ", ".join(f"({', '.join(f':{name}{n}' for name in names)})" for n in range(count))
    return f"INSERT INTO execution_data ({DATA_COLUMNS}) VALUES {rows}"


def _page(where: str, order: str) -> str:
    """Return what selects the rows at *where* up to a limit and a size, each with how many the limit alone would give."""
    return f"""WITH page AS (
    SELECT number, sum(size) OVER (ORDER BY place) - size AS before, count(*) OVER () AS total FROM (
        SELECT rowid AS number, length(body) AS size, row_number() OVER (ORDER BY {order}) AS place
        FROM execution_data WHERE {where} ORDER BY {order} LIMIT :limit
    )
)
SELECT {DATA_COLUMNS}, total FROM page JOIN execution_data ON execution_data.rowid = number
WHERE before < {_PAGE_BYTES} ORDER BY {order}"""


def _decoded(row: Row) -> DataDocument | CorruptDocumentError:
    try:
        return data_from_row(row[:12])
    except CorruptDocumentError as error:
        return error


def _parameters(run: Run) -> dict[str, Value]:
    return {"execution_id": run.execution_id, "scope": run.scope.value, "creation": run.creation}


def _key_of(run: Run) -> Key:
    return Key("execution", run.scope, run.execution_id)


def _position(resume_token: str) -> list[str]:
    try:
        position = load_json(resume_token)
    except ValueError:
        position = None
    match position:
        case [str(execution_id), str(data_id)]:
            return [execution_id, data_id]
        case _:
            message = "resume token: not one that this backend gave out; scan from the beginning"
            raise InvalidContinuationTokenError(message, backend=NAME, operation="scan_data")
