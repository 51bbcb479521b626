"""The writes of the waist as changes to rows, and how each is settled when the service refuses or its answer is lost.

A write knows what it last saw of its record, offers the changes that follow, and looks again when they did not go through.
``look`` either settles it (``result``), raises what the caller must hear, or leaves it ready to be sent again.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

from typing_extensions import override

from bifrost_store.backends.table.account import Change, Insert, Put, Remove, Row, StoredRow
from bifrost_store.backends.table.errors import BACKEND
from bifrost_store.backends.table.mappings.execution import ExecutionMapping
from bifrost_store.backends.table.mappings.stamps import UNLOCATED, Marker, NativeEtag, marker_row
from bifrost_store.backends.table.reader import State, TableReader, state_of
from bifrost_store.backends.table.twins import set_aside
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import Clock
from bifrost_store.core.operations import Result
from bifrost_store.core.record import Key, Record
from bifrost_store.core.version import NO_VERSION, Etag, Version
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
)

_NOTHING = State(None, (), None)


class Write(ABC):
    """One write to one record.

    Attributes:
        looks_first: The stored state must be read before anything can be sent.
        result: What the caller gets, once settled.
        is_settled: Nothing more is to be sent.
        is_own: The stored state was found to be this write's.
        record: The record or tombstone as it is to be stored; what index rows are made from.
        previous: The record that is written over, if it was read.
        memo: What the state before told about its index rows.
    """

    def __init__(self, reader: TableReader, clock: Clock, key: Key, attempt: Attempt) -> None:
        self._reader = reader
        self._now = clock
        self._mapping = reader.mapping(key.kind)
        self._attempt = attempt
        self.looks_first = False
        self.key = key
        self.is_settled = False
        self.is_own = False
        self.result: Result = False
        self.record: Record | None = None
        self.previous: Record | None = None
        self.memo = ""

    @property
    def sort_key(self) -> str:
        """The record's sort key, where it is known."""
        return "" if self.record is None else self.record.sort_key

    @abstractmethod
    def changes(self) -> list[Change]:
        """Return the changes to send, the anchor's first; none if there is nothing to do."""

    @abstractmethod
    async def look(self, is_lost: bool) -> None:
        """Read what is stored and decide. *is_lost*: an earlier sending may have gone through unanswered."""

    def sent(self, etags: list[str]) -> None:
        """Take note that `changes` went through; *etags* are those of its rows."""
        self.is_settled = True

    def settle_as_sent(self) -> None:
        """Settle it as gone through, unless it is settled already."""
        if not self.is_settled:
            self._settle(self._result_as_sent(), is_own=True)

    def _result_as_sent(self) -> Result:
        return self.record

    def _marker_row(self, record: Record) -> Row:
        return marker_row(self._mapping, record)

    def _put_marker(self, record: Record, marker: Marker | None) -> list[Change]:
        """Return the change that stores the row beside the anchor over *marker*."""
        if not self._mapping.has_marker:
            return []
        row = self._marker_row(record)
        return [Insert(row) if marker is None else Put(row, marker.etag)]

    def _stored(self, record: Record, etag: str) -> Record:
        return replace(record, native_etag=self._mapping.native_etag(record, etag), backend=BACKEND)

    def _settle(self, result: Result, *, is_own: bool = False) -> None:
        self.result, self.is_settled, self.is_own = result, True, is_own

    def _refuse(self, error: type[StoreError], message: str) -> StoreError:
        return error(message, backend=BACKEND, key=str(self.key))

    def _unknown(self) -> StoreError:
        return self._refuse(OutcomeUnknownError, f"{self.key}: the answer was lost and later writes hide what happened; read it")


class CreateWrite(Write):
    """Inserts anchor and marker; goes on from a tombstone or an expired record where one is in the way.

    What is there but cannot be read is there. An execution of the old application may be there without a locator: unless the
    id was made just now, it is searched for.
    """

    def __init__(self, reader: TableReader, clock: Clock, record: Record, attempt: Attempt) -> None:
        super().__init__(reader, clock, record.key, attempt)
        self._given = record
        self._state = _NOTHING
        is_located = reader.twins.is_located(record.key.scope.partition_key)
        self.looks_first = isinstance(self._mapping, ExecutionMapping) and not record.has_new_id and not is_located

    @override
    def changes(self) -> list[Change]:
        self.record = record = replace(self._given, version=self._attempt.follow(self._base()), backend=BACKEND)
        return [*put_rows(self._mapping.encode(record), self._state.rows), *self._put_marker(record, self._state.marker)]

    def _base(self) -> Version:
        if self._state.record is not None:
            return self._state.record.version
        marker = self._state.marker
        return NO_VERSION if marker is None or marker.tombstone is None else marker.tombstone.version

    @override
    async def look(self, is_lost: bool) -> None:
        sent = self.record
        self._state = state = await self._look_at_rows(is_first=sent is None)
        stored = state.record
        if stored is not None and stored.version.write_id == self._attempt.write_id:
            return self._settle(stored, is_own=True)
        # What is there is later than ours would be: ours may have been stored, and changed or deleted since.
        if is_lost and sent is not None and self._base().revision > sent.version.revision:
            raise self._unknown()
        if stored is not None and stored.is_present(self._now()):
            raise self._refuse(DocumentExistsError, f"{self.key} exists already")
        self.previous = state.whole

    async def _look_at_rows(self, *, is_first: bool) -> State:
        if is_first and isinstance(self._mapping, ExecutionMapping):
            return state_of(self._mapping, self.key, (await self._reader.search(self.key, is_thorough=False))[:1])
        return await self._reader.state(self.key, self._given.sort_key)

    @override
    def sent(self, etags: list[str]) -> None:
        assert self.record is not None
        self.is_settled = True
        self.result = self._stored(self.record, etags[0])


class ReplaceWrite(Write):
    """Puts the anchor over exactly the state expected."""

    def __init__(self, reader: TableReader, clock: Clock, record: Record, expected: Etag, attempt: Attempt) -> None:
        super().__init__(reader, clock, record.key, attempt)
        self._given = record
        self._expected = expected
        hint = expected.native_for(BACKEND)
        self._native = None if hint is None else NativeEtag.parse(hint)
        self._stored_rows: list[StoredRow] | None = None
        is_foreign = self._native is not None and self._native.memo.endswith(UNLOCATED)
        self._may_be_twin = is_foreign and isinstance(self._mapping, ExecutionMapping)
        self.looks_first = self._native is None or self._is_expired(self._native) or self._may_be_twin

    @override
    def changes(self) -> list[Change]:
        native = self._native
        assert native is not None
        # W3 asks for the epoch of what is stored, which an etag does not carry; its hint does.
        base = Version(self._expected.version.revision, self._expected.version.write_id, native.epoch)
        self.record = record = replace(self._given, version=self._attempt.follow(base), backend=BACKEND)
        self.memo = native.memo
        if self._stored_rows is None:
            anchor, *twins = self._mapping.encode(record)
            stale = self._mapping.stale_rows(record, native.memo)
            changes: list[Change] = [Put(anchor, native.etag), *map(Put, twins)]
            changes += [Remove(address.partition_key, address.row_key) for address in stale]
        else:
            changes = put_rows(self._mapping.encode(record), self._stored_rows)
        if isinstance(self._mapping, ExecutionMapping):
            changes.append(Put(self._marker_row(record)))
        return changes

    def _is_expired(self, native: NativeEtag) -> bool:
        if native.expires_at is None:  # of a state that stored none; it may have ended since a migration recorded a retention
            return self._mapping.oldest(self._now()) is not None
        return Record(self.key, {}, expires_at=native.expires_at).is_expired(self._now())

    @override
    async def look(self, is_lost: bool) -> None:
        stored = await self._look_at_rows()
        if stored is None or not stored.is_present(self._now()):
            if is_lost:
                raise self._unknown()
            raise self._refuse(DocumentNotFoundError, f"{self.key} does not exist")
        if stored.version.write_id == self._attempt.write_id:
            return self._settle(stored, is_own=True)
        is_other_row = bool(self._given.sort_key) and stored.sort_key != self._given.sort_key
        if is_other_row or not stored.version.is_same_state(self._expected.version):
            # One revision further, another write stands where ours would; beyond that, ours may lie beneath it.
            if is_lost and stored.version.revision > self._expected.version.revision + 1:
                raise self._unknown()
            raise self._refuse(PreconditionFailedError, f"{self.key} has changed since it was read; read it again")
        self._may_be_twin = False
        assert stored.native_etag is not None
        self._native = NativeEtag.parse(stored.native_etag)

    async def _look_at_rows(self) -> Record | None:
        """Return what is stored, of several rows of one execution the one that counts."""
        if self._may_be_twin:
            state = await self._reader.state(self.key, None)
        else:
            state = state_of(self._mapping, self.key, await self._reader.rows(self.key, self._given.sort_key))
            if state.record is None:
                # It may have been deleted and made anew, which gives an execution another row.
                state = await self._reader.state(self.key, None)
        self._stored_rows = list(state.rows)
        return state.record

    @override
    def sent(self, etags: list[str]) -> None:
        assert self.record is not None
        self.is_settled = True
        self.result = self._stored(self.record, etags[0])


class DeleteWrite(Write):
    """Removes the record's rows and turns the marker into its tombstone."""

    def __init__(self, reader: TableReader, clock: Clock, key: Key, expected: Etag | None, attempt: Attempt) -> None:
        super().__init__(reader, clock, key, attempt)
        self.looks_first = True
        self._expected = expected
        self._removals: list[Change] = []

    @override
    def changes(self) -> list[Change]:
        # The removals name the rows' etags, and so guard the tombstone of the same transaction.
        return [*self._removals, Put(self._marker_row(self.record))] if self.record is not None else []

    @override
    async def look(self, is_lost: bool) -> None:
        sent = self.record
        self.record = None
        state, self._removals = await removals(self._reader, self.key)
        stored = state.record
        if stored is None or not stored.is_present(self._now()):
            return await self._settle_absent(sent, is_lost)
        if self._expected is not None and not stored.version.is_same_state(self._expected.version):
            raise self._refuse(PreconditionFailedError, f"{self.key} has changed since it was read; read it again")
        self.previous = state.whole
        self.record = stored.tombstone(self._attempt.follow(stored.version))

    async def _settle_absent(self, sent: Record | None, is_lost: bool) -> None:
        marker = await self._reader.marker(self.key, "") if is_lost else None
        tombstone = None if marker is None else marker.tombstone
        if tombstone is not None and tombstone.version.write_id == self._attempt.write_id:
            self.record = sent
            return self._settle(tombstone, is_own=True)
        if is_lost and (tombstone is None or sent is None or tombstone.version.revision != sent.version.revision):
            raise self._unknown()
        self._settle(None)

    @override
    def sent(self, etags: list[str]) -> None:
        assert self.record is not None
        self.is_settled = True
        self.result = replace(self.record, native_etag=NativeEtag(etags[-1]).encode(), backend=BACKEND)


class ApplyWrite(Write):
    """Stores a record or tombstone as it is, unless what is stored is as new; or over exactly one state."""

    def __init__(self, reader: TableReader, clock: Clock, record: Record, over: str | None, attempt: Attempt) -> None:
        super().__init__(reader, clock, record.key, attempt)
        self.looks_first = over is not None or not record.is_first
        self._given = record
        self._over = over
        self._state = _NOTHING
        self._knows_marker = False

    @override
    def changes(self) -> list[Change]:
        self.record = record = replace(self._given, backend=BACKEND)
        state = self._state
        if record.is_tombstone:
            # Where rows are removed, their etags guard the marker too.
            removals = put_rows([], state.rows)
            return [*removals, Put(self._marker_row(record))] if removals else self._put_marker(record, state.marker)
        rows = put_rows(self._mapping.encode(record), state.rows)
        if state.rows and not self._knows_marker and self._mapping.has_marker:
            return [*rows, Put(self._marker_row(record))]
        return [*rows, *self._put_marker(record, state.marker)]

    @override
    async def look(self, is_lost: bool) -> None:
        # Most records have no marker: it is read only after a sending that was refused, perhaps because of one.
        if self.record is None:
            await self._look_at_rows()
        else:
            await self._look_at_all()
        if self._over is None and self._is_older_than_stored(is_lost):
            return None
        if self._over is not None and self._over != self._native_of_stored():
            return self._settle(is_lost and self._is_stored())
        self.previous = self._state.whole
        self.memo = "" if self.previous is None else self._mapping.memo(self.previous.body)

    async def _look_at_rows(self) -> None:
        rows = await self._reader.rows(self.key, self._given.sort_key)
        self._state = state_of(self._mapping, self.key, rows)
        if self._over is not None and self._state.record is None:
            await self._look_at_all()

    async def _look_at_all(self) -> None:
        self._state = await self._reader.state(self.key, self._given.sort_key)
        self._knows_marker = True

    def _stored_now(self) -> Record | None:
        marker = self._state.marker
        return self._state.record or (None if marker is None else marker.tombstone)

    def _is_stored(self) -> bool:
        stored = self._stored_now()
        return stored is not None and stored.version == self._given.version

    def _native_of_stored(self) -> str | None:
        stored = self._stored_now()
        return None if stored is None else stored.native_etag

    def _is_older_than_stored(self, is_lost: bool) -> bool:
        stored = self._stored_now()
        if stored is None or stored.is_expired(self._now()) or stored.version.age < self._given.version.age:
            return False
        self._settle(is_lost and self._is_stored())
        return True

    @override
    def sent(self, etags: list[str]) -> None:
        self.is_settled, self.result = True, True

    @override
    def _result_as_sent(self) -> Result:
        return True


def put_rows(rows: Sequence[Row], stored: Sequence[StoredRow]) -> list[Change]:
    """Return the changes that store a record's rows, the anchor first, in place of those that are *stored*."""
    etags = {row.row_key: row.etag for row in stored}
    changes: list[Change] = []
    for number, row in enumerate(rows):
        etag = etags.pop(str(row["RowKey"]), None)
        changes.append(Insert(row) if number == 0 and etag is None else Put(row, etag))
    return [*changes, *(Remove(row.partition_key, row.row_key, row.etag) for row in stored if row.row_key in etags)]


async def removals(reader: TableReader, key: Key) -> tuple[State, list[Change]]:
    """Return the stored state, and the changes that remove it provided that it is still so; older twins are set aside."""
    mapping = reader.mapping(key.kind)
    if not isinstance(mapping, ExecutionMapping):
        state = state_of(mapping, key, await reader.rows(key, ""))
        return state, put_rows([], state.rows)
    marker = await reader.marker(key, "")
    if marker is not None:
        rows = [] if marker.tombstone is not None else await reader.rows(key, marker.sort_key)
    else:
        rows = await reader.search(key)
    changes = [change for twin in rows[1:] for change in set_aside(twin)]
    return state_of(mapping, key, rows[:1]), [*put_rows([], rows[:1]), *changes]
