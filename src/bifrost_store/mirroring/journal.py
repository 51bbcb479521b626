"""Which records the other store may not have as they are: keys without content, kept in the store that answers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.coordination.rows import Form, Rows
from bifrost_store.core.clock import Clock, format_time, parse_time, utc_now
from bifrost_store.core.json import UNREADABLE
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import JOURNAL, SPECS
from bifrost_store.errors import (
    CorruptDocumentError,
    DocumentExistsError,
    OutcomeUnknownError,
    StoreError,
)

_ATTEMPTS: Final = 8
UNSETTLED: Final = "outcome unknown"
"""The reason of an entry for a write that may be stored yet, when it arrives late: comparing the record once is not enough."""
_STUCK: Final = "cannot be repaired: "


@dataclass(frozen=True, slots=True)
class Entry:
    """What the other store may lack.

    Attributes:
        key: The record concerned; None where it is all that *writer* wrote last.
        writer: Who is gone without having said that all is settled; see `core.attempts.Attempt`.
        record: The entry in the state in which it was read.
    """

    key: Key | None
    writer: str | None
    record: Record

    @classmethod
    def of(cls, record: Record) -> Entry:
        """Return the entry that a stored *record* is.

        Raises:
            CorruptDocumentError: It says of nothing what it is about.
        """
        body = record.body
        try:
            if body["recordKind"] is None:
                return cls(None, _checked_writer(body["writer"]), record)
            key = Key(body["recordKind"], Scope(body["recordScope"]), body["recordId"])
            if key.kind not in SPECS or not isinstance(key.id, str):
                raise TypeError(f"no record of kind {key.kind!r}")
        except (*UNREADABLE, StoreError) as error:
            message = f"the journal entry {record.key.id} does not say what it is about ({type(error).__name__})"
            raise CorruptDocumentError(message, backend=record.backend, key=str(record.key)) from error
        return cls(key, None, record)

    @property
    def reason(self) -> str:
        """Why it was made, in a word."""
        return str(self.record.body.get("reason"))

    @property
    def noted_at(self) -> datetime | None:
        """When it was made or failed last, by the clock of whoever noted it; None where it does not say."""
        try:
            return parse_time(str(self.record.body["notedAt"]))
        except UNREADABLE:
            return None

    @property
    def is_stuck(self) -> bool:
        """Whether a repair has found that no repetition helps."""
        return self.reason.startswith(_STUCK)

    @override
    def __str__(self) -> str:
        return f"all that {self.writer} wrote last" if self.key is None else str(self.key)


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """An entry that cannot be read: something is pending, and nobody knows what."""

    error: CorruptDocumentError
    key: None = None

    @property
    def name(self) -> str:
        """Where it lies."""
        return self.error.key or "an entry without a name"

    @override
    def __str__(self) -> str:
        return f"an entry that cannot be read: {self.error}"


_FORM: Final = Form(JOURNAL.kind, lambda record: record.body, lambda body: body)


class Journal:
    """What the other store of one may lack. Safe for use by many processes.

    There is one entry for each key, rewritten whenever the key fails again. Whoever repairs reads the entry, then the record,
    and removes the entry only in the state that was read: a write that failed meanwhile has rewritten it.

    Args:
        backend: The store that answers for the records; entries are kept beside them.
        clock: Tells when an entry was made, for people.

    Attributes:
        backend: The same.
    """

    def __init__(self, backend: Backend, *, clock: Clock = utc_now) -> None:
        self.backend = backend
        self._rows = Rows(backend, _FORM)
        self._now = clock

    async def note(self, keys: Sequence[Key], reason: str) -> list[Entry]:
        """Write an entry for each of *keys*, and return them; once it returns, all of them are stored.

        Args:
            keys: What may differ. The records must have been written before, or be written under the entry.
            reason: A word for people; never content.
        """
        return await for_each(partial(self._note, reason=reason), [_body_of_key(key) for key in keys])

    async def note_stuck(self, entry: Entry, error: Exception) -> Entry:
        """Write into *entry*, for people, that no repetition helps, and why, unless it says so; return it as it is then."""
        reason = f"{_STUCK}{type(error).__name__}"
        if entry.key is None or entry.reason in (reason, UNSETTLED):
            return entry
        return (await self.note([entry.key], reason))[0]

    async def note_writer(self, writer: str) -> Entry:
        """Write an entry for all that *writer* wrote last. Only once it cannot write any more."""
        return await self._note(_body(writer=writer), reason="writer gone")

    async def entries(self) -> AsyncIterator[Entry | UnreadableEntry]:
        """Go through all entries. One that cannot be read is pending like any other."""
        async for record in self._rows.records():
            if isinstance(record, CorruptDocumentError):
                yield UnreadableEntry(record)
                continue
            try:
                entry: Entry | UnreadableEntry = Entry.of(record)
            except CorruptDocumentError as error:
                entry = UnreadableEntry(error)
            yield entry

    async def count(self) -> int:
        """Return how many entries there are, those that cannot be read included."""
        return len([entry async for entry in self.entries()])

    async def remove(self, entry: Entry) -> bool:
        """Remove *entry* unless it was rewritten since it was read; return whether it is gone."""
        return await self._rows.forget(entry.record)

    async def purge(self) -> None:
        """Free the space of entries that were removed; what fails is left to the next time."""
        await self._rows.purge()

    async def _note(self, body: Body, reason: str) -> Entry:
        row_id = _entry_id(body)
        body = {**body, "reason": reason, "notedAt": format_time(self._now())}
        try:
            return await self._write(row_id, body)
        except CorruptDocumentError:  # what is there cannot be read, and stays as it is: this one goes beside it
            return await self._write(hashlib.sha256(row_id.encode()).hexdigest()[:32], body)

    async def _write(self, row_id: str, body: Body) -> Entry:
        for _ in range(_ATTEMPTS):
            try:
                return Entry.of((await self._rows.create(row_id, {**body, "failures": 1})).record)
            except DocumentExistsError:
                seen = await self._rows.read(row_id)
            if seen is None:
                continue
            reason = UNSETTLED if seen.state.get("reason") == UNSETTLED else body["reason"]
            changed = {**body, "reason": reason, "failures": _count_of(seen.state) + 1}
            # Whoever else rewrote it did so after our own write: nobody who read the record before can remove that entry.
            now = await self._rows.change(seen, changed) or await self._rows.read(row_id)
            if now is not None and now.record.version != seen.record.version:
                return Entry.of(now.record)
        raise OutcomeUnknownError(f"the journal's entry {row_id} changes too fast to be written", key=str(_FORM.key(row_id)))


def _body(*, kind: str | None = None, scope: str | None = None, record_id: str | None = None, writer: str | None = None) -> Body:
    return {"recordKind": kind, "recordScope": scope, "recordId": record_id, "writer": writer}


def _body_of_key(key: Key) -> Body:
    return _body(kind=key.kind, scope=key.scope.value, record_id=key.id)


def _entry_id(body: Body) -> str:
    text = "\x00".join(str(body[name]) for name in ("recordKind", "recordScope", "recordId", "writer"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _count_of(body: Body) -> int:
    failures = body.get("failures")
    return failures if isinstance(failures, int) else 0


def _checked_writer(writer: object) -> str:
    if not isinstance(writer, str) or not writer:
        raise TypeError("no writer")
    return writer
