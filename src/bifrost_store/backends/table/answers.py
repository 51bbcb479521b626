"""Takes rows and etags out of answers past the SDK, which makes every value of a row twice, and reads parts as e-mail."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from azure.core.utils import CaseInsensitiveDict

from bifrost_store.core.http_meter import count_response
from bifrost_store.core.json import load_json

_NO_ROWS: Final = '{"value": []}'
"""What the SDK is left to read; as a single row it is as good."""
_AS_THEY_ARE: Final = frozenset({str, int, float, bool, type(None)})
_BOUNDARY: Final = re.compile(rb"--[^\r\n]+\r\nContent-Type: multipart/mixed; boundary=([^\r\n;\"]+)\r\n\r\n", re.IGNORECASE)
_PART: Final = re.compile(
    rb"\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    rb"HTTP/1\.1 (20[14]) [^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\s*",
    re.IGNORECASE,
)
"""An operation that was carried out, and of which nothing is sent back but headers."""
_INT32: Final = range(-(2**31), 2**31)
_ADDED: Final = ("odata.metadata", "Timestamp", "Timestamp@odata.type")


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
            self.rows = _rows(body["value"] if self._is_page else [body])
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            return  # for the SDK to judge
        received.text = lambda encoding=None: _NO_ROWS


def _rows(rows: list[dict[str, Any]]) -> list[tuple[dict[str, Any], str]]:
    """Return columns and etag of *rows* in which no column names its type: each is text, boolean, number, or nothing.

    Raises:
        ValueError: One of them is another.
    """
    read = [(row, str(_etag(row))) for row in rows]
    if "." in "".join(set().union(*rows)):
        raise ValueError
    if not all(type(row["PartitionKey"]) is type(row["RowKey"]) is str for row in rows):
        raise ValueError
    values = list(chain.from_iterable(map(dict[str, Any].values, rows)))
    if not set(map(type, values)) <= _AS_THEY_ARE:
        raise ValueError
    if not all(number in _INT32 for number in values if type(number) is int):
        raise ValueError
    return read


def _etag(row: dict[str, Any]) -> object:
    """Return the etag of *row* without which, and what else the service adds, it is its columns."""
    for name in _ADDED:
        row.pop(name, None)
    return row.pop("odata.etag")


def take_parts(response: Any) -> None:
    """Count an answer to a transaction, as the response hook of the call, and take its parts if all say that it was carried out."""
    count_response(response)
    received = response.http_response
    by_sdk = received.parts
    received.parts = lambda: _in_turn(parts) if (parts := _parts(received.content)) else by_sdk()


@dataclass(frozen=True, slots=True)
class _Part:
    """What the SDK asks of a part of an answer."""

    status_code: int
    headers: Mapping[str, str]

    async def read(self) -> None:
        """There is no body."""


async def _in_turn(parts: list[_Part]) -> AsyncIterator[_Part]:
    for part in parts:
        yield part


def _parts(content: bytes) -> list[_Part]:
    """Return the parts of an answer; none if one of them is anything else than `_PART`."""
    start = _BOUNDARY.match(content)
    if start is None:
        return []
    *parts, _ = content[start.end() :].split(b"--" + start[1])
    found = [_PART.fullmatch(part) for part in parts[1:]]
    if not found or parts[0] or not all(found):
        return []
    return [_Part(int(match[1]), _headers(match[2])) for match in found if match is not None]


def _headers(lines: bytes) -> Mapping[str, str]:
    parted = (line.partition(":") for line in lines.decode("latin-1").split("\r\n") if line)
    return CaseInsensitiveDict({name: value.strip() for name, _, value in parted})
