"""Makes the other store primary while the primary is dead. "The old primary is dead" of the hand-over protocol."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio

from bifrost_store.errors import BackendError, MigrationRefusedError
from bifrost_store.migration.outcome import Tell, tell_nobody
from bifrost_store.routing.control import Route, folded
from bifrost_store.routing.copies import ControlCopies
from bifrost_store.routing.lease_rows import Timing

TAKEOVER_EPOCHS: Final = 2
"""The dead store's copy may have one commit that the other lacks, never two."""


@dataclass(frozen=True, slots=True)
class TakeoverReport:
    """What a takeover did.

    Attributes:
        keys: The route keys that were given to the other store; none if it had them already.
        epoch: Of their routes now.
    """

    keys: tuple[str, ...]
    epoch: int


async def take_over(
    copies: ControlCopies,
    *,
    dead: str,
    heir: str,
    sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    timing: Timing | None = None,
    tell: Tell = tell_nobody,
) -> TakeoverReport:
    """Let *heir* answer for all that *dead* answered for. Whoever calls it asserts that no process reaches *dead* any more.

    Raises:
        MigrationRefusedError: *dead* answers after all, the heir knows of no migration, or its document changed meanwhile.
        BackendError: The heir does not answer.
    """
    copy = await copies.read(heir)
    if copy is None:
        raise MigrationRefusedError(f"{heir} has no control document: there is no migration", next_step="restore the settings")
    control = copy.control
    keys = tuple(key for key, route in control.routes.items() if route.primary == dead)
    if not keys:
        return TakeoverReport((), control.highest_epoch)
    lone = [key for key in keys if control.routes[key].secondary != heir]
    if lone:
        raise MigrationRefusedError(
            f"{heir} is not told of the writes of {', '.join(lone)}: it does not hold what {dead} held", next_step=f"restore {dead}"
        )
    wait = (timing or Timing()).watch
    tell("takeover.waiting_for_leases", {"seconds": wait, "dead": dead})
    await sleep(wait)
    await _check_dead(copies, dead)
    epoch = control.highest_epoch + TAKEOVER_EPOCHS
    routes = {**control.routes, **{key: Route(primary=heir, secondary=dead, epoch=epoch) for key in keys}}
    if not await copies.change(copy, control.model_copy(update={"routes": folded(routes), "move": None})):
        raise MigrationRefusedError(
            f"the control document of {heir} has changed meanwhile", next_step="bifrost-store migrate status"
        )
    tell("takeover.committed", {"epoch": epoch})
    return TakeoverReport(keys, epoch)


async def _check_dead(copies: ControlCopies, store: str) -> None:
    try:
        await copies.read(store)
    except BackendError:
        return
    raise MigrationRefusedError(f"{store} answers after all", next_step="the same command without --force")
