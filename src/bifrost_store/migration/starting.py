"""Starts a migration: the control documents, then the hand-over to dual writes. "Start" of the hand-over protocol."""

from __future__ import annotations

from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.retention import Retention
from bifrost_store.errors import MigrationRefusedError
from bifrost_store.migration.handover import Coordinator, HandOverReport
from bifrost_store.routing.control import EVERY_SCOPE, Control, Route, Target
from bifrost_store.routing.copies import ControlCopies

_RENEWALS: Final = 3
"""So often must a row be seen changed until its process has surely read what was there when the first change was seen."""


async def start(
    coordinator: Coordinator, *, source: str, target: str, migration_id: str, retention: Retention | None = None
) -> HandOverReport:
    """Make the control documents where they are missing, and let every write go to both stores from here on.

    May be repeated, after a kill at any step and after `abandon`.

    Args:
        source, target: Where the data is, and where it is to go; both provisioned.
        migration_id: What the documents are to be of.
        retention: Is recorded in them for what the old application wrote; what was recorded once stays.

    Raises:
        MigrationRefusedError: The target holds something else, or processes do not come over.
        BackendError: A store does not answer.
    """
    copies = coordinator.copies
    if await copies.read(source) is None:
        await check_empty(coordinator.stores[target], target)
        await _make(copies, target, source, migration_id, retention)
        await _wait_for_processes(coordinator, target)
        await check_empty(coordinator.stores[target], target)
        await _make(copies, source, source, migration_id, retention)
    return await coordinator.hand_over("start", (EVERY_SCOPE,), Target(primary=source, secondary=target))


async def _make(copies: ControlCopies, store: str, source: str, migration_id: str, retention: Retention | None) -> None:
    """Create the copy of *store*: everything in *source* alone."""
    control = Control(migration_id=migration_id, store=store, routes={EVERY_SCOPE: Route(primary=source)}, retention=retention)
    if await copies.create(control):
        return
    found = await copies.read(store)
    if found is None or found.control.migration_id != migration_id:
        raise MigrationRefusedError(
            f"{store} holds the control document of another migration", next_step="name another database, or restore the right one"
        )


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
                await watch.take_away(row, copy.control)
        if not waiting:
            return
        if not told:
            coordinator.tell("start.processes_in_target", {"processes": [row.state.process for row in waiting]})
            told = True
        if coordinator.monotonic() - began > 2 * (coordinator.timing.watch + _RENEWALS * coordinator.timing.renew):
            names = ", ".join(row.state.process for row in waiting)
            raise MigrationRefusedError(
                f"processes serve from {target} and do not come over: {names}", next_step="stop them, then start again"
            )
        await coordinator.sleep(coordinator.timing.poll)


async def check_empty(backend: Backend, name: str) -> None:
    """Refuse a target that holds anything.

    Raises:
        MigrationRefusedError: It does.
    """
    async for page in backend.scan():
        if page.records or page.unreadable:
            first = page.records[0].key.kind if page.records else "something unreadable"
            raise MigrationRefusedError(
                f"{name} holds records already ({first} for one) that no migration of this store has put there",
                next_step="name an empty database by BIFROST_STORE_COSMOS_DATABASE, or remove what nobody needs there",
            )
