"""Moving a user to another e-mail: a new record, new memberships, an end to the old ones, an end to the old record."""

from __future__ import annotations

import logging

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.events import log_event
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.errors import DocumentExistsError, DocumentNotFoundError, PreconditionFailedError
from bifrost_store.repositories.changes import LostRaceError, read, until_won
from bifrost_store.repositories.memberships import MembershipRecords

_LOG = logging.getLogger("bifrost_store.users")
_SIGN_IN_FIELDS = ("lastLogin", "lastEntraIdSync")
"""May change on either record while both exist, and do not make it someone else's."""


async def rename_user(backend: Backend, memberships: MembershipRecords, old: Key, new: Key) -> Record:
    """Move the user at *old* to *new* and return the new record; continues where a crash left off.

    Raises:
        DocumentNotFoundError: There is no user at *old*.
        DocumentExistsError: The user at *new* is not the one at *old*, moved.
    """
    copied: Record | None = None

    async def attempt() -> Record:
        nonlocal copied
        try:
            stored = await read(backend, old)
        except DocumentNotFoundError:
            if copied is None:
                raise
            return await read(backend, new)
        copied = await _copied(backend, stored, new, copied)
        await memberships.move(old.id, new.id)
        try:
            await backend.delete(old, expected=stored.etag)
        except PreconditionFailedError as error:
            raise LostRaceError(error) from error
        return copied

    return await until_won(attempt)


async def _copied(backend: Backend, stored: Record, key: Key, previous: Record | None) -> Record:
    """Return the record at *key* that says what *stored* says; *previous* is what this call wrote there before."""
    wanted = Record(key, {**stored.body, "email": key.id}, expires_at=stored.expires_at, extra=stored.extra)
    try:
        return await backend.create(wanted)
    except DocumentExistsError as error:
        present = await backend.get(key)
        if present is None:
            raise LostRaceError(error) from error
        if _identity(present) == _identity(wanted):
            log_event(_LOG, logging.INFO, "users.rename_resumed", email=stored.key.id, new_email=key.id)
            wanted = wanted.with_body({**wanted.body, **_latest_sign_ins(present, wanted)})
        elif previous is None or not present.version.is_same_state(previous.version):
            raise
        if present.body == wanted.body:
            return present
        try:
            return await backend.replace(present.with_body(wanted.body), present.etag)
        except PreconditionFailedError as lost:
            raise LostRaceError(lost) from lost


def _identity(record: Record) -> Body:
    return {name: value for name, value in record.body.items() if name not in _SIGN_IN_FIELDS}


def _latest_sign_ins(one: Record, other: Record) -> Body:
    return {name: max(one.body[name] or "", other.body[name] or "") or None for name in _SIGN_IN_FIELDS}
