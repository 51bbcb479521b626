"""The blobs of logos: one under a name unique to its write, which the record names, and a copy under today's name.

As with the payloads of executions, a loser of a race never overwrites the winner, and a process that dies between blob and
record leaves the old logo as it was.
"""

from __future__ import annotations

import logging
import re
from typing import Final
from uuid import uuid4

from bifrost_store.blobs.protocol import BRANDING, BlobStore
from bifrost_store.core.events import log_event
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.documents import LogoShape
from bifrost_store.errors import DocumentNotFoundError

_LOG = logging.getLogger("bifrost_store.branding")
_EXTENSION: Final = re.compile(r"[^?#]*\.(png|jpg|svg)(?:[?#].*)?", re.DOTALL)


def new_name(scope: Scope, shape: LogoShape, extension: str) -> str:
    """Return a name that no other write has."""
    return f"{scope.partition_key}/{shape}-logo-{uuid4().hex}.{extension}"


def todays_name(scope: Scope, shape: LogoShape, extension: str) -> str:
    """Return the name under which the old application looks for a logo."""
    return f"{scope.partition_key}/{shape}-logo.{extension}"


def stored_name(record: Record, shape: LogoShape) -> str | None:
    """Return the blob that holds the logo of *record*: the one it names, else what its address says; None without a logo."""
    own = record.body["logos"].get(shape)
    return todays_name_of(record, shape) if own is None else str(own)


def todays_name_of(record: Record, shape: LogoShape) -> str | None:
    """Return the blob that the stored address names, in its own scope whatever host and folder stand in it."""
    match = _EXTENSION.fullmatch(record.body[shape.url_field] or "")
    return None if match is None else todays_name(record.key.scope, shape, match[1])


async def tidy(blobs: BlobStore, before: Record | None, after: Record, shape: LogoShape) -> None:
    """Remove what a change has superseded and copy a new logo to today's name. A failure is logged: the record is committed.

    The superseded blob goes first: a slower writer that still wants to copy it then finds it gone, and leaves the rest alone.
    """
    old = None if before is None else before.body["logos"].get(shape)
    new, todays = after.body["logos"].get(shape), todays_name_of(after, shape)
    if old is not None and old != new:
        await remove(blobs, str(old))
    if new is not None and todays is not None and not await _copy(blobs, str(new), todays):
        return
    old_todays = None if before is None else todays_name_of(before, shape)
    if old_todays is not None and old_todays != todays:
        await remove(blobs, old_todays)


async def _copy(blobs: BlobStore, source: str, target: str) -> bool:
    """Return False if *source* is gone: superseded by a write that tidies up itself."""
    try:
        await blobs.copy(BRANDING, source, target)
    except DocumentNotFoundError:
        return False
    except Exception as error:  # noqa: BLE001 - the record is committed: the call has succeeded
        log_event(_LOG, logging.WARNING, "branding.logo_copy_failed", blob=target, error=type(error).__name__)
    return True


async def remove(blobs: BlobStore, name: str) -> None:
    """Remove a blob that no record names; a failure is logged."""
    try:
        await blobs.delete(BRANDING, name)
    except Exception as error:  # noqa: BLE001 - a blob that stays behind misleads nobody
        log_event(_LOG, logging.WARNING, "branding.logo_delete_failed", blob=name, error=type(error).__name__)
