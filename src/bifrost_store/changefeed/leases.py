"""Feed leases: one for each range of a processor's feed, with its position. No time in them decides anything."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, FiniteFloat, ValidationError

from bifrost_store.backends.protocol import Backend
from bifrost_store.coordination.rows import Form, Row, Rows
from bifrost_store.coordination.silence import Silence
from bifrost_store.core.feed import FeedRange
from bifrost_store.core.json import dump_json, dump_loaded
from bifrost_store.core.query import Eq
from bifrost_store.core.record import Record
from bifrost_store.core.spec import FeedName
from bifrost_store.core.version import Version
from bifrost_store.documents import FEED_LEASE
from bifrost_store.errors import CorruptDocumentError, DocumentExistsError, OutcomeUnknownError

STUCK_FAILURES: Final = 5
"""A position that failed so often in a row is stuck."""


class FeedLease(BaseModel):
    """What a feed lease says.

    Attributes:
        processor: Name of the processor.
        feed, low, high: The range that it is about.
        position: Behind everything that was handled; None: the beginning.
        owner: Token of the process that follows the range; None: nobody.
        process: Host and process id of the owner, for people.
        wanted_by: Token of a process that has fewer ranges: the owner passes it on at the end of a page.
        beat: Counts what owners wrote, so that each write shows that one lives.
        moved_at: When the position was written last, by the owner's clock, for people.
        lag_items, lag_seconds: What the owner saw last: changes that wait, and the age of the last one handled.
        problem: Class of the error for which the position is held, for people; None while all is well.
        failures: How often it failed there in a row.
        failing_since: When it began to.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", strict=True)

    processor: str
    feed: FeedName
    low: str
    high: str
    position: str | None
    owner: str | None = None
    process: str | None = None
    wanted_by: str | None = None
    beat: int = 0
    moved_at: datetime | None = None
    lag_items: int = 0
    lag_seconds: FiniteFloat = 0.0
    problem: str | None = None
    failures: int = 0
    failing_since: datetime | None = None

    @property
    def part(self) -> FeedRange:
        """The range that it is about."""
        return FeedRange(self.low, self.high)

    @property
    def claimant(self) -> str | None:
        """Who follows the range, or will: None: nobody."""
        return self.owner and (self.wanted_by or self.owner)

    @property
    def stuck_since(self) -> datetime | None:
        """Since when the position has not moved for its failures; None if they are few."""
        return self.failing_since if self.failures >= STUCK_FAILURES else None

    def changed(self, changes: Mapping[str, Any]) -> FeedLease:
        """Return the lease as its owner writes it next."""
        return self.model_copy(update={**changes, "beat": self.beat + 1})


FeedLeaseRow = Row[FeedLease]


def _load(record: Record) -> FeedLease:
    try:
        return FeedLease.model_validate_json(dump_loaded(record.body))
    except ValidationError as error:
        fields = ", ".join(sorted({str(problem["loc"][0]) for problem in error.errors(include_input=False)}))
        raise CorruptDocumentError(
            f"the feed lease {record.key.id} cannot be read ({fields}); delete it, and the range starts anew", key=str(record.key)
        ) from None


_FORM: Final = Form(FEED_LEASE.kind, _load, lambda lease: lease.model_dump(mode="json"))


class FeedLeases(Rows[FeedLease]):
    """The feed leases of one processor, in the feed's store."""

    def __init__(self, backend: Backend, processor: str) -> None:
        super().__init__(backend, _FORM)
        self._processor = processor

    def id_of(self, part: FeedRange) -> str:
        """Return the id of the lease for *part*."""
        return hashlib.sha256(dump_json([self._processor, part.low, part.high]).encode()).hexdigest()[:32]

    async def begin(self, part: FeedRange, feed: FeedName, position: str | None) -> None:
        """Make the lease for *part* that begins at *position*; one that is there stays as it is."""
        row_id = self.id_of(part)
        try:
            await self.create(
                row_id, FeedLease(processor=self._processor, feed=feed, low=part.low, high=part.high, position=position)
            )
        except DocumentExistsError:
            return
        except OutcomeUnknownError:
            if await self.read(row_id) is None:
                raise

    async def split(self, row: FeedLeaseRow, positions: Mapping[FeedRange, str | None]) -> bool:
        """Put new leases, nobody's, in place of *row*, all or nothing; return whether it is known to be done."""
        state = row.state
        parts = {
            self.id_of(part): FeedLease(processor=state.processor, feed=state.feed, low=part.low, high=part.high, position=position)
            for part, position in positions.items()
        }
        return await self.exchange(row.record, parts)

    async def all(self) -> list[FeedLeaseRow]:
        """Return all of them in the order of their ranges.

        Raises:
            CorruptDocumentError: One cannot be read; the message says what to do.
        """
        rows = []
        async for record in self.records(Eq("processor", self._processor)):
            if isinstance(record, CorruptDocumentError):
                raise record
            rows.append(_FORM.row(record))
        return sorted(rows, key=lambda row: row.state.part)


async def leases_by_processor(backend: Backend) -> dict[str, list[FeedLease]]:
    """Return every feed lease in *backend*, by the name of its processor."""
    found: dict[str, list[FeedLease]] = {}
    async for record in Rows(backend, _FORM).records():
        if isinstance(record, CorruptDocumentError):
            raise record
        lease = _load(record)
        found.setdefault(lease.processor, []).append(lease)
    return {name: sorted(found[name], key=lambda lease: lease.part) for name in sorted(found)}


class OwnersSilence:
    """For how long the owners of feed leases wrote nothing, whatever others wrote beside them.

    Args:
        monotonic: Seconds of the watcher's own clock.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._silence = Silence(monotonic)

    def see(self, rows: Iterable[FeedLeaseRow]) -> None:
        """Take note of all leases as they are now."""
        self._silence.see(Record(row.record.key, {}, version=Version(row.state.beat, row.state.owner or "")) for row in rows)

    def seconds(self, row: FeedLeaseRow) -> float:
        """Return for how long the lease's owner was seen silent."""
        return self._silence.seconds(row.id)
