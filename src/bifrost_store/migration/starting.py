"""Starts a migration: the control documents, then the hand-over to dual writes. "Start" of the hand-over protocol."""

from __future__ import annotations

from typing import Final

from bifrost_store.core.retention import Retention
from bifrost_store.errors import MigrationRefusedError, NextStep
from bifrost_store.migration.handover import Coordinator, HandOverReport
from bifrost_store.migration.pairing import agree, alone, check_room, copied, give, is_of
from bifrost_store.migration.takeover import TAKEOVER_EPOCHS
from bifrost_store.routing.control import EVERY_SCOPE, Target
from bifrost_store.routing.copies import ControlCopies, Copy

_RENEWALS: Final = 3
"""So often must a row be seen changed until its process has surely read what was there when the first change was seen."""


async def start(
    coordinator: Coordinator,
    *,
    source: str,
    target: str,
    migration_id: str,
    epoch: int = 0,
    retention: Retention | None = None,
) -> HandOverReport:
    """Make the control documents where they are missing, and let every write go to both stores from here on.

    Each store's own copy decides what it lacks. May be repeated: after a kill at any step, after `abandon`, and when the target
    was emptied or another took its place.

    Args:
        source, target: The stores in which the data is, and to which it goes; both provisioned.
        migration_id: What the documents are to be of.
        epoch: A number above all epochs that records were written under, where no document tells it any more.
        retention: The retention to be recorded for what the old application wrote; one that was recorded stays.

    Raises:
        MigrationRefusedError: The target holds something else, or processes do not come over.
        BackendError: A store does not answer.
    """
    copies = coordinator.copies
    found = await copies.find(source)
    if not is_of(await copies.find(target), migration_id):
        await check_target(copies, source=source, target=target, migration_id=migration_id, epoch=epoch)
        first = alone(target, source=source, migration_id=migration_id, epoch=epoch, retention=retention)
        await give(copies, copied(found.control, target, migration_id=migration_id) if isinstance(found, Copy) else first)
        await _wait_for_processes(coordinator, target)
        await check_target(copies, source=source, target=target, migration_id=migration_id, epoch=epoch)
    if not isinstance(found, Copy):
        other = await copies.read(target)
        if other is None:
            raise MigrationRefusedError(
                f"the control document of {target} is gone again", next_steps=(NextStep("see who empties it"),)
            )
        later = TAKEOVER_EPOCHS if other.control.highest_epoch > epoch else 0
        await give(copies, copied(other.control, source, migration_id=migration_id, later=later))
    await agree(copies, source, beside=target, migration_id=migration_id)
    return await coordinator.hand_over("start", (EVERY_SCOPE,), Target(primary=source, secondary=target))


async def check_target(copies: ControlCopies, *, source: str, target: str, migration_id: str, epoch: int = 0) -> None:
    """Refuse a target that holds what this migration has not put there.

    Raises:
        MigrationRefusedError: It does; nothing was written.
    """
    found = await copies.find(source)
    before = found.control.migration_id if isinstance(found, Copy) else migration_id
    beside = source if isinstance(found, Copy) or epoch else None
    await check_room(copies, target, beside=beside, ids={migration_id, before}, migration_id=migration_id)


async def _wait_for_processes(coordinator: Coordinator, target: str) -> None:
    """Wait until every process that served from *target* has read its copy: by its flag it may have."""
    watch = coordinator.watch(target)
    began, told = coordinator.monotonic(), False
    while True:
        copy = await coordinator.copies.read(target)
        assert copy is not None
        rows = await watch.look(copy.control)
        waiting = [row for row in rows if row.state.flag in (None, target) and watch.changes(row) < _RENEWALS]
        for row in waiting:
            if watch.is_silent(row):
                await watch.revoke(row, copy.control)
        if not waiting:
            return
        if not told:
            coordinator.tell("start.processes_in_target", {"processes": [row.state.process for row in waiting]})
            told = True
        if coordinator.monotonic() - began > 2 * (coordinator.timing.watch + _RENEWALS * coordinator.timing.renew):
            names = ", ".join(row.state.process for row in waiting)
            raise MigrationRefusedError(
                f"processes serve from {target} and do not come over: {names}",
                next_steps=(NextStep("stop them, then start again"),),
            )
        await coordinator.sleep(coordinator.timing.poll)
