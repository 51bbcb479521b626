"""Pages and the tokens that continue them."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from typing import Any, Final

from bifrost_store.emulator.wire.errors import bad_request

MAX_PAGE_BYTES: Final = 4 * 1024 * 1024
"""Of an answer's documents ("Azure Cosmos DB service quotas")."""

_ENVELOPE_BYTES: Final = 200
_MARK: Final = "+B:"
"""Keeps clients from taking a token for one of their own, which are base64 alone."""

_DEFAULT_ITEMS: Final = 1000
_MAX_ITEMS: Final = 2500


@dataclass(frozen=True, slots=True)
class PageSize:
    """How much fits on a page."""

    items: int

    def has_room(self, count: int, used_bytes: int, more: str) -> bool:
        """Return whether a page of *count* documents takes another one; an empty page takes one of any size."""
        if count >= self.items:
            return False
        return count == 0 or used_bytes + size_of(more) <= MAX_PAGE_BYTES - _ENVELOPE_BYTES


def size_of(text: str) -> int:
    """Return the bytes of a document and the comma after it."""
    return (len(text) if text.isascii() else len(text.encode())) + 1


def page_size(asked: int | None) -> PageSize:
    """Return how many items a page may have; -1 and large numbers mean as many as the service gives at once."""
    if asked is None or asked == 0:
        return PageSize(_DEFAULT_ITEMS)
    if asked < -1:
        raise bad_request("The value of the header 'x-ms-max-item-count' is invalid; it must be -1 or positive.")
    return PageSize(_MAX_ITEMS if asked == -1 else min(asked, _MAX_ITEMS))


def token_for(query: bytes, position: list[Any]) -> str:
    """Return the text that continues a query after a position."""
    text = json.dumps([zlib.crc32(query), position], separators=(",", ":"))
    return _MARK + base64.urlsafe_b64encode(text.encode()).decode()


def position_from(token: str | None, query: bytes) -> list[Any] | None:
    """Return the position in a token of `token_for`, None if there is no token.

    Raises:
        ServiceError: 400; it is none of this query.
    """
    if not token:
        return None
    try:
        checksum, position = json.loads(base64.urlsafe_b64decode(token.removeprefix(_MARK).encode("ascii")))
    except (ValueError, TypeError, RecursionError):
        checksum, position = None, None
    if checksum != zlib.crc32(query) or not isinstance(position, list) or not position:
        raise bad_request("Invalid Continuation Token")
    return position
