"""From a record to the rows of today's layout and back; what all kinds share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import ClassVar

from bifrost_store.backends.table.account import Row, StoredRow
from bifrost_store.backends.table.columns import (
    Column,
    UnreadableColumnError,
    decode_columns,
    dump_integer,
    encode_columns,
    integer,
)
from bifrost_store.backends.table.edm import from_json, to_json
from bifrost_store.backends.table.errors import BACKEND
from bifrost_store.backends.table.escaping import escape, unescape
from bifrost_store.core.json import UNREADABLE, utf16_length
from bifrost_store.core.query import Filter
from bifrost_store.core.record import (
    SCHEMA_VERSION,
    Body,
    Expiry,
    Key,
    Record,
    default_sort_key,
    dump_expiry,
    load_expiry,
)
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.core.version import Version
from bifrost_store.errors import CorruptDocumentError, InvalidKeyError, InvalidRequestError

EPOCH, REVISION, WRITE_ID, DIGEST, EXPIRES_AT, SCHEMA = (
    "BsEpoch",
    "BsRevision",
    "BsWriteId",
    "BsDigest",
    "BsExpiresAt",
    "BsSchema",
)
SORT_KEY, ANCHOR, IS_TOMBSTONE = "BsSortKey", "BsAnchor", "BsTombstone"
SCOPE = "BsScope"
"""The scope's partition key, on rows that lie in no partition of their scope and name it in no column of today's."""
VERSION_COLUMNS = frozenset({EPOCH, REVISION, WRITE_ID, DIGEST, EXPIRES_AT, SCHEMA})
KEY_COLUMNS = frozenset({"PartitionKey", "RowKey"})
NEVER_EXTRA = VERSION_COLUMNS | KEY_COLUMNS | {"etag", SCOPE}
"""Columns that do not travel along; ``etag`` is a text in which the old application leaves a stale etag."""

RELATIONSHIPS = "Relationships"
TABLES = ("AuditLog", "Config", "Entities", RELATIONSHIPS)
"""Tables of today's layout, which must be there. Rows carried whole may lie in any other."""
GUARD_PREFIX = "bs-tomb:"
_SERVICE_ETAG = re.compile(r'W/"[^"*]+"')
"""What the service gives; never ``*``, which would match any state."""
MAX_KEY_UNITS = 512
"""UTF-16 units of a row key: 1 KiB ("Understanding the Table service data model", Microsoft)."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a row lies."""

    table: str
    partition_key: str
    row_key: str


@dataclass(frozen=True, slots=True)
class KeyRange:
    """Row keys ``lo <= RowKey < hi`` of a table, in one partition or, where that is None, in all."""

    partition_key: str | None
    lo: str
    hi: str


class RowMapping:
    """One kind's rows. The anchor row carries the version; its key follows from the record's key and sort key.

    Attributes:
        spec: The kind.
        table: Where the anchor lives.
        prefix: What the anchor's row key begins with; ends with ``:``.
        columns: The body's fields. A column of plain text whose field is queryable is on every row of the record.
        key_columns: Columns that repeat the record's key.
        index_prefixes: What the row keys of `index_rows` begin with, each ending with ``:``.
        scope_column: Column of today's layout that names the organization where the partition does not; absent: GLOBAL.
        has_marker: A row beside the anchor guards it and becomes its tombstone. Without: records are never deleted.
        is_spread: The rows at `places` make up one record together; else it is one row at one of them.
    """

    spec: ClassVar[DocumentSpec]
    table: ClassVar[str]
    prefix: ClassVar[str]
    columns: ClassVar[Sequence[Column]]
    key_columns: ClassVar[frozenset[str]] = frozenset()
    index_prefixes: ClassVar[tuple[str, ...]] = ()
    scope_column: ClassVar[str | None] = None
    has_marker: ClassVar[bool] = True
    is_spread: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        return self.spec.kind

    # Keys

    def address(self, key: Key, sort_key: str) -> Address:
        """Return where the anchor lies. *sort_key* matters only where it is part of the row key."""
        return Address(self.table, key.scope.partition_key, self.prefix + escape(key.id))

    def places(self, key: Key) -> list[Address]:
        """Return where rows of the record may lie, all in one partition, the anchor first.

        Unless `span` says otherwise the record is read from the first of them that is there.
        """
        return [self.address(key, "")]

    def span(self, key: Key) -> KeyRange | None:
        """Return the range that holds all `places`, if the record can only be read from all of its rows."""
        return None

    def marker(self, key: Key, sort_key: str) -> Address:
        """Return where the row beside the anchor lies that its tombstone takes."""
        anchor = self.address(key, sort_key)
        return Address(anchor.table, anchor.partition_key, guard_key(anchor.row_key))

    def home(self, row_key: str) -> str | None:
        """Return the row key in Entities of the record in whose scope a row of this kind lives, where only that tells it.

        Such a row of ours repeats the scope's partition key in `SCOPE`; before `key_of` is asked, the reader fills it in on rows
        of the old application.
        """
        return None

    def key_of(self, partition_key: str, row_key: str, columns: Row) -> Key | None:
        """Return the key of the record that a row is, or is part of; None if the kind does not claim it.

        *columns* are needed only by kinds whose rows tell the scope in one.
        """
        if not row_key.startswith(self.prefix):
            return None
        return self.checked_key(partition_key, unescape(row_key.removeprefix(self.prefix)))

    def checked_key(self, partition_key: str, record_id: str) -> Key | None:
        """Return the key of *record_id* in a partition's scope, or None if there can be none."""
        try:
            key = Key(self.kind, Scope.from_partition_key(partition_key), record_id)
            self.spec.check_id(key.id)
        except InvalidKeyError:
            return None
        return key if self.spec.allows(key.scope) else None

    def sort_key_of(self, key: Key, row_key: str) -> str:
        """Return the sort key that an anchor's row key tells."""
        return default_sort_key(key.id)

    def ranges(self, scope: Scope | None, filters: Sequence[Filter]) -> list[KeyRange]:
        """Return where the rows of *scope* (None: of all) lie that can meet *filters*."""
        return [KeyRange(None if scope is None else scope.partition_key, self.prefix, end_of(self.prefix))]

    def narrowed(self, key_range: KeyRange, filters: Sequence[Filter]) -> Sequence[Filter]:
        """Return what is left of *filters* to ask of the rows in one of the `ranges`, where its place already answers some."""
        return filters

    def is_ordered(self, scope: Scope | None, filters: Sequence[Filter]) -> bool:
        """Return whether the `ranges`, one after the other, come in the order of sort keys, so that they can be paged over."""
        return False

    def oldest(self, now: datetime) -> str | None:
        """Return from which row key on rows that store no expiry may have ended at *now* all the same; None: none has."""
        return None

    # Rows

    def encode(self, record: Record) -> list[Row]:
        """Return the record's rows, all of one partition, the anchor first."""
        address = self.address(record.key, record.sort_key)
        anchor: Row = {
            "PartitionKey": address.partition_key,
            "RowKey": address.row_key,
            **{name: from_json(value) for name, value in record.extra.items()},
            **self.write_columns(record),
            **version_columns(record),
        }
        if self.home(address.row_key) is not None:
            anchor[SCOPE] = record.key.scope.partition_key
        return [anchor, *self.twins(record)]

    def write_columns(self, record: Record) -> Row:
        """Return the columns that hold the body."""
        return encode_columns(self.columns, record.body)

    def twins(self, record: Record) -> list[Row]:
        """Return the record's further rows in the anchor's partition."""
        return []

    def index_rows(self, record: Record) -> list[Row]:
        """Return the rows of table Relationships, partition GLOBAL, that old code expects beside this record."""
        return []

    def stale_index_keys(self, record: Record, memo: str) -> list[str]:
        """Return row keys in Relationships that the state before (*memo*) had and this record's does not."""
        return []

    def stale_rows(self, record: Record, memo: str) -> list[Address]:
        """Return which of the `places` the state before (*memo*) had a row at and this record does not."""
        return []

    def owner(self, index_row: StoredRow) -> Key | None:
        """Return the key of the record that an index row was made from, or None if it does not tell."""
        return None

    def memo(self, record: Record) -> str:
        """Return what a later write must know of this state and cannot tell from its own record."""
        return ""

    def native_etag(self, record: Record, etag: str) -> str:
        """Return the hint for *record* whose anchor the service calls *etag*."""
        return NativeEtag(etag, self.memo(record), record.expires_at, record.version.epoch).encode()

    def merge(self, key: Key, rows: Sequence[StoredRow]) -> Record | None:
        """Return the record whose rows these are, in the order of `places`; None if they are none.

        Raises:
            CorruptDocumentError: See `decode`.
        """
        return self.decode(key, rows[0]) if rows else None

    def decode(self, key: Key, stored: StoredRow) -> Record:
        """Return the record of an anchor row.

        Raises:
            CorruptDocumentError: A column cannot be read; the message names table, row and column.
        """
        try:
            return self._with_version(self._decode_content(key, stored), stored)
        except UNREADABLE as error:
            reason = str(error) if isinstance(error, ValueError) else f"cannot be read ({type(error).__name__})"
            raise unreadable(self.table, stored, reason) from error

    def _decode_content(self, key: Key, stored: StoredRow) -> Record:
        row, claimed = stored.properties, self._claimed
        return Record(
            key,
            self.read_body(key, row),
            self.sort_key_of(key, stored.row_key),
            expires_at=read_expiry(row),
            extra={name: to_json(value) for name, value in row.items() if name not in claimed},
            backend=BACKEND,
        )

    @cached_property
    def _claimed(self) -> frozenset[str]:
        """Columns that do not travel along."""
        return NEVER_EXTRA | self.key_columns | {name for column in self.columns for name in (column.name, *column.older_names)}

    def read_body(self, key: Key, row: Row) -> Body:
        """Return the body that the columns hold.

        Raises:
            UnreadableColumnError: One of them cannot be read.
        """
        return decode_columns(self.columns, row)

    def distrust(self, record: Record) -> Record:
        """Return what remains true of a record whose row the old application wrote after us."""
        return record

    def _with_version(self, record: Record, stored: StoredRow) -> Record:
        row = stored.properties
        revision, epoch = integer(row.get(REVISION, 0)), integer(row.get(EPOCH, 0))
        if revision == 0 or row.get(DIGEST) != record.digest:
            record = self.distrust(record) if revision else record
            version = Version(revision + 1, record.digest, epoch)
        else:
            version = Version(revision, str(row.get(WRITE_ID)), epoch)
        native_etag = NativeEtag(stored.etag, self.memo(record), record.expires_at, epoch).encode()
        return replace(record, version=version, native_etag=native_etag)


@dataclass(frozen=True, slots=True)
class Marker:
    """The row beside an anchor: guard or locator of a live record, or its tombstone."""

    sort_key: str
    etag: str
    tombstone: Record | None


def marker_row(mapping: RowMapping, record: Record) -> Row:
    """Return the row beside the anchor of *record*, a live record or a tombstone."""
    marker, anchor = mapping.marker(record.key, record.sort_key), mapping.address(record.key, record.sort_key)
    row: Row = {
        "PartitionKey": marker.partition_key,
        "RowKey": marker.row_key,
        SORT_KEY: record.sort_key,
        ANCHOR: anchor.row_key,
        IS_TOMBSTONE: record.is_tombstone,
    }
    if mapping.home(anchor.row_key) is not None:
        row[SCOPE] = record.key.scope.partition_key
    return {**row, **version_columns(record)} if record.is_tombstone else row


def read_marker(key: Key, stored: StoredRow) -> Marker:
    """Return what a guard or locator says of the record at *key*."""
    row = stored.properties
    sort_key = str(row.get(SORT_KEY, ""))
    if not row.get(IS_TOMBSTONE):
        return Marker(sort_key, stored.etag, None)
    version = Version(integer(row.get(REVISION, 1)), str(row.get(WRITE_ID)), integer(row.get(EPOCH, 0)))
    native = NativeEtag(stored.etag).encode()
    tombstone = Record(key, {}, sort_key, version, is_tombstone=True, native_etag=native, backend=BACKEND)
    return Marker(sort_key, stored.etag, tombstone)


def version_columns(record: Record) -> Row:
    """Return the columns that every row of ours carries."""
    columns: Row = {
        EPOCH: dump_integer(record.version.epoch),
        REVISION: dump_integer(record.version.revision),
        WRITE_ID: record.version.write_id,
        DIGEST: record.digest,
        SCHEMA: SCHEMA_VERSION,
    }
    expiry = dump_expiry(record.expires_at)
    return columns if expiry is None else {**columns, EXPIRES_AT: expiry}


def read_expiry(row: Row) -> Expiry:
    """Return the expiry that a row holds.

    Raises:
        UnreadableColumnError: It holds something else.
    """
    try:
        return load_expiry(row.get(EXPIRES_AT))
    except (ValueError, TypeError):
        raise UnreadableColumnError(f"column {EXPIRES_AT}: expected a date and time, or never") from None


def unreadable(table: str, stored: StoredRow, reason: str) -> CorruptDocumentError:
    """Return the error that names a row which cannot be read."""
    row = f"{table}/{stored.partition_key}/{stored.row_key}"
    return CorruptDocumentError(
        f"row {row}: {reason}. Correct the column with a storage tool, or delete the row", backend=BACKEND, key=row
    )


@dataclass(frozen=True, slots=True)
class NativeEtag:
    """The hint that models carry: the service's etag, and what the next write must know of the state it names."""

    etag: str
    memo: str = ""
    expires_at: Expiry = None
    epoch: int = 0

    def encode(self) -> str:
        """Return the text form."""
        return f"{self.memo}|{dump_expiry(self.expires_at) or ''}|{self.epoch}|{self.etag}"

    @classmethod
    def parse(cls, text: str) -> NativeEtag:
        """Return the hint that *text* encodes.

        Raises:
            InvalidRequestError: It is none of this backend's.
        """
        try:
            memo, expiry, epoch, etag = text.split("|", 3)
            native = cls(etag, memo, load_expiry(expiry or None), int(epoch))
        except ValueError:
            raise InvalidRequestError("etag: not one that this library gave out") from None
        if _SERVICE_ETAG.fullmatch(etag) is None:
            raise InvalidRequestError("etag: not one that this library gave out")
        return native


def guard_key(row_key: str) -> str:
    """Return the row key of an anchor's guard row."""
    guard = GUARD_PREFIX + row_key
    if utf16_length(guard) <= MAX_KEY_UNITS:
        return guard
    return f"{GUARD_PREFIX}%%{hashlib.sha256(row_key.encode()).hexdigest()}"


def end_of(prefix: str) -> str:
    """Return the first key after all that begin with *prefix*, which ends with ``:``."""
    return prefix[:-1] + ";"
