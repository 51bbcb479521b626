"""From a record to the rows of today's layout and back; what all kinds share."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import cached_property
from typing import ClassVar

import pydantic_core

from bifrost_store.backends.table.account import Row, StoredRow
from bifrost_store.backends.table.columns import (
    Column,
    Content,
    OwnColumns,
    Reading,
    UnreadableColumnError,
    decode_columns,
    encode_columns,
    readable_columns,
)
from bifrost_store.backends.table.edm import as_json, from_json, to_json
from bifrost_store.backends.table.errors import BACKEND
from bifrost_store.backends.table.escaping import escape, unescape
from bifrost_store.backends.table.mappings.stamps import (
    DIGEST,
    EPOCH,
    EXPIRES_AT,
    NEVER_EXTRA,
    REVISION,
    SCHEMA,
    SCOPE,
    WRITE_ID,
    NativeEtag,
    count_of,
    guard_key,
    native_text,
    overwritten,
    read_expiry,
    stamp_of,
    version_columns,
)
from bifrost_store.backends.table.places import Address, KeyRange, end_of
from bifrost_store.core.json import UNREADABLE, canonical_json, check_json
from bifrost_store.core.query import Filter
from bifrost_store.core.record import SCHEMA_VERSION, Body, Expiry, Key, LateDigest, Origin, Record, default_sort_key, dump_expiry
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.core.version import MAX_REVISION, Etag, Version
from bifrost_store.errors import CorruptDocumentError, InvalidKeyError, InvalidRequestError


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
        may_contradict: Some rows of the kind say what cannot be; see `contradiction`.
        is_spread: The rows at `addresses` make up one record together; else it is one row at one of them.
        has_copies: Each of those rows tells whose it is and all of the record; the first that is there counts.
    """

    spec: ClassVar[DocumentSpec]
    table: ClassVar[str]
    prefix: ClassVar[str]
    columns: ClassVar[Sequence[Column]]
    key_columns: ClassVar[frozenset[str]] = frozenset()
    index_prefixes: ClassVar[tuple[str, ...]] = ()
    scope_column: ClassVar[str | None] = None
    has_marker: ClassVar[bool] = True
    may_contradict: ClassVar[bool] = False
    is_spread: ClassVar[bool] = False
    has_copies: ClassVar[bool] = False

    @property
    def kind(self) -> str:
        return self.spec.kind

    def address(self, key: Key, sort_key: str) -> Address:
        """Return where the anchor lies. *sort_key* matters only where it is part of the row key."""
        return Address(self.table, key.scope.partition_key, self.prefix + escape(key.id))

    def addresses(self, key: Key) -> list[Address]:
        """Return where rows of the record may lie, all in one partition, the anchor first.

        Unless `span` says otherwise the record is read from the first of them that is there.
        """
        return [self.address(key, "")]

    def span(self, key: Key) -> KeyRange | None:
        """Return the range that holds all `addresses`, if the record can only be read from all of its rows."""
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

    def encode(self, record: Record) -> list[Row]:
        """Return the record's rows, all of one partition, the anchor first."""
        return [row if (seal := self.seal(row)) is None else {**row, SCHEMA: seal} for row in self.unsealed(record)]

    def unsealed(self, record: Record) -> list[Row]:
        """Return the rows of `encode` without their seals."""
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
        """Return which of the `addresses` the state before (*memo*) had a row at and this record does not."""
        return []

    def owner(self, index_row: StoredRow) -> Key | None:
        """Return the key of the record that an index row was made from, or None if it does not tell."""
        return None

    def memo(self, body: Body) -> str:
        """Return what a later write must know of this state and cannot tell from its own record."""
        return ""

    def memo_of_foreign(self, body: Body) -> str:
        """Return the same of a row that this library never wrote."""
        return self.memo(body)

    def native_etag(self, record: Record, etag: str) -> str:
        """Return the hint for *record* whose anchor the service calls *etag*."""
        return NativeEtag(etag, self.memo(record.body), record.expires_at, record.version.epoch).encode()

    def merge(self, key: Key, rows: Sequence[StoredRow]) -> Record | None:
        """Return the record whose rows these are, in the order of `addresses`; None if they are none.

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
            return self._ours(key, stored) or self._old(key, stored)
        except UNREADABLE as error:
            reason = str(error) if isinstance(error, ValueError) else f"cannot be read ({type(error).__name__})"
            raise self.unreadable(key, stored, reason) from error

    def selected(self, fields: Collection[str]) -> list[str] | None:
        """Return which columns `glance` needs to tell *fields*; None: only whole rows tell anything."""
        return None

    def glance(self, key: Key, stored: StoredRow, fields: Collection[str]) -> Record | None:
        """Return the record of a row with its *fields* alone, its sort key and its expiry; None if only the whole row tells them.

        Some columns do not tell who wrote the row last. So the fields must be the same whoever did.
        """
        return None

    def _ours(self, key: Key, stored: StoredRow) -> Record | None:
        """Return the record of a row that this library wrote last, which is read exactly; else None."""
        row = stored.properties
        if REVISION not in row:
            return None
        try:
            revision, epoch = stamp_of(row, REVISION), stamp_of(row, EPOCH)
            if not revision:
                return None
            is_sealed = isinstance(row.get(SCHEMA), str) and row[SCHEMA] == self.seal(row)
            content = self.read_content(key, row, reading=Reading.SEALED if is_sealed else Reading.EXACT)
        except UNREADABLE:
            return None
        digest = LateDigest(key, *content, False)
        if not is_sealed and row.get(DIGEST) != digest():
            return None
        version = Version(revision, str(row.get(WRITE_ID)), epoch)
        return self._record(key, stored, content, version, digest, self.memo(content.body), epoch)

    def seal(self, row: Row) -> str | None:
        """Return what `SCHEMA` says in a row of ours while all its columns are as they were written: a hash of them.

        It tells in a quarter of the time what the digest tells. Where there is none, and where a column's type makes it another
        once the row was read, the digest decides.
        """
        extra = [] if self._claimed.issuperset(row) else sorted(column for column in row.items() if column[0] not in self._claimed)
        try:
            content = pydantic_core.to_json([*map(row.get, self._sealed), extra])
        except ValueError:
            return None
        return f"{SCHEMA_VERSION};{hashlib.sha256(content).hexdigest()[:32]}"

    def _old(self, key: Key, stored: StoredRow) -> Record:
        """Return the record of a row that the old application wrote last, by the rules for what it leaves out or tolerates."""
        row = stored.properties
        revision, epoch = stamp_of(row, REVISION, MAX_REVISION - 1), stamp_of(row, EPOCH)
        content = self.read_content(key, row, reading=Reading.LENIENT)
        self._check_storable(key, content)
        content = content._replace(body=self.distrust(content.body)) if revision else content
        memo = self.memo(content.body) if revision else self.memo_of_foreign(content.body)
        digest = LateDigest(key, *content, False)
        version = Version.late(lambda: overwritten(Version(revision, "", epoch), digest()))
        return self._record(key, stored, content, version, digest, memo, epoch)

    def _record(
        self, key: Key, stored: StoredRow, content: Content, version: Version, digest: LateDigest, memo: str, epoch: int
    ) -> Record:
        expires_at = self.expiry_of(content)
        is_as_stored = expires_at == content.expires_at
        expiry = stored.properties.get(EXPIRES_AT) if is_as_stored else dump_expiry(expires_at)
        record = Record(
            key,
            content.body,
            self.sort_key_of(key, stored.row_key),
            version,
            expires_at,
            content.extra,
            native_etag=native_text(stored.etag, memo, expiry, epoch),
            backend=BACKEND,
            origin=Origin(f"{self.table}/{stored.partition_key}/{stored.row_key}", self.column_names),
        )
        return record.digested(digest) if is_as_stored else record

    def expiry_of(self, content: Content) -> Expiry:
        """Return when a record ends whose row holds *content*."""
        return content.expires_at

    def _check_storable(self, key: Key, content: Content) -> None:
        """Refuse what no backend can keep, so that whatever is read can be written anywhere."""
        storable = self._storable
        try:
            for field, value in content.body.items():
                if field not in storable and value is not None and not (type(value) is str and value.isascii()):
                    check_json(value, f"column {self.column_names.get(field, field)}")
            for name, value in content.extra.items():
                check_json(value, f"column {name}")
            self.spec.check_body(key.id, content.body)
        except InvalidRequestError as error:
            raise UnreadableColumnError(str(error)) from None

    def unreadable(self, key: Key, stored: StoredRow, reason: str, *, at: StoredRow | None = None) -> CorruptDocumentError:
        """Return the error that names a row which cannot be read, and what can be told of it all the same.

        Args:
            at: The row to be named, where it is not the anchor.
        """
        place = at or stored
        row = f"{self.table or key.id.partition('/')[0]}/{place.partition_key}/{place.row_key}"
        outline = self.outline(key, stored)
        others = "remove the row with it" if self.spec.is_append_only else "delete the document, or write it again"
        return CorruptDocumentError(
            f"row {row}: {reason}. Correct the column with a storage tool, {'or ' if self.spec.is_append_only else ''}{others}",
            backend=BACKEND,
            key=row,
            document=key.parts,
            etag=Etag(outline.version).encode(),
            partial=outline,
        )

    def outline(self, key: Key, stored: StoredRow) -> Record:
        """Return what can be told of a row that cannot be read: the fields that can be, and a version that names its state."""
        row = stored.properties
        text = {name: as_json(value) for name, value in row.items() if value is not None}
        version = Version(count_of(row, REVISION) + 1, hashlib.sha256(canonical_json(text)).hexdigest()[:32], count_of(row, EPOCH))
        try:
            expires_at = read_expiry(row)
        except UnreadableColumnError:
            expires_at = None
        native = NativeEtag(stored.etag, "", expires_at, version.epoch).encode()
        body, sort_key = readable_columns(self.columns, row, self.key_fields(key)), self.sort_key_of(key, stored.row_key)
        extra = {name: value for name, value in text.items() if name not in self._claimed}
        return Record(key, body, sort_key, version, expires_at, extra, native_etag=native, backend=BACKEND)

    def read_content(self, key: Key, row: Row, *, reading: Reading) -> Content:
        """Return what a row holds. Arguments and errors are those of `read_body`."""
        claimed = self._claimed
        extra = {} if claimed.issuperset(row) else {name: to_json(value) for name, value in row.items() if name not in claimed}
        return Content(self.read_body(key, row, reading=reading), extra, read_expiry(row))

    @cached_property
    def column_names(self) -> dict[str, str]:
        """The column of each field that has one."""
        return {column.field: column.name for column in self.columns}

    @cached_property
    def _own_columns(self) -> OwnColumns:
        return OwnColumns(self.columns)

    @cached_property
    def _storable(self) -> frozenset[str]:
        return frozenset(column.field for column in self.columns if column.codec.is_storable)

    @cached_property
    def _sealed(self) -> list[str]:
        return sorted(self._claimed - {SCHEMA})

    @cached_property
    def _claimed(self) -> frozenset[str]:
        """Columns that do not travel along."""
        return NEVER_EXTRA | self.key_columns | {name for column in self.columns for name in (column.name, *column.older_names)}

    def read_body(self, key: Key, row: Row, *, reading: Reading) -> Body:
        """Return the body that the columns hold.

        Raises:
            UnreadableColumnError: One of them cannot be read.
        """
        if reading is Reading.SEALED:
            return self._own_columns.read(row, self.key_fields(key))
        return decode_columns(self.columns, row, self.key_fields(key), is_old=reading is Reading.LENIENT)

    def key_fields(self, key: Key) -> Body:
        """Return the fields that the record's key tells and a column repeats."""
        return {}

    def contradiction(self, row: Row) -> str | None:
        """Return what a row says that cannot be, where it is read in the stricter way."""
        return None

    def distrust(self, body: Body) -> Body:
        """Return what remains true of a body whose row the old application wrote after us."""
        return body
