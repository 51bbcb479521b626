"""What calls have cost so far, added up by operation and backend."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Final

from bifrost_store.core.meter import Meter
from bifrost_store.core.prices import DOLLARS_PER_MILLION_REQUEST_UNITS, request_unit_dollars

_GROWTH: Final = math.log(1.1)
"""Times are kept in classes that end 10 % above where they begin, so that a percentile is at most 10 % too high."""
_SHORTEST_SECONDS: Final = 1e-6
_LONGEST_SECONDS: Final = 1e5


@dataclass(frozen=True, slots=True)
class OperationUsage:
    """What the calls of one operation cost that were answered by one backend.

    Attributes:
        operation: What was called: ``executions.create``; ``backend.scan`` and ``blobs.list`` for calls below the repositories.
        backend: ``sqlite``, ``table``; ``sqlite+table`` for calls that needed both; empty for calls that were refused, or
            answered, before any was asked. Blobs count to the backend that they go with.
        calls: How many, the failed ones included. Each call is in one row.
        failures_by_error: How many of them raised what, by the error's class; ``CancelledError`` if the caller gave up.
        requests_by_service: By what was asked; see `bifrost_store.core.meter.Meter`.
        retries: Requests among them that were sent again.
        request_units: What Cosmos DB charged for documents, retries, query plans and every page included; 0.0 elsewhere.
        metadata_request_units: What it charged for calls about databases and containers, from a budget of their own.
        sent_bytes, received_bytes: Of the bodies of requests and answers; nothing is sent to SQLite or a folder.
        total_seconds, max_seconds: Of whole calls, from the outside.
        p95_seconds: What 95 of 100 calls did not take longer than; at most 10 % too high.
    """

    operation: str
    backend: str
    calls: int
    failures_by_error: Mapping[str, int]
    requests_by_service: Mapping[str, int]
    retries: int
    request_units: float
    metadata_request_units: float
    sent_bytes: int
    received_bytes: int
    total_seconds: float
    max_seconds: float
    p95_seconds: float

    @property
    def failures(self) -> int:
        """How many calls raised an error."""
        return sum(self.failures_by_error.values())

    @property
    def requests(self) -> int:
        """How many requests were sent, short pages and metadata among them."""
        return sum(self.requests_by_service.values())

    @property
    def mean_seconds(self) -> float:
        """How long a call took on average."""
        return self.total_seconds / self.calls

    def dollars(self, per_million: float = DOLLARS_PER_MILLION_REQUEST_UNITS) -> float:
        """Return what the request units cost, metadata left out, at a price *per_million* of them."""
        return request_unit_dollars(self.request_units, per_million)


@dataclass(frozen=True, slots=True)
class UsageReport:
    """What a store's calls have cost in this process.

    Attributes:
        since: When the store was opened.
        operations: A row for each operation and backend, sorted by both.
    """

    since: datetime
    operations: tuple[OperationUsage, ...]

    @property
    def request_units(self) -> float:
        """What Cosmos DB charged in all, metadata left out."""
        return sum(row.request_units for row in self.operations)

    def dollars(self, per_million: float = DOLLARS_PER_MILLION_REQUEST_UNITS) -> float:
        """Return what that costs at a price *per_million* request units."""
        return request_unit_dollars(self.request_units, per_million)


class Ledger:
    """Adds up calls. Its size depends on how many operations there are, not on how many calls.

    Args:
        since: When it was opened.
    """

    def __init__(self, since: datetime) -> None:
        self._since = since
        self._tallies: dict[tuple[str, str], _Tally] = {}

    def add(self, operation: str, backend: str, meter: Meter, seconds: float, error: str | None) -> None:
        """Add one call that cost what *meter* says, and raised *error* if it is not None."""
        tally = self._tallies.get((operation, backend))
        if tally is None:
            tally = self._tallies[operation, backend] = _Tally()
        tally.add(meter, seconds, error)

    def report(self) -> UsageReport:
        """Return what was added so far."""
        return UsageReport(self._since, tuple(tally.usage(*name) for name, tally in sorted(self._tallies.items())))


@dataclass(slots=True)
class _Tally:
    calls: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    request_units: float = 0.0
    metadata_request_units: float = 0.0
    sent_bytes: int = 0
    received_bytes: int = 0
    total_seconds: float = 0.0
    max_seconds: float = 0.0
    seconds: Counter[int] = field(default_factory=Counter)

    def add(self, meter: Meter, seconds: float, error: str | None) -> None:
        self.calls += 1
        if error is not None:
            self.failures[error] += 1
        for what, count in meter.requests.items():
            self.requests[what] += count
        self.retries += meter.retries
        self.request_units += meter.request_units
        self.metadata_request_units += meter.metadata_request_units
        self.sent_bytes += meter.sent_bytes
        self.received_bytes += meter.received_bytes
        self.total_seconds += seconds
        self.max_seconds = max(self.max_seconds, seconds)
        self.seconds[math.ceil(math.log(min(max(seconds, _SHORTEST_SECONDS), _LONGEST_SECONDS)) / _GROWTH)] += 1

    def usage(self, operation: str, backend: str) -> OperationUsage:
        return OperationUsage(
            operation,
            backend,
            self.calls,
            MappingProxyType(dict(sorted(self.failures.items()))),
            MappingProxyType(dict(sorted(self.requests.items()))),
            self.retries,
            self.request_units,
            self.metadata_request_units,
            self.sent_bytes,
            self.received_bytes,
            self.total_seconds,
            self.max_seconds,
            self._percentile(0.95),
        )

    def _percentile(self, part: float) -> float:
        rest = math.ceil(part * self.calls)
        for number, count in sorted(self.seconds.items()):
            rest -= count
            if rest <= 0:
                return min(math.exp(number * _GROWTH), self.max_seconds)
        return 0.0
