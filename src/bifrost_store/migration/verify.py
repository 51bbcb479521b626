"""Compares every record of two stores, beside live writers, and on request makes the secondary what the primary is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

import anyio

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.core.spec import Specs
from bifrost_store.core.tasks import for_each, together
from bifrost_store.errors import CorruptDocumentError, InvalidRequestError, MigrationRefusedError, NextStep, StaleRouteError
from bifrost_store.migration.causes import differing_fields, likely_cause
from bifrost_store.migration.comparison import Side, Sides
from bifrost_store.migration.expiry import NO_LONGER_SEEN, Dropped, dropped_line
from bifrost_store.migration.reports import ReportFile
from bifrost_store.migration.state import Progress, Step
from bifrost_store.mirroring.reconcile import Reconciled, is_same, reconcile

FINDINGS: Final = ("same", "differs", "only_primary", "only_secondary", "could_not_check", "expired", NO_LONGER_SEEN)
OPEN: Final = ("differs", "only_primary", "only_secondary", "could_not_check")
_UNKNOWN_KIND: Final = "unreadable"
_LOOKS: Final = 5
_LOOK_AGAIN_SECONDS: Final = 1.0
_CLOSE_LOOKS: Final = 40
"""At a record that changed at each look before: one after the other, without a pause."""
_SHOWN: Final = 20


@dataclass(slots=True)
class VerificationReport:
    """What a verification found.

    Attributes:
        kinds: Per kind: same, differs, only_primary, only_secondary, could_not_check, expired, and no_longer_seen: those of the
            expired that readers see in one store alone, as the migration was asked to drop them.
        repaired: Differences that were found and are gone.
        causes: Number of differences for each likely cause.
        examples: Keys of the first differences, without values.
        file: The file with every difference and both values, if there is any.
    """

    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    repaired: int = 0
    causes: dict[str, int] = field(default_factory=dict)
    examples: list[str] = field(default_factory=list)
    file: Path | None = None

    @property
    def counts(self) -> dict[str, int]:
        """The findings in total."""
        return {what: sum(counts.get(what, 0) for counts in self.kinds.values()) for what in FINDINGS}

    @property
    def open_count(self) -> int:
        """Differences, and records that could not be compared, that are left."""
        return sum(self.counts[what] for what in OPEN) - self.repaired

    @property
    def ok(self) -> bool:
        """Whether nothing is left open."""
        return self.open_count == 0

    def lines(self, primary: str = "the primary", secondary: str = "the secondary") -> list[str]:
        """Return the report for people: keys and causes, no values.

        Args:
            primary, secondary: What to call the stores.
        """
        counts = self.counts
        dropped = counts.pop(NO_LONGER_SEEN)
        labels = {
            "same": f"the same in {primary} and {secondary}",
            "differs": "differ",
            "only_primary": f"only in {primary}",
            "only_secondary": f"only in {secondary}",
            "could_not_check": "could not be compared",
            "expired": "have expired, so that no reader sees them",
        }
        found = ", ".join(f"{count} {labels[what]}" for what, count in counts.items())
        lines = [f"{sum(counts.values())} records compared: {found}"]
        lines += [dropped_line(dropped)] if dropped else []
        lines += [f"likely cause, {count} times: {cause}" for cause, count in sorted(self.causes.items())]
        lines += self.examples
        if self.repaired:
            lines.append(f"{self.repaired} of the differences were repaired, {self.open_count} are left")
        if self.file is not None:
            lines.append(f"both values of each are in {self.file}")
        return lines

    def values(self) -> dict[str, Any]:
        """Return the report as parts of a JSON object."""
        file = None if self.file is None else str(self.file)
        return {**self.counts, "kinds": self.kinds, "repaired": self.repaired, "causes": self.causes, "differences": file}


@dataclass(frozen=True, slots=True)
class _Look:
    """Both states of a record: the secondary's, read first, and the primary's; or why they could not be read."""

    key: Key
    primary: Record | None = None
    secondary: Record | None = None
    problem: str | None = None

    @property
    def states(self) -> tuple[object, ...]:
        """What is another after a write."""
        return _state(self.primary), _state(self.secondary)


def _state(record: Record | None) -> object:
    """Return what is another after a write."""
    return record and (record.version, record.is_tombstone, record.sort_key, record.digest)


class Verification:
    """One comparison of two whole stores. Changes nothing unless asked to repair, and can be repeated at any time.

    Args:
        primary, secondary: The two stores of the route, addressed directly.
        specs: Every kind that they know.
        clock: Decides what has expired.
        progress: Hears how far the comparison is.
        is_current: Whether the route still is the one that this run began under.
        includes: Whether a scope's records are to be compared.
        epoch_of: Returns the epoch of a scope's route; nothing is written over where a store has a later one. 0: not looked at.
        dropped: Executions that a backfill left out though readers see them.
        folder: The folder for the differences; None: they are only counted.
        name: Name of the file in it.
        sleep: Waits for so many seconds.
    """

    def __init__(
        self,
        primary: Backend,
        secondary: Backend,
        *,
        specs: Specs,
        is_current: Callable[[], Awaitable[bool]],
        clock: Clock = utc_now,
        progress: Progress | None = None,
        includes: Callable[[Scope], bool] = lambda scope: True,
        epoch_of: Callable[[Scope], int] = lambda scope: 0,
        dropped: Dropped | None = None,
        folder: Path | None = None,
        name: str = "differences.jsonl",
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._primary = primary
        self._secondary = secondary
        self._specs = specs
        self._is_current = is_current
        self._now = clock
        self._progress = progress
        self._includes = includes
        self._epoch_of = epoch_of
        self._dropped = dropped
        self._sleep = sleep
        self._file = ReportFile(folder, name)
        self._kinds: dict[str, Counter[str]] = {}
        self._causes: Counter[str] = Counter()
        self._report = VerificationReport()
        self._done = 0

    async def run(self, repair: bool = False) -> VerificationReport:
        """Compare everything.

        Args:
            repair: Make the secondary what the primary is wherever they differ.

        Raises:
            MigrationRefusedError: The route has changed meanwhile, or a file cannot be written.
            BackendError: A store does not answer; nothing was changed but what was repaired. Repeat it.
        """
        with Sides() as sides:
            await together(partial(self._read, sides, "primary"), partial(self._read, sides, "secondary"))
            for kind, is_expired, count in sides.same():
                self._note(kind, "expired" if is_expired else "same", count)
            for keys in sides.others():
                await self._look_at(sides, keys, repair=repair)
        await self._check_current()
        report = self._report
        report.kinds = {kind: {what: counts[what] for what in FINDINGS} for kind, counts in sorted(self._kinds.items())}
        report.causes = dict(self._causes)
        report.file = self._file.path if self._causes else None
        return report

    async def _read(self, sides: Sides, side: Side) -> None:
        store = self._primary if side == "primary" else self._secondary
        async for page in store.scan():
            now = self._now()
            records = [record for record in page.records if self._includes(record.key.scope)]
            sides.add(side, [(record, record.is_expired(now)) for record in records])
            for error, row in zip_longest(page.unreadable, page.rejected):
                self._unreadable(sides, side, error, _UNKNOWN_KIND, row)
            if side == "primary":
                self._done += len(records)
                if self._progress is not None:
                    await self._progress.save({"done": self._done})

    def _unreadable(self, sides: Sides, side: Side, error: CorruptDocumentError, kind: str, row: Body | None = None) -> None:
        if sides.add_unreadable(side, str(error)):
            values = {"key": error.key, "store": side, "reason": str(error), "record": row}
            self._tell("could_not_check", kind, values, f"unreadable in the {side}")

    async def _look_at(self, sides: Sides, keys: Sequence[Key], *, repair: bool) -> None:
        """Look at records again, until two looks agree: what a writer is just changing is not a difference."""
        looks = await for_each(partial(self._look, sides), keys)
        for _ in range(_LOOKS):
            unsettled = [look for look in looks if not self._is_settled(look)]
            if not unsettled:
                return
            await self._sleep(_LOOK_AGAIN_SECONDS)
            looks = await for_each(partial(self._look, sides), [look.key for look in unsettled])
            agreed = {now.key for before, now in zip(unsettled, looks, strict=True) if before.states == now.states}
            for look in looks:
                if look.key in agreed and not self._is_settled(look):
                    await self._found(look, repair=repair)
            looks = [look for look in looks if look.key not in agreed]
        for look in looks:
            if not self._is_settled(look) and not await self._follows(look.key):
                reason = f"changed at each of {_LOOKS} looks"
                self._tell("could_not_check", look.key.kind, {"key": str(look.key), "reason": reason}, "it keeps changing")

    async def _look(self, sides: Sides, key: Key) -> _Look:
        found: dict[Side, Record | None] = {}
        # In the order of J2: a secondary that is ahead of the primary then holds no write that came in between.
        reads: tuple[tuple[Side, Backend], ...] = (("secondary", self._secondary), ("primary", self._primary))
        for side, store in reads:
            try:
                found[side] = await store.stored(key)
            except CorruptDocumentError as error:
                self._unreadable(sides, side, error, key.kind)
                return _Look(key, problem=str(error))
            except InvalidRequestError as error:
                self._tell("could_not_check", key.kind, {"key": str(key), "reason": str(error)}, "no key of this kind")
                return _Look(key, problem=str(error))
        return _Look(key, found["primary"], found["secondary"])

    async def _follows(self, key: Key) -> bool:
        """Return whether the secondary shows a state that the primary has shown, as where a record changes all the time."""
        shown: set[object] = set()
        for _ in range(_CLOSE_LOOKS):
            try:
                primary, secondary = await self._primary.stored(key), await self._secondary.stored(key)
            except (CorruptDocumentError, InvalidRequestError):
                return False
            shown.add(_state(primary))
            if primary is not None and secondary is not None and _state(secondary) in shown:
                self._note(key.kind, "same")
                return True
        return False

    def _is_settled(self, look: _Look) -> bool:
        """Return whether there is nothing more to say about a record; what matches is counted here."""
        if look.problem is not None:
            return True
        primary, secondary = look.primary, look.secondary
        if is_same(primary, secondary, clock=self._now):
            some = primary or secondary
            if some is not None and not some.is_tombstone:
                self._note(look.key.kind, "expired" if some.is_expired(self._now()) else "same")
            return True
        alone = primary if secondary is None else secondary if primary is None else None
        if alone is not None and self._dropped is not None and self._dropped.has(alone):
            self._note(look.key.kind, "expired")
            self._note(look.key.kind, NO_LONGER_SEEN)
            return True
        return False

    async def _found(self, look: _Look, *, repair: bool) -> None:
        what = "only_secondary" if look.primary is None else "only_primary" if look.secondary is None else "differs"
        cause = likely_cause(look.primary, look.secondary)
        values = {"key": str(look.key), "what": what, "cause": cause, "fields": differing_fields(look.primary, look.secondary)}
        if repair:
            await self._check_current()
            values["repair"] = await self._repaired(look.key)
        self._tell(what, look.key.kind, values, cause)

    async def _repaired(self, key: Key) -> str:
        """Make the secondary what the primary is and return how; or why that cannot be."""
        try:
            outcome = await reconcile(self._primary, self._secondary, key, clock=self._now, epoch=self._epoch_of(key.scope))
        except (InvalidRequestError, CorruptDocumentError, StaleRouteError) as error:
            await self._check_current()
            return f"not possible: {error}"
        self._report.repaired += outcome is not Reconciled.LEFT
        return outcome.value

    async def _check_current(self) -> None:
        if not await self._is_current():
            raise MigrationRefusedError(
                "there was a hand-over while the stores were being compared, so the result says nothing",
                next_steps=(NextStep(step=Step.VERIFY),),
            )

    def _tell(self, what: str, kind: str, values: dict[str, Any], cause: str) -> None:
        self._file.write({"what": what, **values})
        self._note(kind, what)
        self._causes[cause] += 1
        if len(self._report.examples) < _SHOWN:
            self._report.examples.append(f"{what.replace('_', ' ')}: {values['key'] or values['reason']}")

    def _note(self, kind: str, what: str, count: int = 1) -> None:
        self._kinds.setdefault(kind, Counter())[what] += count
