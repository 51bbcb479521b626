"""Makes one record of a store equal to that of another, whatever its revision there."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.record import Key, Record
from bifrost_store.core.version import stale_route
from bifrost_store.errors import CorruptDocumentError

_ATTEMPTS: Final = 3


class Reconciled(StrEnum):
    """What `reconcile` did."""

    SAME = "same"
    """Nothing: there was no difference."""
    APPLIED = "applied"
    """The secondary had an older state, or none."""
    OVERWRITTEN = "overwritten"
    """The secondary had a state that no older write of the primary's explains."""
    LEFT = "left"
    """The record keeps changing; try again."""


async def reconcile(primary: Backend, secondary: Backend, key: Key, *, epoch: int = 0, clock: Clock = utc_now) -> Reconciled:
    """Make the record at *key* in *secondary* what it is in *primary*. Safe beside live writers, and at several places at once.

    Where `apply` leaves a difference, the secondary is read, then the primary, and exactly the state read is written over: a
    write that comes between wins, as it changes that state or is newer.

    Args:
        primary, secondary: As the route has them.
        key: Of the record.
        epoch: Of the route; 0 where there is none, for stores that nobody else writes to.
        clock: Decides what has expired.

    Raises:
        StaleRouteError: Either side is of a later epoch: the route is out of date, and nothing was written.
    """
    wanted = await primary.stored(key)
    _check_route(epoch, wanted)
    if wanted is not None and await secondary.apply(wanted):
        return Reconciled.APPLIED
    for _ in range(_ATTEMPTS):
        # J2: the secondary first, so that whatever is written there after this look is not written over.
        found = await _found(secondary, key)
        wanted = await primary.stored(key)
        _check_route(epoch, wanted, found)
        if is_same(wanted, found, clock=clock):
            return Reconciled.SAME
        if found is None:
            assert wanted is not None
            if await secondary.apply(wanted):
                return Reconciled.APPLIED
            continue
        # What the primary does not know at all, not even as deleted, is deleted here.
        target = wanted if wanted is not None else found.tombstone(found.version.next(epoch))
        if await secondary.apply(target, over=found.native_etag):
            return Reconciled.OVERWRITTEN
    return Reconciled.LEFT


async def _found(secondary: Backend, key: Key) -> Record | None:
    """Return what the secondary holds; what cannot be read there is a state to be written over like any other."""
    try:
        return await secondary.stored(key)
    except CorruptDocumentError as error:
        if not isinstance(error.partial, Record):
            raise
        return error.partial


def _check_route(epoch: int, *records: Record | None) -> None:
    # J3: under a route of before a hand-over the two stores have changed places.
    for record in records:
        if record is not None and 0 < epoch < record.version.epoch:
            raise stale_route(record.version.epoch, epoch)


def is_same(wanted: Record | None, found: Record | None, *, clock: Clock) -> bool:
    """Return whether two stores hold the same: one version and content, or nothing that any reader could see."""
    if wanted is None or found is None:
        return all(record is None or not record.is_present(clock()) for record in (wanted, found))
    same_state = wanted.version == found.version and wanted.is_tombstone == found.is_tombstone
    return same_state and wanted.sort_key == found.sort_key and wanted.digest == found.digest
