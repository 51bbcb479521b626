"""Makes the other store primary while the primary is dead. "The old primary is dead" of the hand-over protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio

from bifrost_store.errors import BackendError, MigrationRefusedError, NextStep, StoreError
from bifrost_store.migration.outcome import Tell, tell_nobody
from bifrost_store.migration.pairing import give
from bifrost_store.migration.state import STATUS
from bifrost_store.routing.control import Control, Route, folded
from bifrost_store.routing.copies import ControlCopies, Copy
from bifrost_store.routing.membership.lease_rows import LeaseRows
from bifrost_store.routing.timing import Timing

TAKEOVER_EPOCHS: Final = 2
"""The dead store's copy may have one commit that the other lacks, never two."""


@dataclass(frozen=True, slots=True)
class TakeoverReport:
    """What a takeover did.

    Attributes:
        keys: The route keys that were given to the other store; none if it had them already.
        epoch: The epoch of their routes now.
        dead: The store that they were taken from.
        is_given_up: Whatever lies there counts for nothing from here on; else it is waited for.
    """

    keys: tuple[str, ...]
    epoch: int
    dead: str
    is_given_up: bool

    @property
    def told(self) -> str:
        """What it means, for people."""
        if self.is_given_up:
            return f"{self.dead} is given up: nothing is sent there, and what it misses is journaled, until `run` takes it up again"
        return f"no process may reach {self.dead} before this library has raised its control document: the first that opens it does"


async def take_over(
    copies: ControlCopies,
    *,
    dead: str,
    successor: str,
    gives_up: bool = False,
    lost: Control | None = None,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    timing: Timing | None = None,
    tell: Tell = tell_nobody,
) -> TakeoverReport:
    """Let *successor* answer for all that *dead* answered for. Whoever calls it asserts that no process reaches *dead* any more.

    Dead is also a store that answers and has no copy to go by, or takes no writes from anybody.

    Args:
        gives_up: Such a store is given up: whatever lies there then, nothing is sent to it until `start` takes it up again.
        lost: The successor's copy where it has lost its own; None: then there is no migration.

    Raises:
        MigrationRefusedError: *dead* answers after all, the successor knows of no migration, or its document changed meanwhile.
        BackendError: The successor does not answer.
    """
    copy = await _copy_of(copies, successor, lost)
    control = copy.control
    is_lacking = await _check_dead(copies, dead, control)
    keys = tuple(key for key, route in control.routes.items() if route.primary == dead)
    lone = [key for key in keys if control.routes[key].secondary != successor]
    if lone:
        raise MigrationRefusedError(
            f"{successor} does not receive the writes of {', '.join(lone)}: it does not hold what {dead} held",
            next_steps=(NextStep(f"restore {dead}"),),
        )
    # A copy that makes its own store primary already keeps its epoch: processes serve under it.
    if keys:
        wait = (timing or Timing()).watch
        tell("takeover.waiting_for_leases", {"seconds": wait, "dead": dead})
        before = await _beats(copies, dead)
        # Nobody can renew there, so that no lease is left afterwards under which anybody answers.
        await sleep(wait)
        is_lacking = await _check_dead(copies, dead, control)
        if not is_lacking and (writers := sorted((await _beats(copies, dead)).items() - before.items())):
            names = ", ".join(process for (_, process), _ in writers)
            raise MigrationRefusedError(
                f"{dead} takes no writes from this command, but from processes: {names}",
                next_steps=(NextStep("give this command the credentials of the processes, or stop them"),),
            )
    epoch = control.highest_epoch + (TAKEOVER_EPOCHS if keys else 0)
    routes = {**control.routes, **{key: Route(primary=successor, secondary=dead, epoch=epoch) for key in keys}}
    given_up = tuple(sorted({*control.disowned, *([dead] if gives_up and is_lacking else [])}))
    wanted = control.model_copy(update={"routes": folded(routes), "move": None if keys else control.move, "disowned": given_up})
    if wanted != control and not await copies.change(copy, wanted):
        raise MigrationRefusedError(f"the control document of {successor} has changed meanwhile", next_steps=(STATUS,))
    tell("takeover.committed", {"epoch": epoch})
    return TakeoverReport(keys, epoch, dead, dead in given_up)


async def _copy_of(copies: ControlCopies, successor: str, lost: Control | None) -> Copy:
    """Return the successor's copy; one that it has lost is put back first."""
    if lost is not None and not isinstance(await copies.find(successor), Copy):
        await give(copies, lost)
    copy = await copies.read(successor)
    if copy is None:
        why = f"{successor} has no control document: there is no migration"
        raise MigrationRefusedError(why, next_steps=(NextStep("restore the settings"),))
    return copy


async def _check_dead(copies: ControlCopies, store: str, control: Control) -> bool:
    """Return whether a store answers, and has no copy to go by; else it does not answer, or takes no writes.

    Raises:
        MigrationRefusedError: It answers after all.
    """
    found = await copies.answer(store)
    if isinstance(found, BackendError):
        return False
    if store in control.disowned or not isinstance(found, Copy) or found.control.migration_id != control.migration_id:
        return True
    if await refuses_writes(copies, found) is not None:
        return False
    raise MigrationRefusedError(f"{store} answers after all", next_steps=(NextStep("give the same command without force"),))


async def refuses_writes(copies: ControlCopies, copy: Copy) -> BackendError | None:
    """Return why the store of *copy* takes no writes; None where it took one that changes nothing."""
    try:
        await copies.change(copy, copy.control)
    except BackendError as error:
        return error
    return None


async def _beats(copies: ControlCopies, store: str) -> dict[tuple[str, str], int]:
    """Return how often each process has written its lease in *store*; none where that cannot be read."""
    try:
        return {(row.id, row.state.process): row.state.beat async for row in LeaseRows(copies.stores[store]).all()}
    except StoreError:
        return {}
