"""Keeps what the old application wrote, and what it reads, until a migration can no longer want it back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.backends.protocol import Backend
from bifrost_store.core.progress import Progress, silent
from bifrost_store.documents import Execution, PeriodMetrics
from bifrost_store.errors import MigrationRefusedError, NextStep, NotProvisionedError
from bifrost_store.migration.state import KEPT_DAYS, MigrationState, Phase
from bifrost_store.routing.copies import STATE_KEY
from bifrost_store.routing.router import RoutedBackend

_WITHOUT_WAY_BACK: Final = frozenset({Phase.NONE, Phase.ABANDONED, Phase.FINISHED})


async def check_purge(backends: Iterable[Backend], now: datetime) -> None:
    """Let a purge happen only where no migration is under way, nor one cut over less than 90 days ago.

    Args:
        backends: Every backend that may hold data: both stores of a migration keep the same blobs.
        now: The time by the caller's clock.

    Raises:
        MigrationRefusedError: It must not happen now; the message says from when on it may.
    """
    state = await _newest_state(backends)
    kept = None if state is None else state.kept_until()
    if kept is None or (isinstance(kept, datetime) and kept <= now):
        return
    when = f"{kept:%Y-%m-%d}" if isinstance(kept, datetime) else f"{KEPT_DAYS} days after the cut-over"
    raise MigrationRefusedError(
        f"nothing is purged before {when}: the migration may want back what the old application wrote, and readers do not see "
        "what has expired anyway",
        next_steps=(NextStep(f"purge again from {when} on"),),
    )


@dataclass(frozen=True, slots=True)
class PurgePlan:
    """What a purge would remove now.

    Attributes:
        executions: Expired runs; what they left goes with them.
        metrics: Figures of hours.
        documents: Documents of execution data that have ended by their own expiry, those of the runs among them.
        obstacles: Why it would be refused.
    """

    executions: int
    metrics: int
    documents: int
    obstacles: tuple[str, ...]


async def plan_purge(
    backend: RoutedBackend, data: Mapping[str, ExecutionData], now: datetime, progress: Progress = silent
) -> PurgePlan:
    """Return what a purge would do. Reads every record and every document of execution data; changes nothing.

    Args:
        data: The execution data of every store that may hold some.
        now: Decides what has expired.
        progress: Is told how many records were read.
    """
    obstacles: tuple[str, ...] = ()
    try:
        await check_purge(backend.all_backends(), now)
    except MigrationRefusedError as error:
        obstacles = (str(error),)
    expired: Counter[str] = Counter()
    seen = 0
    async for page in backend.scan():
        expired.update(record.key.kind for record in page.records if record.is_expired(now))
        seen += len(page.records)
        progress("records", seen, None)
    ended = 0
    for store in data.values():
        async for documents in store.scan():
            ended += sum(isinstance(one.expires_at, datetime) and one.expires_at <= now for one in documents.documents)
    return PurgePlan(expired[Execution.spec.kind], expired[PeriodMetrics.spec.kind], ended, obstacles)


async def check_no_way_back(backends: Iterable[Backend]) -> None:
    """Let the index rows of Table Storage end only where no migration promises the way back to what reads them.

    Args:
        backends: Every backend that may hold data.

    Raises:
        MigrationRefusedError: A migration is under way, from its start until it is finished or abandoned.
    """
    state = await _newest_state(backends)
    if state is None or state.phase in _WITHOUT_WAY_BACK:
        return
    raise MigrationRefusedError(
        f"index rows are written while a migration is under way ({state.phase}): until it is finished or abandoned it promises the "
        "way back to the old application, which reads them; nothing was changed",
        next_steps=(NextStep("finish or abandon the migration, then stop the index rows"),),
    )


async def _newest_state(backends: Iterable[Backend]) -> MigrationState | None:
    states: list[MigrationState] = []
    for backend in backends:
        try:
            record = await backend.get(STATE_KEY)
        except NotProvisionedError:
            continue
        if record is not None:
            states.append(MigrationState.parse(record.body))
    # `start` leaves a copy in both stores. Each was right when it was written; the newest knows most.
    return max(states, key=lambda state: state.changed_at, default=None)
