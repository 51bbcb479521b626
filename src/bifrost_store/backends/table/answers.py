"""Takes rows out of answers past the SDK, which makes every value twice: more than half of what it does for a page."""

from __future__ import annotations

from typing import Any, Final

from bifrost_store.core.http_meter import count_response
from bifrost_store.core.json import load_json

_NO_ROWS: Final = '{"value": []}'
"""What the SDK is left to read; as a single row it is as good."""
_AS_THEY_ARE: Final = frozenset({str, int, float, bool, type(None)})
_INT32: Final = range(-(2**31), 2**31)


class Answer:
    """What answers hold, if `take` is the response hook of the call.

    Args:
        is_page: They are to be pages of rows, else single ones.

    Attributes:
        rows: Columns and etag of each row of the last answer; None: the SDK reads them.
    """

    def __init__(self, *, is_page: bool) -> None:
        self._is_page = is_page
        self.rows: list[tuple[dict[str, Any], str]] | None = None

    def take(self, response: Any) -> None:
        """Count an answer of the SDK's, and take its rows if every value is what JSON makes of it."""
        count_response(response)
        self.rows, received = None, response.http_response
        if received.status_code != 200:
            return
        try:
            body = load_json(received.text("utf-8"))
            self.rows = [_row(row) for row in (body["value"] if self._is_page else [body])]
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return  # for the SDK to judge
        received.text = lambda encoding=None: _NO_ROWS


def _row(row: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Return columns and etag of a row in which no column names its type: each is text, boolean, number, or nothing.

    Raises:
        ValueError: It is another.
    """
    etag = row.pop("odata.etag")
    for name in ("odata.metadata", "Timestamp", "Timestamp@odata.type"):
        row.pop(name, None)
    is_plain = _AS_THEY_ARE.issuperset(map(type, row.values())) and not any(
        type(value) is int and value not in _INT32 for value in row.values()
    )
    if not is_plain or any("." in name for name in row) or not all(type(row[name]) is str for name in ("PartitionKey", "RowKey")):
        raise ValueError
    return row, str(etag)
