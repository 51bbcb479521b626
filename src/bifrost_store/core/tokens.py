"""Opaque texts that only this library gives out: ASCII parts with a checksum, so that whatever was altered is refused."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Sequence

from bifrost_store.errors import InvalidContinuationTokenError


def seal(parts: Sequence[str]) -> str:
    """Return the token that holds *parts*, which are ASCII."""
    payload = json.dumps(list(parts), separators=(",", ":"))
    return base64.urlsafe_b64encode((_checksum(payload) + payload).encode("ascii")).decode("ascii").rstrip("=")


def unseal(token: str, what: str) -> list[str]:
    """Return the parts in *token*, at least one.

    Args:
        what: It is called in messages.

    Raises:
        InvalidContinuationTokenError: It was altered, or is no token of this library.
    """
    try:
        text = base64.b64decode(token.encode("ascii") + b"=" * (-len(token) % 4), altchars=b"-_", validate=True).decode("ascii")
        checksum, payload = text[:8], text[8:]
        parts = json.loads(payload) if checksum == _checksum(payload) else None
    except (UnicodeError, ValueError, RecursionError):
        raise InvalidContinuationTokenError(f"{what}: not one that this library gave out") from None
    if not isinstance(parts, list) or not parts or not all(isinstance(part, str) and part.isascii() for part in parts):
        raise InvalidContinuationTokenError(f"{what}: it was altered")
    return parts


def _checksum(payload: str) -> str:
    return hashlib.sha256(b"bifrost-store:" + payload.encode("ascii")).hexdigest()[:8]
