"""Which records the other store may not have as they are: keys without content, kept in the store that answers."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, format_time, utc_now
from bifrost_store.core.query import Eq, Query
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import SYSTEM, Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.documents import JOURNAL
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    OutcomeUnknownError,
    PreconditionFailedError,
)

_ATTEMPTS: Final = 8
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """A debt.

    Attributes:
        key: The record concerned; None where it is all that *writer* wrote last.
        writer: Who is gone without having said that all is settled; see `core.version.writing_as`.
        record: The entry in the state in which it was read.
    """

    key: Key | None
    writer: str | None
    record: Record

    @classmethod
    def of(cls, record: Record) -> Entry:
        """Return the entry that a stored *record* is."""
        body = record.body
        if body["recordKind"] is None:
            return cls(None, body["writer"], record)
        return cls(Key(body["recordKind"], Scope(body["recordScope"]), body["recordId"]), None, record)


class Journal:
    """The debts of one store. Safe for use by many processes.

    There is one entry for each key, rewritten whenever the key fails again. Who pays a debt reads the entry, then the record,
    and removes the entry only in the state that was read: a write that failed meanwhile has rewritten it.

    Args:
        backend: The store that answers for the records; entries are kept beside them.
        clock: Tells when an entry was made, for people.
    """

    def __init__(self, backend: Backend, *, clock: Clock = utc_now) -> None:
        self._backend = backend
        self._now = clock

    async def note(self, keys: Sequence[Key], reason: str) -> list[Entry]:
        """Write an entry for each of *keys*, and return them; once it returns, all of them are stored.

        Args:
            keys: What may differ. The records must have been written before, or be written under the entry.
            reason: A word for people; never content.
        """
        return await for_each(partial(self._note, reason=reason), [_body_of_key(key) for key in keys])

    async def note_writer(self, writer: str) -> Entry:
        """Write an entry for all that *writer* wrote last. Only once it cannot write any more."""
        return await self._note(_body(writer=writer), reason="writer gone")

    async def entries(self, scope: Scope | None = None) -> AsyncIterator[Entry]:
        """Go through all entries, or those for keys of one *scope*."""
        query = Query(JOURNAL.kind, SYSTEM, _in_scope(scope))
        while True:
            page = await self._backend.query(query)
            for record in page:
                yield Entry.of(record)
            if page.continuation_token is None:
                return
            query = replace(query, continuation_token=page.continuation_token)

    async def count(self, scope: Scope | None = None) -> int:
        """Return how many entries there are, or how many for keys of one *scope*."""
        groups = await self._backend.aggregate(Query(JOURNAL.kind, SYSTEM, _in_scope(scope)))
        return groups[0].count if groups else 0

    async def remove(self, entry: Entry) -> bool:
        """Remove *entry* unless it was rewritten since it was read; return whether it is gone."""
        # An expired record is absent, and leaves no tombstone when it is purged: there may be very many of them.
        try:
            await self._backend.replace(replace(entry.record, expires_at=_LONG_AGO), entry.record.etag)
        except DocumentNotFoundError:
            return True
        except (PreconditionFailedError, OutcomeUnknownError):
            return False
        return True

    async def purge(self) -> None:
        """Free the space of entries that were removed."""
        while await self._backend.purge_expired(kind=JOURNAL.kind):
            pass

    async def _note(self, body: Body, reason: str) -> Entry:
        key = Key(JOURNAL.kind, SYSTEM, _entry_id(body))
        body = {**body, "reason": reason, "notedAt": format_time(self._now())}
        for _ in range(_ATTEMPTS):
            try:
                return Entry.of(await self._backend.create(Record(key, {**body, "failures": 1})))
            except DocumentExistsError:
                stored = await self._backend.get(key)
            if stored is None:
                continue
            try:
                changed = stored.with_body({**body, "failures": stored.body["failures"] + 1})
                return Entry.of(await self._backend.replace(changed, stored.etag))
            except PreconditionFailedError:
                # Whoever rewrote it did so after our own write: nobody who read the record before can remove that entry.
                rewritten = await self._backend.get(key)
                if rewritten is not None:
                    return Entry.of(rewritten)
            except DocumentNotFoundError:
                continue
        raise OutcomeUnknownError(f"the journal's entry {key.id} changes too fast to be written", key=str(key))


def _body(*, kind: str | None = None, scope: str | None = None, record_id: str | None = None, writer: str | None = None) -> Body:
    return {"recordKind": kind, "recordScope": scope, "recordId": record_id, "writer": writer}


def _body_of_key(key: Key) -> Body:
    return _body(kind=key.kind, scope=key.scope.value, record_id=key.id)


def _entry_id(body: Body) -> str:
    text = "\x00".join(str(body[name]) for name in ("recordKind", "recordScope", "recordId", "writer"))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _in_scope(scope: Scope | None) -> tuple[Eq, ...]:
    return () if scope is None else (Eq("recordScope", scope.value),)
