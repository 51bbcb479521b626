"""Names of documents: the record's id behind a prefix for its kind, in characters that every part of the service takes.

Ids may not hold ``/ \\`` nor, for the SDK, ``# ?`` and line ends, and have at most 1,023 bytes; letters and digits of ASCII
alone are recommended ("Azure Cosmos DB service quotas", Microsoft).
"""

from __future__ import annotations

import hashlib
import re
from typing import Final

from bifrost_store.backends.cosmos.layout import ID_PREFIXES
from bifrost_store.core.record import Key

MAX_ID_CHARACTERS: Final = 255
"""Longer ones are replaced by a hash: the limit that older versions of the service had."""
_TO_ESCAPE: Final = re.compile(r"[^A-Za-z0-9_.@:+-]")
_ESCAPED: Final = re.compile("(?:=[0-9A-F]{2})+")


def document_id(key: Key) -> str:
    """Return the ``id`` of the document that holds the record at *key*."""
    prefix = ID_PREFIXES.get(key.kind, f"{key.kind}-")
    name = prefix + _TO_ESCAPE.sub(_escape, key.id)
    return name if len(name) <= MAX_ID_CHARACTERS else prefix + hashlib.sha256(key.id.encode()).hexdigest()


def is_hashed(key: Key, name: str) -> bool:
    """Return whether *name*, the document's, no longer tells the record's id."""
    return record_id(key.kind, name) != key.id


def record_id(kind: str, name: str) -> str:
    """Return the id of the record in the document *name*, unless that is a hash.

    Raises:
        ValueError: *name* is no document's of this kind.
    """
    prefix = ID_PREFIXES.get(kind, f"{kind}-")
    if not name.startswith(prefix):
        raise ValueError("the id does not begin as those of its type do")
    rest = name.removeprefix(prefix)
    return _ESCAPED.sub(_unescape, rest) if "=" in rest else rest


def _escape(match: re.Match[str]) -> str:
    return "".join(f"={byte:02X}" for byte in match[0].encode())


def _unescape(match: re.Match[str]) -> str:
    return bytes.fromhex(match[0].replace("=", "")).decode()
