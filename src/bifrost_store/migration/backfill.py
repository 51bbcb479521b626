"""Carries everything that one store holds to another, beside live writers: throttled, concurrent, and resumable."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import anyio

from bifrost_store.backends.protocol import Backend, ScanPage
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.operations import MAX_BATCH_OPERATIONS, Apply
from bifrost_store.core.record import Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.core.tasks import for_each
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    ConfigurationError,
    CorruptDocumentError,
    DocumentTooLargeError,
    MigrationRefusedError,
    NotProvisionedError,
    OutcomeUnknownError,
    StaleRouteError,
    StoreError,
    ThrottledError,
)
from bifrost_store.migration.expiry import NO_LONGER_SEEN, Dropped, dropped_line
from bifrost_store.migration.reports import ReportFile, shown
from bifrost_store.migration.state import STATUS, Progress
from bifrost_store.migration.throttle import Budget
from bifrost_store.mirroring.reconcile import Reconciled, reconcile

REJECTED_ROWS: Final = "rejected-rows.jsonl"
WORKERS: Final = 8
"""Batches that are written at the same time; what a kill makes to be done again."""
_ATTEMPTS: Final = 8
_PAUSE_SECONDS: Final = 0.25
_MOST_THROTTLED: Final = 200


@dataclass(slots=True)
class BackfillReport:
    """What a backfill did, earlier runs that it goes on from included.

    Attributes:
        counts: ``copied``, ``present`` (the target had it already, mostly from a dual write), ``deleted`` (tombstones carried),
            ``expired`` (left out), ``no_longer_seen`` (those of them that readers see: left out because that was asked for),
            ``failed`` (among the rejected rows) and ``unreadable`` (named there too).
        kinds: The same per kind, but for what cannot be read.
        request_units: What this run was charged by the target.
        throttled: How often the target asked this run to slow down.
        rejected_rows: The file, if anything is in it.
    """

    counts: dict[str, int] = field(default_factory=dict)
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    request_units: float = 0.0
    throttled: int = 0
    rejected_rows: Path | None = None

    @property
    def ok(self) -> bool:
        """Whether everything that was to be carried was."""
        return not self.counts.get("failed") and not self.counts.get("unreadable")

    def lines(self) -> list[str]:
        """Return the report for people."""
        lines = [
            ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in sorted(self.counts.items())) or "nothing to carry"
        ]
        if dropped := self.counts.get(NO_LONGER_SEEN):
            lines.append(dropped_line(dropped))
        if not self.ok:
            left = self.counts.get("failed", 0) + self.counts.get("unreadable", 0)
            place = "" if self.rejected_rows is None else f"; each is in {self.rejected_rows} with the reason"
            lines.append(f"{_rows(left)} not carried{place}: correct or delete what is named, and repeat the backfill")
        return lines

    def values(self) -> dict[str, Any]:
        """Return the report as parts of a JSON object."""
        rejected_rows = None if self.rejected_rows is None else str(self.rejected_rows)
        return {
            "counts": dict(self.counts),
            "kinds": self.kinds,
            "expired": self.counts.get("expired", 0),
            NO_LONGER_SEEN: self.counts.get(NO_LONGER_SEEN, 0),
            "request_units": round(self.request_units, 2),
            "throttled": self.throttled,
            "rejected_rows": rejected_rows,
        }


@dataclass(slots=True)
class _Cursor:
    """How far a backfill is: all pages before *token* are done, and of the page from there to *end* all keys up to *after*."""

    token: str | None = None
    end: str | None = None
    after: list[str] = field(default_factory=list)


class Backfill:
    """One run over the whole source. Safe beside writers, to be killed at any time, and to be repeated.

    Args:
        source, target: Addressed directly. Nothing of the source is changed.
        specs: Every kind that they know.
        clock: Decides what has expired.
        progress: Keeps the cursor.
        budget: What may be used of the target.
        dropped: Executions that are left out though readers see them; None: whatever readers see is carried.
        is_current: Whether the route still is the one that this run began under; asked before every round of batches.
        includes: Whether a scope's records are to be carried.
        epoch_of: Returns the epoch of a scope's route; nothing is written over where a store has a later one. 0: not looked at.
        folder: The folder for rejected rows; None: they are only counted.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        source: Backend,
        target: Backend,
        *,
        specs: Specs,
        progress: Progress,
        clock: Clock = utc_now,
        budget: Budget | None = None,
        dropped: Dropped | None = None,
        is_current: Callable[[], Awaitable[bool]],
        includes: Callable[[Scope], bool] = lambda scope: True,
        epoch_of: Callable[[Scope], int] = lambda scope: 0,
        folder: Path | None = None,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._source = source
        self._target = target
        self._specs = specs
        self._progress = progress
        self._now = clock
        self._budget = budget or Budget()
        self._dropped = dropped
        self._is_current = is_current
        self._includes = includes
        self._epoch_of = epoch_of
        self._folder = folder
        self._sleep = sleep
        self._cursor = _Cursor()
        self._kinds: dict[str, Counter[str]] = {}
        self._unreadable = 0
        self._is_repeated = False

    async def run(self) -> BackfillReport:
        """Carry what an earlier run has not. A report that is not ``ok`` makes the next run start over.

        Raises:
            MigrationRefusedError: The route has changed, somebody else moves the migration, or a file cannot be written.
            BackendError: A store does not answer. What was done is saved; the next run goes on there.
        """
        self._restore(await self._progress.load() or {})
        begins = self._cursor.token is None and not self._cursor.after
        self._rejected = ReportFile(self._folder, REJECTED_ROWS, goes_on=not begins)
        async for page in self._source.scan(self._cursor.token):
            await self._carry_page(page)
            self._cursor = _Cursor(page.resume_token)
            await self._save()
        report = self._report()
        if not report.ok:
            await self._progress.save({})
        return report

    async def _carry_page(self, page: ScanPage) -> None:
        is_same_stretch = self._cursor.end == page.resume_token
        # Another scan may cut its pages elsewhere: what was noted within one holds for that page alone.
        after = self._cursor.after if is_same_stretch else []
        self._cursor = _Cursor(self._cursor.token, page.resume_token, after)
        if not after:
            for error, row in zip_longest(page.unreadable, page.rejected):
                self._rejected.write({"key": error.key, "reason": str(error), "record": row})
                self._unreadable += 1
        records = sorted((record for record in page.records if self._includes(record.key.scope)), key=_order)
        records = [record for record in records if _order(record) > after]
        now = self._now()
        left_out = deque(record for record in records if self._is_left_out(record, now))
        batches = list(self._batches([record for record in records if not self._is_left_out(record, now)]))
        for first in range(0, len(batches), WORKERS):
            await self._check_current()
            together = batches[first : first + WORKERS]
            await for_each(self._carry, together)
            if first + WORKERS < len(batches):
                self._cursor.after = _order(together[-1][-1])
                # Counted with the stretch they lie in: a run that goes on counts only what comes after it.
                while left_out and _order(left_out[0]) <= self._cursor.after:
                    self._note_left_out(left_out.popleft(), now)
                await self._save()
        for record in left_out:
            self._note_left_out(record, now)

    def _is_left_out(self, record: Record, now: datetime) -> bool:
        """Return whether nobody sees *record* any more, or it is one of those that were asked to be dropped."""
        has_ended = not record.is_tombstone and record.is_expired(now)
        return has_ended or (self._dropped is not None and self._dropped.has(record))

    def _note_left_out(self, record: Record, now: datetime) -> None:
        self._note(record, "expired")
        if not record.is_expired(now):
            self._note(record, NO_LONGER_SEEN)

    def _batches(self, records: Sequence[Record]) -> Iterator[list[Record]]:
        batch: list[Record] = []
        for record in records:
            is_other = bool(batch) and (batch[0].key.kind, batch[0].key.scope) != (record.key.kind, record.key.scope)
            if batch and (is_other or len(batch) == MAX_BATCH_OPERATIONS or not self._specs[record.key.kind].is_batchable):
                yield batch
                batch = []
            batch.append(record)
        if batch:
            yield batch

    async def _carry(self, records: Sequence[Record]) -> None:
        if self._is_repeated:
            records = await self._without_present(records)
        await self._carry_new(records)

    async def _carry_new(self, records: Sequence[Record]) -> None:
        """Carry *records*, together where the target takes so much at once."""
        if len(records) > 1:
            try:
                results = await self._insist(lambda: self._target.batch([Apply(record) for record in records]))
            except DocumentTooLargeError:
                half = len(records) // 2
                await self._carry_new(records[:half])
                await self._carry_new(records[half:])
                return
            except StoreError as error:
                # One of them is the reason: alone, each is carried or named.
                if not _is_about_a_record(error):
                    raise
            else:
                refused = []
                for record, is_written in zip(records, results, strict=True):
                    if is_written:
                        self._note(record, _carried(record))
                    else:
                        refused.append(record)
                await for_each(self._make_equal, await self._without_present(refused))
                return
        for record in records:
            try:
                is_written = await self._insist(partial(self._target.apply, record))
            except StoreError as error:
                await self._refuse(record, error)
                continue
            if is_written:
                self._note(record, _carried(record))
            else:
                await self._make_equal(record)

    async def _without_present(self, records: Sequence[Record]) -> Sequence[Record]:
        """Count those of *records* that the target holds as they are, and return the others."""
        if not records:
            return records
        try:
            found = await self._insist(lambda: self._target.stored_all([record.key for record in records]))
        except StoreError as error:
            # Which of them cannot be read shows one by one.
            if not _is_about_a_record(error):
                raise
            return records
        others = []
        for record, there in zip(records, found, strict=True):
            if _is_same(there, record):
                self._note(record, "present")
            else:
                others.append(record)
        self._is_repeated = len(others) < len(records)
        return others

    async def _make_equal(self, record: Record) -> None:
        """Count *record*, which the target refused as not newer: see that it holds the same, or make it so."""
        try:
            what = await self._made_equal(record)
        except StoreError as error:
            await self._refuse(record, error)
        else:
            self._note(record, what)

    async def _made_equal(self, record: Record) -> str:
        found = await self._insist(lambda: self._target.stored(record.key))
        if _is_same(found, record):
            return "present"
        epoch = self._epoch_of(record.key.scope)
        outcome = await self._insist(lambda: reconcile(self._source, self._target, record.key, epoch=epoch, clock=self._now))
        # What keeps changing is being written to both stores: verification looks at it again.
        return "copied" if outcome in (Reconciled.APPLIED, Reconciled.OVERWRITTEN) else "present"

    async def _refuse(self, record: Record, error: StoreError) -> None:
        """Put *record* among the rejected rows if *error* is about it; else raise that."""
        if isinstance(error, StaleRouteError):
            await self._check_current()
        elif not _is_about_a_record(error):
            raise error
        self._rejected.write({"key": str(record.key), "reason": f"{type(error).__name__}: {error}", "record": shown(record)})
        self._note(record, "failed")

    async def _check_current(self) -> None:
        if not await self._is_current():
            raise MigrationRefusedError(
                "there was a hand-over since the backfill began; it stopped, and what it did is saved",
                next_steps=(STATUS,),
            )

    async def _insist(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Return what *call* does, made again while that may help: every call here may be repeated."""
        refusals = failures = 0
        while True:
            try:
                async with self._budget.spending():
                    return await call()
            # Being slowed down is the budget at work, and no failure.
            except ThrottledError:
                refusals += 1
                if refusals == _MOST_THROTTLED:
                    raise
            except (BackendError, OutcomeUnknownError) as error:
                failures += 1
                if failures == _ATTEMPTS or not (error.is_retryable or isinstance(error, OutcomeUnknownError)):
                    raise
                await self._sleep(error.retry_after_seconds or _PAUSE_SECONDS * 2**failures)

    def _note(self, record: Record, what: str) -> None:
        self._kinds.setdefault(record.key.kind, Counter())[what] += 1

    def _restore(self, saved: Mapping[str, Any]) -> None:
        cursor: Mapping[str, Any] = saved.get("cursor") or {}
        self._cursor = _Cursor(cursor.get("token"), cursor.get("end"), list(cursor.get("after") or []))
        kinds: Mapping[str, Mapping[str, int]] = saved.get("kinds") or {}
        self._kinds = {kind: Counter(dict(counts)) for kind, counts in kinds.items()}
        self._unreadable = int(saved.get("unreadable", 0))

    async def _save(self) -> None:
        report = self._report()
        cursor = {"token": self._cursor.token, "end": self._cursor.end, "after": self._cursor.after}
        done = sum(count for what, count in report.counts.items() if what != NO_LONGER_SEEN)
        await self._progress.save({"cursor": cursor, "kinds": report.kinds, "unreadable": self._unreadable, "done": done})

    def _report(self) -> BackfillReport:
        counts: Counter[str] = Counter()
        for one in self._kinds.values():
            counts.update(one)
        if self._unreadable:
            counts["unreadable"] = self._unreadable
        left = counts["failed"] + counts["unreadable"]
        kinds = {kind: dict(one) for kind, one in sorted(self._kinds.items())}
        return BackfillReport(
            {what: count for what, count in counts.items() if count},
            kinds,
            self._budget.spent,
            self._budget.throttled,
            self._rejected.path if left else None,
        )


def _carried(record: Record) -> str:
    return "deleted" if record.is_tombstone else "copied"


def _is_same(found: Record | None, record: Record) -> bool:
    return found is not None and found.version == record.version and found.digest == record.digest


def _rows(count: int) -> str:
    return "1 row was" if count == 1 else f"{count} rows were"


def _order(record: Record) -> list[str]:
    return [record.key.kind, record.key.scope.value, record.key.id]


def _is_about_a_record(error: StoreError) -> bool:
    """Return whether *error* concerns what was to be written, and not the store."""
    if isinstance(
        error, AccessDeniedError | NotProvisionedError | OutcomeUnknownError | ConfigurationError | MigrationRefusedError
    ):
        return False
    return isinstance(error, CorruptDocumentError) or not error.is_retryable
