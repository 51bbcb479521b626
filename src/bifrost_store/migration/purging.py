"""Keeps what the old application wrote until a migration can no longer want it back: nothing is purged meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from bifrost_store.backends.protocol import Backend
from bifrost_store.errors import MigrationRefusedError, NextStep, NotProvisionedError
from bifrost_store.migration.state import KEPT_DAYS, MigrationState
from bifrost_store.routing.copies import STATE_KEY


async def check_purge(backends: Iterable[Backend], now: datetime) -> None:
    """Let a purge happen only where no migration is under way, nor one cut over less than 90 days ago.

    Args:
        backends: Every backend that may hold data: both stores of a migration keep the same blobs.
        now: The time by the caller's clock.

    Raises:
        MigrationRefusedError: It must not happen now; the message says from when on it may.
    """
    states: list[MigrationState] = []
    for backend in backends:
        try:
            record = await backend.get(STATE_KEY)
        except NotProvisionedError:
            continue
        if record is not None:
            states.append(MigrationState.parse(record.body))
    if not states:
        return
    # `start` leaves a copy in both stores. Each was right when it was written; the newest knows most.
    kept = max(states, key=lambda state: state.changed_at).kept_until()
    if kept is None or (isinstance(kept, datetime) and kept <= now):
        return
    when = f"{kept:%Y-%m-%d}" if isinstance(kept, datetime) else f"{KEPT_DAYS} days after the cut-over"
    raise MigrationRefusedError(
        f"nothing is purged before {when}: the migration may want back what the old application wrote, and readers do not see "
        "what has expired anyway",
        next_steps=(NextStep(f"purge again from {when} on"),),
    )
