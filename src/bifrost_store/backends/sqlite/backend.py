"""`SqliteBackend`: the waist over one SQLite database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Final, cast

from typing_extensions import override

from bifrost_store.backends.protocol import Backend, ScanPage
from bifrost_store.backends.sqlite import queries
from bifrost_store.backends.sqlite.aggregates import add_row
from bifrost_store.backends.sqlite.connection import Connection
from bifrost_store.backends.sqlite.errors import DAMAGED, NAME, mapped_errors
from bifrost_store.backends.sqlite.execution_data import SqliteExecutionData
from bifrost_store.backends.sqlite.feed import SqliteFeed
from bifrost_store.backends.sqlite.rows import COLUMNS, Row, Value, native_etag, record_from_row, row_as_json, row_from_record
from bifrost_store.backends.sqlite.turns import Execute
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import Clock, format_time, utc_now
from bifrost_store.core.json import check_json, dump_json, load_json
from bifrost_store.core.operations import Apply, Create, Delete, Operation, Replace, Result, name_of
from bifrost_store.core.page import Page, decode_token, encode_token
from bifrost_store.core.query import Group, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.core.totals import Totals
from bifrost_store.core.version import Etag, Version, stale_route
from bifrost_store.errors import (
    BackendError,
    CorruptDocumentError,
    DocumentExistsError,
    DocumentNotFoundError,
    InvalidContinuationTokenError,
    InvalidKeyError,
    InvalidRequestError,
    PreconditionFailedError,
)

_SCAN_PAGE_SIZE: Final = 500


class SqliteBackend(Backend):
    """A `Backend` in one SQLite file, which several processes may share, or in memory.

    The file is opened, and made where missing, by the first call. A write that was acknowledged survives a power cut: the
    write-ahead log is synchronised before the call returns. Every call but a write of several
    operations and `scan` is one statement.

    Args:
        path: Of the file, or ``:memory:``. It must be on a local disk.
        specs: The kinds to keep.
        clock: Decides what has expired.
        busy_timeout_seconds: How long to wait for another process's write before `BackendUnavailableError`.
    """

    def __init__(self, path: str, specs: Specs, *, clock: Clock = utc_now, busy_timeout_seconds: float = 5.0) -> None:
        self._connection = Connection(path, specs, busy_timeout_seconds)
        self._path = path
        self._specs = specs
        self._internal = frozenset(kind for kind, spec in specs.items() if spec.is_internal)
        self._clock = clock
        self._feed = SqliteFeed(self._connection, specs)
        self._execution_data = SqliteExecutionData(self._connection, path, clock)

    @property
    @override
    def name(self) -> str:
        return NAME

    @override
    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        parameters = {**_key_parameters(key), "fallback": (fallback or key.scope).value, "now": self._now()}
        with mapped_errors(self._path, "get", key):
            rows = await self._connection.read(queries.GET, parameters)
        if not rows:
            return None
        own = [row for row in rows if row[1] == key.scope.value]
        return record_from_row((own or rows)[0], self._specs)

    @override
    async def stored(self, key: Key) -> Record | None:
        with mapped_errors(self._path, "stored", key):
            rows = await self._connection.read(queries.STORED, _key_parameters(key))
        return record_from_row(rows[0], self._specs) if rows else None

    @override
    async def stored_all(self, keys: Sequence[Key]) -> list[Record | None]:
        with mapped_errors(self._path, "stored"):
            rows = await self._connection.read(*queries.compile_among(COLUMNS, keys))
        found = {row[2]: row for row in rows}
        return [None if (row := found.get(key.id)) is None else record_from_row(row, self._specs) for key in keys]

    @override
    async def write(self, operations: Sequence[Operation], *, attempt: Attempt) -> list[Result]:
        def carry_out(execute: Execute) -> list[Result]:
            attempt.check()
            if 1 < len(applied) == len(operations):
                return self._apply_all(execute, applied)
            operation = operations[0]
            results: list[Result] = []
            try:
                for operation in operations:
                    results.append(self._carry_out(execute, operation, attempt))
            except BaseException:
                # The operation that failed; the block around the visit knows only of the whole.
                with mapped_errors(self._path, name, operation.key, is_write=True):
                    raise
            return results

        name = name_of(operations)
        applied = [operation.record for operation in operations if isinstance(operation, Apply) and operation.over is None]
        with mapped_errors(self._path, name, operations[0].key if len(operations) == 1 else None, is_write=True):
            send = self._connection.write if len(operations) == 1 else self._connection.write_together
            return await send(carry_out)

    @override
    async def query(self, query: Query) -> Page[Record]:
        position, now = decode_token(query), self._now()
        records: list[Record] = []
        unreadable: dict[CorruptDocumentError, Row] = {}
        while True:
            with mapped_errors(self._path, "query"):
                rows = await self._connection.read(*queries.compile_page(query, position, now))
            for row in rows:
                try:
                    record = record_from_row(row, self._specs)
                except CorruptDocumentError as error:
                    unreadable[error] = row
                    continue
                if len(records) == query.limit:
                    return Page(tuple(records), encode_token(query, _position_of(records[-1], query)), tuple(unreadable))
                records.append(record)
            if len(rows) <= query.limit:
                return Page(tuple(records), None, tuple(unreadable))
            position = [rows[-1][1], rows[-1][3]] if query.scope is None else [rows[-1][3]]

    @override
    async def aggregate(
        self, query: Query, *, group_by: Sequence[str] = (), sum_of: Sequence[str] = (), histogram_of: str | None = None
    ) -> list[Group]:
        statement = queries.compile_aggregate(query, group_by, sum_of, histogram_of, self._now())
        with mapped_errors(self._path, "aggregate"):
            rows = await self._connection.read(*statement)
        totals = Totals(group_by, sum_of, histogram_of)
        for row in rows:
            add_row(totals, row, len(group_by), len(sum_of), has_bucket=histogram_of is not None)
        return totals.groups()

    @override
    async def scan(self, resume_token: str | None = None) -> AsyncIterator[ScanPage]:
        position = ["", "", ""] if resume_token is None else _scan_position(resume_token)
        while True:
            kind, scope, record_id = position
            parameters: dict[str, Value] = {"kind": kind, "scope": scope, "id": record_id, "limit": _SCAN_PAGE_SIZE}
            with mapped_errors(self._path, "scan"):
                rows = await self._connection.read(queries.SCAN, parameters)
            if not rows:
                return
            position = list(rows[-1][:3])
            records, unreadable = self._read([row for row in rows if row[0] not in self._internal])
            errors, rejected = tuple(unreadable), tuple(map(row_as_json, unreadable.values()))
            yield ScanPage(tuple(records), errors, dump_json(position), rejected)

    @override
    async def purge_expired(self, *, kind: str, limit: int = 500) -> list[Record]:
        with mapped_errors(self._path, "purge_expired", is_write=True):
            rows = await self._connection.execute(queries.PURGE, {"kind": kind, "limit": limit, "now": self._now()})
        return [record for row in rows if (record := self._purged(row)) is not None]

    @override
    async def provision(self) -> None:
        with mapped_errors(self._path, "provision"):
            await self._connection.provision()

    @override
    async def ping(self) -> str:
        """Return SQLite's version, path, layout and journal mode, after checking the file and its table; that reads all of it."""
        with mapped_errors(self._path, "ping"):
            ((version, mode, findings, layout, _),) = await self._connection.read(queries.PING, {})
        if findings != "ok":
            raise BackendError(f"SQLite database {self._path!r}: {DAMAGED}", backend=NAME, operation="ping")
        return f"SQLite {version}, {self._path}, layout {layout}, journal mode {mode}"

    @property
    @override
    def execution_data(self) -> SqliteExecutionData:
        return self._execution_data

    @override
    async def aclose(self) -> None:
        with mapped_errors(self._path, "aclose"):
            await self._connection.aclose()

    @property
    @override
    def feed(self) -> SqliteFeed:
        return self._feed

    def _carry_out(self, execute: Execute, operation: Operation, attempt: Attempt) -> Result:
        match operation:
            case Create(record):
                return self._create(execute, record, attempt)
            case Replace(record, expected):
                return self._replace(execute, record, expected, attempt)
            case Delete(key, expected_or_none):
                return self._delete(execute, key, expected_or_none, attempt)
            case Apply(record, over):
                return self._apply(execute, record, over)

    def _create(self, execute: Execute, record: Record, attempt: Attempt) -> Record:
        record = replace(record, version=_first_version(attempt))
        rows = execute(queries.CREATE, {**row_from_record(record, self._specs), "now": self._now()})
        if not rows:
            self._check_route(execute, record.key, attempt.epoch, is_present=False)
            raise DocumentExistsError(f"{record.key} exists already", backend=NAME, operation="create", key=str(record.key))
        return _as_stored(record, rows[0])

    def _replace(self, execute: Execute, record: Record, expected: Etag, attempt: Attempt) -> Record:
        record = replace(record, version=_first_version(attempt))
        row = row_from_record(record, self._specs)
        rows = execute(queries.REPLACE, {**row, **_expected_parameters(expected), "now": self._now()})
        if rows:
            return _as_stored(record, rows[0])
        self._check_route(execute, record.key, attempt.epoch, expected)
        if self._is_present(execute, record.key):
            raise _precondition_failed(record.key, "replace")
        raise DocumentNotFoundError(f"{record.key} does not exist", backend=NAME, operation="replace", key=str(record.key))

    def _delete(self, execute: Execute, key: Key, expected: Etag | None, attempt: Attempt) -> Record | None:
        tombstone = Record(key, {}, version=_first_version(attempt), is_tombstone=True)
        parameters = {**row_from_record(tombstone, self._specs), "now": self._now()}
        if expected is None:
            rows = execute(queries.DELETE, parameters)
        else:
            rows = execute(queries.DELETE_EXPECTED, {**parameters, **_expected_parameters(expected)})
        if rows:
            return _as_stored(tombstone, rows[0])
        self._check_route(execute, key, attempt.epoch, expected)
        if expected is not None and self._is_present(execute, key):
            raise _precondition_failed(key, "delete")
        return None

    def _apply(self, execute: Execute, record: Record, over: str | None) -> bool:
        row = row_from_record(record, self._specs)
        if over is None:
            return bool(execute(queries.APPLY, {**row, "now": self._now()}))
        return bool(execute(queries.APPLY_OVER, {**row, "over": over}))

    def _apply_all(self, execute: Execute, records: Sequence[Record]) -> list[Result]:
        """Carry out `Apply` of several: of those that are not there yet at once, as mostly all are."""
        now = self._now()
        # All made before the first is stored: in turns, both take half as long again.
        rows = [{**row_from_record(record, self._specs), "now": now} for record in records]
        there = {row[0] for row in execute(*queries.compile_among("id", [record.key for record in records]))}
        new = [row for row in rows if row["id"] not in there]
        if new:
            execute(queries.APPLY_NEW, new)
        return [row["id"] not in there or bool(execute(queries.APPLY, row)) for row in rows]

    def _check_route(
        self, execute: Execute, key: Key, epoch: int, expected: Etag | None = None, *, is_present: bool = True
    ) -> None:
        """Raise StaleRouteError if a write under *epoch* was refused for building on the state of a later route."""
        if epoch == 0:
            return
        state = {"expected_revision": None, "expected_write_id": None} if expected is None else _expected_parameters(expected)
        parameters = {**_key_parameters(key), **state, "epoch": epoch, "present": int(is_present), "now": self._now()}
        rows = execute(queries.LATER_EPOCH, parameters)
        if rows:
            raise stale_route(rows[0][0], epoch)

    def _is_present(self, execute: Execute, key: Key) -> bool:
        return bool(execute(queries.IS_PRESENT, {**_key_parameters(key), "now": self._now()}))

    def _read(self, rows: Sequence[Row]) -> tuple[list[Record], dict[CorruptDocumentError, Row]]:
        records: list[Record] = []
        unreadable: dict[CorruptDocumentError, Row] = {}
        for row in rows:
            try:
                records.append(record_from_row(row, self._specs))
            except CorruptDocumentError as error:
                unreadable[error] = row
        return records, unreadable

    def _purged(self, row: Row) -> Record | None:
        """Return the record that was in *row*; one that cannot be read is gone too, and comes without its body."""
        try:
            return record_from_row(row, self._specs)
        except CorruptDocumentError:
            kind, scope, record_id, sort_key, *_ = row
        try:
            return Record(Key(kind, Scope(scope), record_id), {}, sort_key, backend=NAME)
        except InvalidKeyError:
            return None

    def _now(self) -> str:
        return format_time(self._clock())


def _first_version(attempt: Attempt) -> Version:
    """Return the version of a first state; the statements count on from what they find."""
    return Version(1, attempt.write_id, attempt.epoch)


def _key_parameters(key: Key) -> dict[str, Value]:
    return {"kind": key.kind, "scope": key.scope.value, "id": key.id}


def _expected_parameters(expected: Etag) -> dict[str, Value]:
    return {"expected_revision": expected.version.revision, "expected_write_id": expected.version.write_id}


def _as_stored(record: Record, returned: Row) -> Record:
    sort_key, epoch, revision = returned
    version = Version(revision, record.version.write_id, epoch)
    return replace(record, sort_key=sort_key, version=version, native_etag=native_etag(version), backend=NAME)


def _precondition_failed(key: Key, operation: str) -> PreconditionFailedError:
    return PreconditionFailedError(
        f"{key} has been changed since it was read; read it again", backend=NAME, operation=operation, key=str(key)
    )


def _position_of(record: Record, query: Query) -> list[str]:
    return [record.key.scope.value, record.sort_key] if query.scope is None else [record.sort_key]


def _scan_position(resume_token: str) -> list[str]:
    try:
        position = load_json(resume_token)
        check_json(position, "resume token")
    except (ValueError, InvalidRequestError):
        position = None
    if not isinstance(position, list) or [type(part) for part in cast(list[object], position)] != [str, str, str]:
        message = "resume token: not one that this backend gave out; scan from the beginning"
        raise InvalidContinuationTokenError(message, backend=NAME, operation="scan")
    return cast(list[str], position)
