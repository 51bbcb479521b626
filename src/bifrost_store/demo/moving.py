"""The whole way of a migration, in small: start, backfill, verify, cut over, write, roll back, verify."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bifrost_store.backends.registry import SOURCE, TARGET
from bifrost_store.core.clock import Clock
from bifrost_store.core.meter import metering
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import ConfigType
from bifrost_store.errors import StoreError
from bifrost_store.migration.outcome import PhaseReport
from bifrost_store.migration.phases import Migration
from bifrost_store.opening.migration import open_migration
from bifrost_store.opening.store import open_store
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store

_DATABASE: Final = "moved"
_KEY: Final = "written_after_the_cut_over"


@dataclass(frozen=True, slots=True)
class Leg:
    """One step of the way.

    Attributes:
        step: What was done, as an operator or a handler.
        answers: Which backend answers after it.
        said: What came of it.
        ok: Whether it is what was wanted.
    """

    step: str
    answers: str
    said: str
    ok: bool


async def move(settings: StoreSettings, folder: Path, clock: Clock) -> list[Leg]:
    """Move the tables that *settings* name to an empty database of Cosmos DB, and back, while a store serves from them."""
    own = settings.model_copy(update={"backend": SOURCE, "cosmos_database": _DATABASE, "lease_seconds": 2.0})
    async with open_migration(own, folder=folder, clock=clock) as migration, open_store(own, clock=clock) as store:
        legs: list[Leg] = []
        for step, do in _steps(migration, store).items():
            said, ok = await do()
            legs.append(Leg(step, await _answering(store), said, ok))
        return legs


def _steps(migration: Migration, store: Store) -> dict[str, Callable[[], Awaitable[tuple[str, bool]]]]:
    def phase(do: Callable[[], Awaitable[PhaseReport]]) -> Callable[[], Awaitable[tuple[str, bool]]]:
        async def work() -> tuple[str, bool]:
            report = await do()
            return "; ".join(report.lines), report.ok

        return work

    async def write() -> tuple[str, bool]:
        await store.config.set(GLOBAL, _KEY, "yes", config_type=ConfigType.STRING, updated_by="ada@msp.example")
        return f"{_KEY} = yes", True

    async def read() -> tuple[str, bool]:
        found = await store.config.get(GLOBAL, _KEY)
        return f"{_KEY} = {None if found is None else found.value}", found is not None and found.value == "yes"

    async def purge() -> tuple[str, bool]:
        try:
            count = await store.executions.purge_expired()
        except StoreError as error:
            return str(error), True
        return f"{count} removed", False

    return {
        "migrate start": phase(migration.start),
        "migrate backfill": phase(migration.backfill),
        "migrate verify": phase(migration.verify),
        "migrate cutover": phase(migration.cutover),
        "a handler writes": write,
        "purge is asked for": purge,
        "migrate rollback": phase(migration.rollback),
        "a handler reads it": read,
        "migrate verify, again": phase(migration.verify),
    }


async def _answering(store: Store) -> str:
    """Return the backend that a read is sent to now."""
    with metering() as meter:
        await store.config.get(GLOBAL, "nothing")
    names = [name for name in (SOURCE, TARGET) if any(what.startswith(name) for what in meter.requests)]
    return ", ".join(names)
