"""What passes between the SDK and the service: counted, noted for those who must know, and ended where waiting is pointless."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, cast

from azure.cosmos.exceptions import CosmosHttpResponseError

from bifrost_store.backends.cosmos.errors import DEFINITE, map_error
from bifrost_store.core.attempts import check_sending
from bifrost_store.core.meter import count, count_answer, count_retry, note_date

_FIRST_REFUSAL: Final = 400
_DOCUMENTS: Final = "/docs/"
_REMEMBERED_ACTIVITIES: Final = 4096
_LONGEST_WAIT_SECONDS: Final = 5.0
_MOST_WAITS: Final = 9
"""The SDK's own default for one request; queries would wait that often twice over."""
_MOST_REFUSALS: Final = {403: 2}

_what_counts: ContextVar[str] = ContextVar("bifrost_store_cosmos_request", default="cosmos")
_statuses: ContextVar[list[int] | None] = ContextVar("bifrost_store_cosmos_statuses", default=None)


@contextmanager
def watched(what: str = "cosmos") -> Iterator[list[int]]:
    """Count what is sent inside the block as *what*, and yield the statuses of its answers as they come."""
    statuses: list[int] = []
    noting, counting = _statuses.set(statuses), _what_counts.set(what)
    try:
        yield statuses
    finally:
        _statuses.reset(noting)
        _what_counts.reset(counting)


def counts_as(what: str) -> None:
    """Count what is sent from here on, up to the end of the block of `watched`, as *what*."""
    _what_counts.set(what)


def may_be_done(statuses: Iterable[int]) -> bool:
    """Return whether one of the sendings that were answered so may have been carried out, whatever the last answer was.

    The SDK (azure-cosmos 4.17.1) sends a write again after 503, once.
    """
    return any(status >= _FIRST_REFUSAL and status not in DEFINITE for status in statuses)


class Exchanges:
    """Sees every exchange of one client.

    The SDK names every call by an activity id, which it keeps when it sends a request again.
    """

    def __init__(self) -> None:
        self._activities: dict[str, None] = {}

    def options(self) -> dict[str, Any]:
        """Return the options with which a client shows them."""
        return {"raw_request_hook": self._count_request, "raw_response_hook": _count_answer}

    def _count_request(self, request: Any) -> None:
        check_sending()
        http = request.http_request
        count(_kind_of(http.url), sent_bytes=int(http.headers.get("Content-Length") or 0))
        activity = http.headers.get("x-ms-activity-id", "")
        if activity in self._activities:
            count_retry()
        self._activities[activity] = None
        if len(self._activities) > _REMEMBERED_ACTIVITIES:
            del self._activities[next(iter(self._activities))]


def _kind_of(url: str) -> str:
    return _what_counts.get() if _DOCUMENTS in url else "cosmos_metadata"


def _count_answer(response: Any) -> None:
    answer, is_metadata = response.http_response, _DOCUMENTS not in response.http_request.url
    charge = float(answer.headers.get("x-ms-request-charge") or 0)
    note_date(answer.headers.get("Date"))
    count_answer(_length_of(answer), request_units=charge, is_metadata=is_metadata)
    statuses = _statuses.get()
    if statuses is not None:
        statuses.append(cast(int, answer.status_code))
    if answer.status_code >= _FIRST_REFUSAL:
        _end_waiting(answer, statuses or ())


def _length_of(answer: Any) -> int:
    length = answer.headers.get("Content-Length")
    if length is None:
        length = len(answer.body() or b"")
    return int(length)


def _end_waiting(answer: Any, statuses: Sequence[int]) -> None:
    """End a call that is refused with a long wait, or again and again: the SDK would wait the first time however long, two
    minutes for a region that takes no writes, and for ever for partitions that keep moving.

    Raises:
        StoreError: What the answer means, with the time that the service named.
    """
    status = answer.status_code
    wait_seconds = float(answer.headers.get("x-ms-retry-after-ms") or 0) / 1000
    if wait_seconds > _LONGEST_WAIT_SECONDS or statuses.count(status) > _MOST_REFUSALS.get(status, _MOST_WAITS):
        error = CosmosHttpResponseError(status, "refused", answer)  # type: ignore[no-untyped-call]  # the SDK's
        raise map_error(error) from error
