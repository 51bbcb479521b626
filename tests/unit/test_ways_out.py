"""For every phase, each store, and whatever happens to it for good: the commands name a way on, until the platform serves again."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any, Final

import pytest

from bifrost_store.core.clock import utc_now
from bifrost_store.core.commands import spelled
from bifrost_store.errors import BackendError, MigrationRefusedError, NotProvisionedError, StoreError
from bifrost_store.migration.backfill import Backfill
from bifrost_store.migration.handover import Coordinator
from bifrost_store.testing.model import ModelBackend
from tests.unit.member_world import World, in_world
from tests.unit.ruined import FAULTS, Fault, RuinedStore, command_in, ruin
from tests.unit.test_dead_ends import PATHS, Platform

PHASES: Final[dict[str, tuple[str, ...]]] = {
    **PATHS,
    "starting": ("start, interrupted",),
    "backfilling": ("start", "backfill, interrupted"),
    "finished": ("run", "cutover", "finish --force"),
}
MOST_COMMANDS: Final = 8
FOR_GOOD: Final = ("gone", "denied", "takes no writes")
EMPTIED: Final = ("dropped", "emptied")
DUAL: Final = ("started", "backfilling", "backfilled", "verified", "rolled back")
DOCUMENTED: Final = {"table": "bifrost-store migrate cutover --force", "cosmos": "bifrost-store migrate rollback --force"}
"""Of the runbook, for a store that answers for the platform and takes no writes: reading shows nothing of it."""


class _InterruptedError(BackendError):
    """The command was ended here."""


async def interrupt(*arguments: object, **options: object) -> Any:
    raise _InterruptedError("interrupted")


async def reach(platform: Platform, phase: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bring the migration to *phase*."""
    for step in PHASES[phase]:
        command, _, how = step.partition(", ")
        with monkeypatch.context() as patch:
            if how:
                owner, name = (Coordinator, "hand_over") if command == "start" else (Backfill, "run")
                patch.setattr(owner, name, interrupt)
            try:
                await platform.give(command)
            except _InterruptedError:
                assert how


class Rescue:
    """An operator who has a platform with a ruined store, the commands, and what they say."""

    def __init__(self, platform: Platform, phase: str, store: str, fault: Fault) -> None:
        self.platform = platform
        self.phase = phase
        self.store = store
        self.fault = fault
        self.done: list[str] = []
        self.healthy = platform.world.stores[store]

    async def serves(self) -> bool:
        """Return whether a fresh process with the settings of now reads all that it must, and writes."""
        for flag in ("table",) if self.phase == "none" else ("table", "cosmos"):
            try:
                await asyncio.wait_for(self.platform.serve(flag), 300)
            except StoreError:
                continue
            return True
        return False

    async def find_the_way(self) -> None:
        """Do what is named, until the platform serves and nothing is named as wrong."""
        while True:
            status = await self.platform.operator().status()
            is_named = not status.ok and not (self.phase == "none" and self.store == "cosmos")
            serves = False if is_named else await self.serves()
            if serves:
                return
            assert len(self.done) < MOST_COMMANDS, self.done
            told = spelled(status.next_steps)
            if self.fault == "takes no writes" and not serves:
                told = f"restore {self.store}" if self.only_restoring_helps else DOCUMENTED[self.store]
            await self.follow(told)

    async def follow(self, told: str, *, is_last: bool = False) -> None:
        """Do what *told* names."""
        self.done.append(told)
        command = command_in(told, for_good=self.fault in (*FOR_GOOD, *EMPTIED))
        if command is not None:
            further = await self.give(command)
            if further is not None and not is_last:
                await self.follow(further, is_last=True)
            return
        ruined = self.platform.world.stores[self.store]
        is_restored = told.startswith(f"see that {self.store} answers") or f"restore {self.store}" in told
        if isinstance(ruined, RuinedStore) and ruined.unreadable is not None and "delete" in told.lower():
            ruined.delete_row()
        elif self.only_restoring_helps and (is_restored or self.fault == "foreign"):
            self.platform.world.stores[self.store] = self.healthy
        elif "let the settings of" in told or f"account for {self.store}" in told:
            is_there = self.store == "table" and self.fault == "foreign"
            self.platform.world.stores[self.store] = self.healthy if is_there else ModelBackend(clock=utc_now)
        else:
            pytest.fail(f"nothing leads on from {self.done}")

    async def give(self, command: str) -> str | None:
        """Give a command; return what it says comes next if it fails."""
        try:
            report = await self.platform.give(command)
        except MigrationRefusedError as error:
            assert error.next_steps, self.done
            self.done[-1] += f" -> {spelled(error.next_steps)}"
            return spelled(error.next_steps)
        except NotProvisionedError as error:
            self.done[-1] += f" -> {error!r}"
            await self.platform.world.stores[self.store].provision()  # `init`
            return command
        except StoreError as error:
            self.done[-1] += f" -> {error!r}"
            return None
        return None if report.ok else spelled(report.next_steps)

    @property
    def only_restoring_helps(self) -> bool:
        """Whether everything is in the ruined store alone: no command brings it back."""
        return self.phase in {"table": ("none", "starting", "abandoned"), "cosmos": ("finished",)}[self.store]

    @property
    def may_lose(self) -> bool:
        """Whether what the ruined store alone held is lost; before a migration nothing shows that it held anything."""
        is_lost = self.fault in (*FOR_GOOD, *EMPTIED) and self.phase in ("started", "backfilling")
        is_unknown = self.fault in (*EMPTIED, "foreign") and self.phase == "none"
        return self.store == "table" and (is_lost or is_unknown)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(("store", "fault"), [*itertools.product(("table", "cosmos"), FAULTS)])
def test_something_leads_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, phase: str, store: str, fault: Fault) -> None:
    """Whatever happens to which store in which phase: what is named next leads to a platform that serves, in a few commands."""

    async def work(world: World) -> None:
        defaults: Any = Coordinator.__init__.__kwdefaults__
        monkeypatch.setitem(defaults, "monotonic", world.loop.time)
        platform = Platform(world, tmp_path)
        await platform.begin()
        await reach(platform, phase, monkeypatch)
        await platform.serve()
        rescue = Rescue(platform, phase, store, fault)
        world.stores[store] = await ruin(fault, world.stores[store], store)  # type: ignore[assignment]
        if rescue.may_lose:
            platform.names.clear()
        await rescue.find_the_way()

    in_world(work)
