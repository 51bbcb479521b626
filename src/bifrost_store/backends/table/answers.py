"""Rows out of what a query answers, past the SDK's own models: those cost as much as everything else about a page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from azure.core.pipeline.policies import ContentDecodePolicy
from pydantic_core import from_json

_NAMES: Final = b"odata."
_EXPECTED: Final = (b'"odata.metadata":', b'"odata.etag":')
_PLAIN: Final = frozenset({str, bool, float, type(None)})
"""Types that the SDK returns as JSON gives them, where no name beside the value says otherwise."""
_INT32: Final = range(-(2**31), 2**31)
_OK: Final = 200

Properties = dict[str, Any]


class Answer:
    """Takes the rows of a query's answer, so that the SDK is left with an answer without rows.

    Only of an answer whose every value means what JSON says: any other is the SDK's to read, as is what is no answer at all.

    Args:
        seen: Is shown every response, as the client's hook.
    """

    def __init__(self, seen: Callable[[Any], object]) -> None:
        self._seen = seen
        self._rows: list[tuple[Properties, str]] | None = None

    def take(self, response: Any) -> None:
        """Take what *response* holds: the ``raw_response_hook`` of the call."""
        self._seen(response)
        self._rows = None
        if response.http_response.status_code == _OK:
            self._rows = _rows(response.http_response.content)
        if self._rows is not None:
            # As if the caller were to read it, and the policy that decodes had been there.
            response.context.options["stream"] = True
            response.context[ContentDecodePolicy.CONTEXT_NAME] = {"value": []}

    def rows(self) -> list[tuple[Properties, str]] | None:
        """Return the columns and the etag of each row; None: the SDK has them."""
        return self._rows


def _rows(content: bytes) -> list[tuple[Properties, str]] | None:
    if content.count(_NAMES) != sum(map(content.count, _EXPECTED)):
        return None
    try:
        return [_row(entity) for entity in from_json(content, allow_inf_nan=False, cache_strings="keys")["value"]]
    except (ValueError, TypeError, LookupError, AttributeError):
        return None


def _row(entity: dict[str, Any]) -> tuple[Properties, str]:
    etag, partition_key, row_key = entity.pop("odata.etag"), entity.pop("PartitionKey"), entity.pop("RowKey")
    entity.pop("Timestamp", None)
    if not type(etag) is type(partition_key) is type(row_key) is str:
        raise TypeError
    for value in entity.values():
        if type(value) not in _PLAIN and not (type(value) is int and value in _INT32):
            raise TypeError
    return {"PartitionKey": partition_key, "RowKey": row_key, **entity}, etag
