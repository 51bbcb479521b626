"""Lets a second store have what the first one stored, or something later: where several tell it at once, in whatever order."""

from __future__ import annotations

from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import Record
from bifrost_store.errors import DocumentExistsError, PreconditionFailedError
from bifrost_store.mirroring.reconcile import Reconciled, reconcile

_ATTEMPTS: Final = 8


async def converge(primary: Backend, secondary: Backend, record: Record) -> bool:
    """Return whether *secondary* holds *record*, which *primary* stored, or what a later write of the same route left there.

    That write's own process has told it, so nothing is pending of this one. What else is in the way is made equal to what the
    primary holds by now.

    Raises:
        StaleRouteError: A store is of a later route.
        StoreError: A store does not answer, or does not take the record.
    """
    for _ in range(_ATTEMPTS):
        try:
            if await secondary.apply(record) or await _is_passed(record, primary, secondary):
                return True
            if await reconcile(primary, secondary, record.key, epoch=record.version.epoch) is not Reconciled.LEFT:
                return True
        except (PreconditionFailedError, DocumentExistsError):
            continue  # others write it at this moment
    return False


async def _is_passed(record: Record, primary: Backend, secondary: Backend) -> bool:
    """Return whether *secondary* holds *record*, or what the primary made of it later: nobody else writes under a route's epoch."""
    found = await secondary.stored(record.key)
    # Under epoch 0 processes may write that know of no second store, and tell nobody.
    if found is None or found.version.epoch != record.version.epoch or found.version.epoch == 0:
        return False
    if found.version.revision == record.version.revision:
        return found.version == record.version and found.digest == record.digest
    # The old application wrote it last, which tells nobody either.
    is_foreign = not found.is_tombstone and found.version.write_id == found.digest
    if found.version.revision < record.version.revision or is_foreign:
        return False
    # What the primary holds still was not passed by anything: it was stored over a later state, which `Apply.over` allows.
    now = await primary.stored(record.key)
    return now is None or now.version != record.version
