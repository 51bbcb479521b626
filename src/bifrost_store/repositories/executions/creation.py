"""Which run stands under an execution id: one that was deleted may be followed by another."""

from __future__ import annotations

import secrets

from bifrost_store.core.record import Record


def new_creation_id() -> str:
    """Return a name for the creation of a run, never used before: 32 hex digits."""
    return secrets.token_hex(16)


def creation_of(record: Record) -> str:
    """Return what names the creation of a run; of one that the old application made, its start time as it is stored."""
    return str(record.body["creationId"] or record.body["startedAt"])
