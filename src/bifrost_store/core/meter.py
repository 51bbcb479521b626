"""Counts what calls cost, at the transport, in the context of whoever asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime

from bifrost_store.core.clock import as_utc


@dataclass(slots=True)
class Meter:
    """What services were asked while the meter was open.

    Attributes:
        requests: By what was asked: ``table``, ``blob``, ``sqlite``, ... A request that is sent again counts again. A page that
            a service cut short counts as ``<service>_short_page``, calls about tables and containers as ``<service>_metadata``.
        retries: How many of them repeated one that had failed, was lost, or lost a race.
        request_units: What Cosmos DB charged for documents: retries, query plans and every page included.
        metadata_request_units: What it charged for calls about databases and containers. The service takes them from a budget of
            their own ("Azure Cosmos DB service quotas", metadata request limits), so they stand apart.
        sent_bytes: Of the requests' bodies. Nothing is sent to SQLite or a folder.
        received_bytes: Of the answers' bodies.
        answered_at: What the service's clock showed when it answered last, to the second, where it says that.
    """

    requests: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    request_units: float = 0.0
    metadata_request_units: float = 0.0
    sent_bytes: int = 0
    received_bytes: int = 0
    answered_at: datetime | None = None


_meters: ContextVar[tuple[Meter, ...]] = ContextVar("bifrost_store_meters", default=())


@contextmanager
def metering() -> Iterator[Meter]:
    """Measure what the block costs. Blocks may be nested, and tasks started inside are counted."""
    meter = Meter()
    token = open_meter(meter)
    try:
        yield meter
    finally:
        close_meter(token)


def open_meter(meter: Meter) -> Token[tuple[Meter, ...]]:
    """Let *meter* count from here on in the present context; for those who have no time for `metering`."""
    return _meters.set((*_meters.get(), meter))


def close_meter(token: Token[tuple[Meter, ...]]) -> None:
    """End what `open_meter` began, in the same context."""
    _meters.reset(token)


@contextmanager
def count_requests() -> Iterator[Counter[str]]:
    """Count the requests made inside the block; see `Meter.requests`."""
    with metering() as meter:
        yield meter.requests


def count(what: str, *, sent_bytes: int = 0) -> None:
    """Add one request to every open meter of the present context."""
    for meter in _meters.get():
        meter.requests[what] += 1
        meter.sent_bytes += sent_bytes


def count_retry() -> None:
    """Say that the request now sent repeats an earlier one."""
    for meter in _meters.get():
        meter.retries += 1


def note_date(header: str | None) -> None:
    """Take note of the date that an answer has in its header; one that is no date is none."""
    meters = _meters.get()
    if header is None or not meters:
        return
    try:
        date = as_utc(parsedate_to_datetime(header))
    except ValueError:
        return
    for meter in meters:
        meter.answered_at = date


def count_answer(received_bytes: int, *, request_units: float = 0.0, is_metadata: bool = False) -> None:
    """Add what an answer brought, and what it was charged at; *is_metadata*: for a call about databases and containers."""
    for meter in _meters.get():
        meter.received_bytes += received_bytes
        if is_metadata:
            meter.metadata_request_units += request_units
        else:
            meter.request_units += request_units
