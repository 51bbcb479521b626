"""Counts what calls cost, at the transport, in the context of whoever asked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_meters: ContextVar[tuple[Counter[str], ...]] = ContextVar("bifrost_store_meters", default=())


@contextmanager
def count_requests() -> Iterator[Counter[str]]:
    """Count the requests made inside the block, by what was asked: ``table``, ``blob``, ``sqlite``, ...

    Retries count. A page that a service cut short counts as ``<service>_short_page``, calls about tables and containers
    as ``<service>_metadata``. Blocks may be nested, and tasks started inside are counted.
    """
    counter: Counter[str] = Counter()
    token = _meters.set((*_meters.get(), counter))
    try:
        yield counter
    finally:
        _meters.reset(token)


def count(what: str) -> None:
    """Add one request to every open meter of the present context."""
    for counter in _meters.get():
        counter[what] += 1
