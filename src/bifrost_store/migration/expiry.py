"""What a migration makes of executions past their retention: carried while readers see them, left out where that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bifrost_store.core.record import Record
from bifrost_store.core.retention import Retention, last_change
from bifrost_store.core.spec import Specs
from bifrost_store.errors import MigrationRefusedError, NextStep
from bifrost_store.migration.state import MigrationState

NO_LONGER_SEEN: Final = "no_longer_seen"
"""The count of what readers see before a cut-over and not after it; counted as ``expired`` too."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """What ``--drop-expired`` leaves out, at every run of a backfill and of a verification the same.

    Attributes:
        before: Executions whose last change is not after it, and that store no expiry of their own.
        specs: Every kind that the stores know.
        retention: The retention in the control document: readers go by it meanwhile.
    """

    before: datetime
    specs: Specs
    retention: Retention | None

    def has(self, record: Record) -> bool:
        """Return whether *record* is left out."""
        if record.is_tombstone or not self.specs[record.key.kind].ages:
            return False
        derived = None if self.retention is None else self.retention.expiry_of(record.body)
        changed = last_change(record.body)
        return record.expires_at in (None, derived) and changed is not None and changed <= self.before


def with_drop(state: MigrationState, retention: Retention | None, *, now: datetime, period: timedelta | None) -> MigrationState:
    """Return *state* with the moment that says what is dropped, if that was asked for: the first run decides.

    Args:
        retention: The retention in the control document.
        period: The retention of the settings, where nothing is recorded.

    Raises:
        MigrationRefusedError: Executions are kept for ever.
    """
    if state.options is None or not state.options.drop_expired or state.dropped_before is not None:
        return state
    kept = period if retention is None else retention.period
    if kept is None:
        raise MigrationRefusedError(
            "there is nothing to drop expired executions by: they are kept for ever",
            next_steps=(NextStep("carry what has expired too, or set BIFROST_STORE_EXECUTION_RETENTION_DAYS"),),
        )
    return state.model_copy(update={"dropped_before": now - kept})


def dropped_by(state: MigrationState, specs: Specs, retention: Retention | None) -> Dropped | None:
    """Return what is left out in *state*; None: nothing that readers see."""
    return None if state.dropped_before is None else Dropped(state.dropped_before, specs, retention)


def dropped_line(count: int) -> str:
    """Say what *count* of executions that are left out means to readers."""
    runs = "1 execution" if count == 1 else f"{count:,} executions"
    return (
        f"{runs} that readers see today, past their retention, will no longer be seen from the cut-over on: they are left out, "
        "as was asked for; a rollback shows them again"
    )


def retention_line(retention: Retention | None) -> str:
    """Say how long what the old application wrote is kept."""
    what = "executions of the old application, which store no expiry, "
    if retention is None:
        return f"{what}are kept for good in both stores"
    until = f"{retention.since + retention.period:%Y-%m-%d %H:%M} UTC"
    return f"{what}end {retention.period.days} days after their last change in both stores, and not before {until}"
