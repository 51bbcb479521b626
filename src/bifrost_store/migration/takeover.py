"""Makes the other store primary while the primary is dead. "The old primary is dead" of the hand-over protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio

from bifrost_store.errors import BackendError, MigrationRefusedError
from bifrost_store.migration.outcome import Tell, tell_nobody
from bifrost_store.migration.pairing import give, is_of
from bifrost_store.routing.control import Control, Route, folded
from bifrost_store.routing.copies import ControlCopies, Copy
from bifrost_store.routing.timing import Timing

TAKEOVER_EPOCHS: Final = 2
"""The dead store's copy may have one commit that the other lacks, never two."""


@dataclass(frozen=True, slots=True)
class TakeoverReport:
    """What a takeover did.

    Attributes:
        keys: The route keys that were given to the other store; none if it had them already.
        epoch: Of their routes now.
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
    heir: str,
    gives_up: bool = False,
    lost: Control | None = None,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    timing: Timing | None = None,
    tell: Tell = tell_nobody,
) -> TakeoverReport:
    """Let *heir* answer for all that *dead* answered for. Whoever calls it asserts that no process reaches *dead* any more.

    Dead is also a store that answers and has no copy to go by.

    Args:
        gives_up: Such a store is given up: whatever lies there then, nothing is sent to it until `start` takes it up again.
        lost: The heir's copy where it has lost its own; None: then there is no migration.

    Raises:
        MigrationRefusedError: *dead* answers after all, the heir knows of no migration, or its document changed meanwhile.
        BackendError: The heir does not answer.
    """
    copy = await _copy_of(copies, heir, lost)
    control = copy.control
    is_lacking = await _check_dead(copies, dead, control)
    keys = tuple(key for key, route in control.routes.items() if route.primary == dead)
    lone = [key for key in keys if control.routes[key].secondary != heir]
    if lone:
        raise MigrationRefusedError(
            f"{heir} is not told of the writes of {', '.join(lone)}: it does not hold what {dead} held", next_step=f"restore {dead}"
        )
    if keys:
        wait = (timing or Timing()).watch
        tell("takeover.waiting_for_leases", {"seconds": wait, "dead": dead})
        await sleep(wait)
        is_lacking = await _check_dead(copies, dead, control)
    epoch = control.highest_epoch + (TAKEOVER_EPOCHS if keys else 0)
    routes = {**control.routes, **{key: Route(primary=heir, secondary=dead, epoch=epoch) for key in keys}}
    given_up = tuple(sorted({*control.disowned, *([dead] if gives_up and is_lacking else [])}))
    wanted = control.model_copy(update={"routes": folded(routes), "move": None if keys else control.move, "disowned": given_up})
    if wanted != control and not await copies.change(copy, wanted):
        raise MigrationRefusedError(
            f"the control document of {heir} has changed meanwhile", next_step="bifrost-store migrate status"
        )
    tell("takeover.committed", {"epoch": epoch})
    return TakeoverReport(keys, epoch, dead, dead in given_up)


async def _copy_of(copies: ControlCopies, heir: str, lost: Control | None) -> Copy:
    """Return the heir's copy; one that it has lost is put back first."""
    if lost is not None and not isinstance(await copies.find(heir), Copy):
        await give(copies, lost)
    copy = await copies.read(heir)
    if copy is None:
        raise MigrationRefusedError(f"{heir} has no control document: there is no migration", next_step="restore the settings")
    return copy


async def _check_dead(copies: ControlCopies, store: str, control: Control) -> bool:
    """Return whether a store answers, and has no copy to go by; else it does not answer.

    Raises:
        MigrationRefusedError: It answers after all.
    """
    found = await copies.answer(store)
    if isinstance(found, BackendError):
        return False
    if store in control.disowned or not is_of(found, control.migration_id):
        return True
    raise MigrationRefusedError(f"{store} answers after all", next_step="the same command without --force")
