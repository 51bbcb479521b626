"""How long what takes in the hand-over protocol, and the clock that it is measured by."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

_CLOCK: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)


@dataclass(frozen=True, slots=True)
class Timing:
    """Durations of the hand-over protocol, in seconds; all processes of a migration use the same.

    Attributes:
        lease: A lease, from before its renewal was sent.
        renew: Between renewals.
        watch: A row seen unchanged for so long may be revoked.
        poll: Between readings of the control document while a move is under way.
        call_off: From seeing ``prepared`` to calling it off.
        wait: An operation waits for a hand-over, then raises a retryable error.
        withdraw: An announcement nobody carries on is withdrawn by anyone.
        patience: A store that says nothing for so long does not answer: the other must do, and the lease must not wait for it.
        sweep: Between a process's looks at the rows of all: silent ones are revoked.
    """

    lease: float = 30.0
    renew: float = 10.0
    watch: float = 32.0
    poll: float = 0.2
    call_off: float = 2.0
    wait: float = 3.0
    withdraw: float = 60.0
    patience: float = 2.0
    sweep: float = 600.0

    def scaled(self, factor: float) -> Timing:
        """Return the same with leases *factor* times as long; what callers wait for stays."""
        return replace(
            self,
            lease=self.lease * factor,
            renew=self.renew * factor,
            watch=self.watch * factor,
            withdraw=self.withdraw * factor,
            sweep=self.sweep * factor,
        )


def running_seconds() -> float:
    """Return seconds of a clock that never goes back, and runs on while the machine sleeps where there is one that does."""
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)
