"""What to do about a store that lacks its copy of the control document, or is gone: a command, or a sentence."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bifrost_store.migration.state import MigrationState, Phase, Step, command_of
from bifrost_store.routing.control import Control
from bifrost_store.routing.copies import Lack


def is_foreign(lack: Lack, state: MigrationState) -> bool:
    """Return whether a store is another migration's, so that nothing may be put there."""
    is_unknown = lack.migration_id is None
    if lack.what == "disowned":
        return not is_unknown and lack.migration_id not in (state.migration_id, state.replaces)
    return lack.what == "foreign" and (is_unknown or lack.migration_id not in (state.migration_id, state.replaces))


def remedy_of_lack(
    state: MigrationState,
    control: Control | None,
    lacks: Sequence[Lack],
    known_lacks: Mapping[str, Lack],
    *,
    bare: Collection[str],
) -> str:
    """Return what is to be done first about *lacks*, those among *known_lacks* that matter.

    Args:
        bare: Stores in which not even the state of the migration lies: they were emptied.
    """
    lack = next((one for one in lacks if is_foreign(one, state)), lacks[0])
    source, target = state.source, state.target
    if state.phase is Phase.FINISHED and not is_foreign(lack, state):
        return f"restore {target}" if target in bare else command_of(Step.FINISH)
    if state.phase is Phase.CUT_OVER:
        if lack.store == target or (source in known_lacks and target in known_lacks):
            return command_of(Step.ROLLBACK, "--force")
        return renamed(source, target) if is_foreign(lack, state) else command_of(Step.VERIFY, "--repair")
    if not is_foreign(lack, state):
        is_emptied = lack.store == source and source in bare and control is not None
        return remedy_of_stranger(source, target, control) if is_emptied else state.command(Step.RUN)
    if lack.store == target and control is not None and target in control.stores:
        return f"{renamed(source, target)}; or give {target} up: {command_of(Step.ABANDON)}"
    return renamed(source, target)


def renamed(source: str, target: str) -> str:
    """Return that the settings name the wrong store."""
    return f"let the settings of {source} and {target} name the accounts and database of one migration"


def remedy_of_stranger(source: str, target: str, control: Control | None) -> str:
    """Return what to do where the target has a control document of a migration of which the source knows nothing."""
    named = f"let the settings of {target} name the database of this migration, or an empty one"
    if control is None or target not in control.stores:
        return f"{named}; if {source} was emptied: restore {source}"
    if any(route.primary == target for route in control.routes.values()):
        return f"{named}; if {source} was emptied: {command_of(Step.VERIFY, '--repair')}"
    forced = command_of(Step.CUTOVER, "--force")
    return f"{named}; if {source} was emptied: restore {source}; if what it held is gone for good: {forced}"


def way_without(store: str, state: MigrationState, control: Control | None) -> str | None:
    """Return the command that goes on without *store*, where that is gone for good; None where only a restored one helps."""
    if control is None or control.finished or state.target not in control.stores:
        return None
    if store == state.target:
        return command_of(Step.ROLLBACK, "--force") if state.phase is Phase.CUT_OVER else command_of(Step.ABANDON)
    if any(route.primary == state.source for route in control.routes.values()):
        return command_of(Step.CUTOVER, "--force")
    return command_of(Step.FINISH, "--force")


def remedy_of_absence(store: str, state: MigrationState, control: Control | None) -> str:
    """Return what to do about a *store* that does not answer."""
    way = way_without(store, state, control)
    waits = f"see that {store} answers"
    return waits if way is None else f"{waits}; if it is gone for good: {way}"
