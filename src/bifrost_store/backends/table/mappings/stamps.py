"""What this library adds to rows of today's layout: versions, the rows beside anchors, and the hints that etags carry."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bifrost_store.backends.table.account import Row, StoredRow
from bifrost_store.backends.table.columns import UnreadableColumnError, dump_integer, integer
from bifrost_store.backends.table.errors import BACKEND
from bifrost_store.core.json import utf16_length
from bifrost_store.core.record import SCHEMA_VERSION, Expiry, Key, Record, dump_expiry, load_expiry
from bifrost_store.core.version import MAX_REVISION, Version
from bifrost_store.errors import InvalidRequestError

if TYPE_CHECKING:
    from bifrost_store.backends.table.mappings.base import RowMapping

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

GUARD_PREFIX = "bs-tomb:"
UNLOCATED = "?"
"""Ends the memo of a row that this library never wrote: it may have no locator, and another row may have its id."""
_SERVICE_ETAG = re.compile(r'W/"[^"*]+"')
"""What the service gives; never ``*``, which would match any state."""
MAX_KEY_UNITS = 512
"""UTF-16 units of a row key: 1 KiB ("Understanding the Table service data model", Microsoft)."""


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
    version = Version(count_of(row, REVISION) or 1, str(row.get(WRITE_ID)), count_of(row, EPOCH))
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


def stamp_of(row: Row, name: str, most: int = MAX_REVISION) -> int:
    """Return the revision or epoch in one of our columns, or 0 where there is none.

    Raises:
        UnreadableColumnError: It holds no number, one below 0, or more than *most*.
    """
    try:
        number = integer(row.get(name, 0))
    except ValueError as error:
        raise UnreadableColumnError(f"column {name}: {error}") from None
    if not 0 <= number <= most:
        raise UnreadableColumnError(f"column {name}: expected a number from 0 to {most}")
    return number


def count_of(row: Row, name: str) -> int:
    """Return the same, or 0 where it cannot be read or has no next one."""
    try:
        return stamp_of(row, name, MAX_REVISION - 1)
    except UnreadableColumnError:
        return 0


@dataclass(frozen=True, slots=True)
class NativeEtag:
    """The hint that models carry: the service's etag, and what the next write must know of the state it names."""

    etag: str
    memo: str = ""
    expires_at: Expiry = None
    epoch: int = 0

    def encode(self) -> str:
        """Return the text form."""
        return native_text(self.etag, self.memo, dump_expiry(self.expires_at), self.epoch)

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


def native_text(etag: str, memo: str, expiry: str | None, epoch: int) -> str:
    """Return the text of a `NativeEtag` whose expiry is stored as *expiry*."""
    return f"{memo}|{expiry or ''}|{epoch}|{etag}"


def overwritten(stamped: Version, digest: str) -> Version:
    """Return the version of a row that the old application wrote over what was stamped: its content is its only name."""
    return Version(stamped.revision + 1, digest, stamped.epoch)


def guard_key(row_key: str) -> str:
    """Return the row key of an anchor's guard row."""
    guard = GUARD_PREFIX + row_key
    if utf16_length(guard) <= MAX_KEY_UNITS:
        return guard
    return f"{GUARD_PREFIX}%%{hashlib.sha256(row_key.encode()).hexdigest()}"
