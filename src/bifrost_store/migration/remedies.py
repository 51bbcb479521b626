"""What to do about a store that lacks its copy of the control document, or is gone."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from bifrost_store.errors import NextStep
from bifrost_store.migration.state import MigrationState, Phase, Step, forced, repairing
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
) -> tuple[NextStep, ...]:
    """Return what is to be done first about *lacks*, those among *known_lacks* that matter.

    Args:
        bare: Stores in which not even the state of the migration lies: they were emptied.
    """
    lack = next((one for one in lacks if is_foreign(one, state)), lacks[0])
    source, target = state.source, state.target
    if state.phase is Phase.FINISHED and not is_foreign(lack, state):
        return (NextStep(f"restore {target}") if target in bare else NextStep(step=Step.FINISH),)
    if state.phase is Phase.CUT_OVER:
        if lack.store == target or (source in known_lacks and target in known_lacks):
            return (forced(Step.ROLLBACK),)
        return (renamed(source, target) if is_foreign(lack, state) else repairing(),)
    if not is_foreign(lack, state):
        is_emptied = lack.store == source and source in bare and control is not None
        return remedy_of_stranger(source, target, control) if is_emptied else (state.next_step(Step.RUN),)
    if lack.store == target and control is not None and target in control.stores:
        return renamed(source, target), NextStep(f"or give {target} up", Step.ABANDON)
    return (renamed(source, target),)


def renamed(source: str, target: str) -> NextStep:
    """Return what to do where the settings name the wrong store."""
    return NextStep(f"let the settings of {source} and {target} name the accounts and database of one migration")


def remedy_of_stranger(source: str, target: str, control: Control | None) -> tuple[NextStep, ...]:
    """Return what to do where the target has a control document of a migration of which the source knows nothing."""
    named = NextStep(f"let the settings of {target} name the database of this migration, or an empty one")
    restored = NextStep(f"if {source} was emptied: restore {source}")
    if control is None or target not in control.stores:
        return named, restored
    if any(route.primary == target for route in control.routes.values()):
        return named, repairing(f"if {source} was emptied")
    return named, restored, forced(Step.CUTOVER, "if what it held is gone for good")


def way_without(store: str, state: MigrationState, control: Control | None, text: str = "") -> NextStep | None:
    """Return the step that goes on without *store*, where that is gone for good; None where only a restored one helps.

    Args:
        text: When it is the step to take.
    """
    if control is None or control.finished or state.target not in control.stores:
        return None
    if store == state.target:
        return forced(Step.ROLLBACK, text) if state.phase is Phase.CUT_OVER else NextStep(text, Step.ABANDON)
    if any(route.primary == state.source for route in control.routes.values()):
        return forced(Step.CUTOVER, text)
    return forced(Step.FINISH, text)


def remedy_of_absence(store: str, state: MigrationState, control: Control | None) -> tuple[NextStep, ...]:
    """Return what to do about a *store* that does not answer."""
    way = way_without(store, state, control, "if it is gone for good")
    waits = NextStep(f"see that {store} answers")
    return (waits,) if way is None else (waits, way)
