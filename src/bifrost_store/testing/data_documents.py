"""Documents of execution data for tests, and comparison of them type for type."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

from bifrost_store.backends.execution_data import ExecutionData
from bifrost_store.core.clock import format_time
from bifrost_store.core.execution_data import DataDocument, DataRange, DataType, Run, payload_id, recordings_from, segment_id
from bifrost_store.core.record import NEVER, Expiry, dump_expiry
from bifrost_store.core.scope import Scope
from bifrost_store.core.version import new_write_id
from bifrost_store.errors import StoreError
from bifrost_store.testing.clock import START
from bifrost_store.testing.strict import exact_json

RUN = Run(Scope.organization("o-1"), "run-1", "c" * 32)
PAYLOADS = DataRange("payload-", "payload.")


def segment(
    first: int = 1,
    last: int | None = None,
    *,
    run: Run = RUN,
    recording: int = 0,
    type: DataType = "log",
    body: dict[str, Any] | None = None,
    timestamp: datetime = START,
    write_id: str | None = None,
    expires_at: Expiry = NEVER,
) -> DataDocument:
    """Return the segment of the items from *first* to *last*."""
    end = first if last is None else last
    lines = [{"number": number, "message": f"line {number}"} for number in range(first, end + 1)]
    return DataDocument(
        run,
        segment_id(run.scope, recording, first),
        type,
        {"lines": lines} if body is None else body,
        timestamp,
        write_id or new_write_id(),
        expires_at,
        recording,
        first,
        end,
    )


def payload(value: Any = None, *, run: Run = RUN, write_id: str | None = None, expires_at: Expiry = NEVER) -> DataDocument:
    """Return a payload that holds *value*."""
    write_id = write_id or new_write_id()
    return DataDocument(run, payload_id(write_id), "payload", {"value": value}, START, write_id, expires_at)


def flush_of(*documents: DataDocument, write_id: str | None = None) -> list[DataDocument]:
    """Return *documents* as one flush, under one write id."""
    write_id = write_id or new_write_id()
    return [replace(document, write_id=write_id) for document in documents]


def exact_data(document: DataDocument | None) -> dict[str, Any] | None:
    """Return all that a backend must give back of *document*, comparable with ``==``."""
    if document is None:
        return None
    return {
        "run": (document.run.scope.value, document.run.execution_id, document.run.creation),
        "place": (document.id, document.type, document.recording, document.first, document.last),
        "body": exact_json(document.body),
        "timestamp": format_time(document.timestamp),
        "writeId": document.write_id,
        "expiresAt": dump_expiry(document.expires_at),
    }


async def stored(data: ExecutionData, *flushes: list[DataDocument]) -> None:
    """Append *flushes*, one after the other, and demand that each is stored."""
    for flush in flushes:
        assert await data.append([flush]) == [None]


async def everything_of(data: ExecutionData, run: Run = RUN, **options: Any) -> list[DataDocument]:
    """Return all documents of *run* in the order of ids, page by page."""
    found: list[DataDocument] = []
    ranges = [recordings_from(run.scope, 0), PAYLOADS]
    while True:
        page = await data.read(run, ranges, **options)
        assert page.unreadable == ()
        found += page.documents
        if page.is_last:
            return found
        last = page.documents[-1].id
        ranges = [DataRange(max(part.ge, last + "\0"), part.lt) for part in ranges if part.lt > last]


def failure(outcomes: list[StoreError | None]) -> StoreError:
    """Return the error of the one flush that was appended."""
    (error,) = outcomes
    assert error is not None
    return error
