"""The examination: everything that can be looked at, one after the other, whatever of it fails."""

from __future__ import annotations

from collections.abc import Sequence

from bifrost_store.backends.protocol import Backend, Difference
from bifrost_store.backends.registry import LEASED, SOURCE, TARGET, configured_backends, place_of
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.doctor.access import check_access, check_blobs, check_reach, in_time, remedy_of
from bifrost_store.doctor.findings import Finding, State, is_well
from bifrost_store.doctor.processes import check_feeds, check_processes
from bifrost_store.doctor.versions import check_versions, extras_of
from bifrost_store.errors import NextStep, NotProvisionedError, StoreError
from bifrost_store.migration.state import MigrationState, Phase
from bifrost_store.opening.migration import open_migration
from bifrost_store.opening.store import open_store
from bifrost_store.routing.copies import STATE_KEY
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store

_ENDED = (Phase.NONE, Phase.ABANDONED, Phase.FINISHED)


async def examine(settings: StoreSettings, *, clock: Clock = utc_now) -> list[Finding]:
    """Look at every store that *settings* name; never raises for what a store says.

    Writes one record and one blob of its own into each, and removes both.
    """
    names = configured_backends(settings) or [settings.backend]
    findings = [Finding("settings", place_of(settings, name), State.OK, _role(settings, name)) for name in names]
    findings += check_versions(extras_of(settings, names))
    async with open_store(settings, clock=clock) as store:
        for name in names:
            findings += await _store(store, name, settings, clock)
    if set(names) & LEASED:
        findings += await _migration(settings, names, clock)
    return findings


def _role(settings: StoreSettings, name: str) -> str:
    return "answers, unless a flag or a migration says otherwise" if name == settings.backend else "named by the settings too"


async def _store(store: Store, name: str, settings: StoreSettings, clock: Clock) -> list[Finding]:
    try:
        backend: Backend = store.backend.backend(name)
    except StoreError as error:
        return [Finding("reach", name, State.WRONG, str(error), "install what is missing, or correct the settings")]
    findings = await check_reach(backend, clock)
    if is_well(findings):
        findings += [*await _layout(backend), await check_access(backend, clock)]
        findings += await check_processes(backend, clock(), settings.lease_seconds)
        findings += await check_feeds(backend)
    try:
        findings.append(await check_blobs(store.backend.blobs(name), name))
    except StoreError as error:
        findings.append(Finding("payloads", name, State.WRONG, str(error), "name a place for payloads in the settings"))
    return findings


async def _layout(backend: Backend) -> list[Finding]:
    """Return how containers and account differ from what is needed, the consistency among it."""
    layout = backend.layout
    if layout is None:
        return [Finding("layout", backend.name, State.OK, "nothing is missing")]
    try:
        differences = await in_time(layout.differences)
    except StoreError as error:
        return [Finding("layout", backend.name, State.WRONG, str(error), remedy_of(error, backend.name))]
    found = [Finding("layout", backend.name, _state_of(one), str(one), one.remedy) for one in differences]
    return found or [Finding("layout", backend.name, State.OK, "containers, indexes and consistency are as they should be")]


def _state_of(difference: Difference) -> State:
    return State.WARNING if difference.is_warning else State.WRONG


async def _migration(settings: StoreSettings, names: Sequence[str], clock: Clock) -> list[Finding]:
    """Return where a migration stands: of both stores, or of what one of them knows of it."""
    if {SOURCE, TARGET} <= set(names):
        try:
            async with open_migration(settings, clock=clock) as migration:
                found = await migration.status()
        except StoreError as error:
            return [Finding("migration", f"{SOURCE} and {TARGET}", State.WRONG, str(error), "bifrost-store migrate status")]
        if found.state is None and found.ok:
            return [Finding("migration", f"{SOURCE} to {TARGET}", State.OK, "none was started")]
        place = f"{SOURCE} to {TARGET}"
        if found.ok:
            return [Finding("migration", place, State.OK, f"phase {found.phase}; next: {_told(found.next_steps)}")]
        problems = "; ".join(f"{name}: {store.problem}" for name, store in found.stores.items() if store.problem is not None)
        return [Finding("migration", place, State.WRONG, f"phase {found.phase}; {problems}", "bifrost-store migrate status")]
    return await _alone(settings, names, clock)


async def _alone(settings: StoreSettings, names: Sequence[str], clock: Clock) -> list[Finding]:
    """Return what the only store of a migration that the settings name knows of it."""
    (name,) = set(names) & LEASED
    async with open_store(settings, clock=clock) as store:
        try:
            record = await in_time(lambda: store.backend.backend(name).get(STATE_KEY))
            state = None if record is None else MigrationState.parse(record.body)
        except NotProvisionedError:
            state = None
        except StoreError as error:
            return [Finding("migration", name, State.WRONG, str(error), remedy_of(error, name))]
    if state is None or state.phase in _ENDED:
        return [Finding("migration", name, State.OK, "none is under way" if state is None else f"phase {state.phase}")]
    told = f"phase {state.phase}, from {state.source} to {state.target}, and the settings name {name} alone"
    return [Finding("migration", name, State.WRONG, told, "give every process the settings of both stores")]


def _told(steps: Sequence[NextStep]) -> str:
    return "; ".join(f"{step.text}: {step.step}" if step.text and step.step else str(step.step or step.text) for step in steps)
