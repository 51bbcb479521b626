"""Gives a store its copy of the control document: at the start, and when it has lost it or another took its place."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import Record
from bifrost_store.core.retention import Retention
from bifrost_store.errors import CorruptDocumentError, InvalidRequestError, MigrationRefusedError, NextStep, NotProvisionedError
from bifrost_store.migration.state import STATUS, MigrationState
from bifrost_store.routing.control import EVERY_SCOPE, Control, Route
from bifrost_store.routing.copies import STATE_KEY, ControlCopies, Copy, Found

_ATTEMPTS: Final = 8


def is_of(found: Found, migration_id: str) -> bool:
    """Return whether a store has the copy of this migration."""
    return isinstance(found, Copy) and found.control.migration_id == migration_id


async def check_room(copies: ControlCopies, store: str, *, beside: str | None, ids: Collection[str], migration_id: str) -> None:
    """Refuse *store* where it cannot be given a copy, or holds what *beside* has not put there.

    Args:
        beside: The store whose records may be there too; None: nothing may be there.
        ids: The ids of this migration, now and before.
        migration_id: The id that the copy gets.

    Raises:
        MigrationRefusedError: It holds something else, or what cannot be read. Nothing was written.
    """
    _check_place(await copies.find(store), store, migration_id)
    backend = copies.stores[store]
    try:
        if await _is_known(backend, ids):
            return
        async for page in backend.scan():
            for error in page.unreadable:
                raise _holds(store, f"what cannot be read: {error}")
            for record in page.records:
                if beside is None or not await _is_from(copies.stores[beside], record):
                    raise _holds(store, f"{record.key.kind} for one")
    except NotProvisionedError:
        return


async def give(copies: ControlCopies, control: Control) -> None:
    """Store *control* in its store, which has no copy to go by; nothing is done where it has this migration's.

    Raises:
        MigrationRefusedError: It has another's, or one that cannot be written over.
    """
    found = await copies.find(control.store)
    if is_of(found, control.migration_id):
        return
    _check_place(found, control.store, control.migration_id)
    assert not isinstance(found, Copy)
    if not await copies.put(control, found.record) and not is_of(await copies.find(control.store), control.migration_id):
        raise MigrationRefusedError(f"the control document of {control.store} has changed meanwhile", next_steps=(STATUS,))


async def agree(copies: ControlCopies, store: str, *, beside: str, migration_id: str) -> None:
    """Let the copy in *store* be of *migration_id*, and count what lies in *beside* again.

    Raises:
        MigrationRefusedError: It changes all the time.
    """
    for _ in range(_ATTEMPTS):
        found = await copies.find(store)
        if not isinstance(found, Copy):
            break
        disowned = tuple(name for name in found.control.disowned if name != beside)
        wanted = found.control.model_copy(update={"migration_id": migration_id, "disowned": disowned})
        if wanted == found.control or await copies.change(found, wanted):
            return
    raise MigrationRefusedError(f"the control document of {store} keeps changing", next_steps=(STATUS,))


def alone(store: str, *, source: str, migration_id: str, epoch: int, retention: Retention | None) -> Control:
    """Return the first copy of *store*: everything in *source* alone."""
    routes = {EVERY_SCOPE: Route(primary=source, epoch=epoch)}
    return Control(migration_id=migration_id, store=store, routes=routes, retention=retention)


def copied(control: Control, store: str, *, migration_id: str, later: int = 0) -> Control:
    """Return the copy of *store* that says what *control* says, so many epochs *later*."""
    epoch = control.highest_epoch + later
    routes = {key: route.model_copy(update={"epoch": epoch}) if later else route for key, route in control.routes.items()}
    gone = {"move": None, "disowned": tuple(name for name in control.disowned if name != store)}
    return control.model_copy(update={"store": store, "migration_id": migration_id, "routes": routes, **gone})


def _check_place(found: Found, store: str, migration_id: str) -> None:
    """Refuse a store where a copy cannot be put."""
    if is_of(found, migration_id):
        return
    if isinstance(found, Copy):
        raise _taken(store, f"has the control document of another migration, {found.control.migration_id}")
    if found.what == "foreign":
        raise _taken(store, found.reason)
    if found.what == "damaged" and found.record is None:
        raise MigrationRefusedError(str(found), next_steps=(NextStep("delete that document, then give the command again"),))


def _taken(store: str, why: str) -> MigrationRefusedError:
    return MigrationRefusedError(
        f"{store} {why}", next_steps=(NextStep(f"name another database or account for {store}, or restore the right one"),)
    )


async def _is_known(backend: Backend, ids: Collection[str]) -> bool:
    """Return whether the state that lies in a store says that it is this migration's: only its control document was lost."""
    try:
        record = await backend.get(STATE_KEY)
        return record is not None and MigrationState.parse(record.body).migration_id in ids
    except CorruptDocumentError:
        return False


async def _is_from(backend: Backend, record: Record) -> bool:
    """Return whether *record* is one that *backend* has, in this state or a later one."""
    try:
        stored = await backend.stored(record.key)
    except (CorruptDocumentError, InvalidRequestError):
        return False
    return stored is not None and (stored.version == record.version or stored.version.age > record.version.age)


def _holds(store: str, what: str) -> MigrationRefusedError:
    return MigrationRefusedError(
        f"{store} holds records already ({what}) that no migration of this store has put there",
        next_steps=(NextStep(f"name an empty database or account for {store}, or remove what nobody needs there"),),
    )
