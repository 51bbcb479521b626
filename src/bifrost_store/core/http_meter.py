"""Counts what an Azure SDK sends and receives, at the hooks that it calls for every attempt, and asks whether it may be sent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from bifrost_store.core.attempts import check_sending
from bifrost_store.core.meter import count, count_answer, count_retry, note_date

_SENT: Final = "bifrost_store_sent"


def metered(what: Callable[[Any], str]) -> dict[str, Any]:
    """Return the options with which a client tells the open meters of each exchange, and asks `check_sending` before it.

    Args:
        what: Says of the SDK's request what it asks of whom; see `bifrost_store.core.meter.Meter.requests`.
    """

    def count_request(request: Any) -> None:
        check_sending()
        count(what(request), sent_bytes=int(request.http_request.headers.get("Content-Length") or 0))
        if request.context.get(_SENT):
            count_retry()
        request.context[_SENT] = True

    return {"raw_request_hook": count_request, "raw_response_hook": count_response}


def count_response(response: Any) -> None:
    """Tell the open meters of an answer of the SDK's."""
    answer = response.http_response
    length = answer.headers.get("Content-Length")
    note_date(answer.headers.get("Date"))
    if response.http_request.method == "HEAD":
        return
    if length is not None:
        count_answer(int(length))
    elif getattr(answer, "is_stream_consumed", False):
        count_answer(len(answer.content))
    else:
        _count_when_read(answer)


def _count_when_read(answer: Any) -> None:
    """Count a body of unknown length once it is read: that of a transaction is still to come when the hook is called."""
    read = answer.read

    async def counted() -> bytes:
        answer.read = read
        body: bytes = await read()
        count_answer(len(body))
        return body

    answer.read = counted
