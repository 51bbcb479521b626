"""Names of groups, users and connections: what a hub and the service both take."""

from __future__ import annotations

from typing import Final, Literal

from bifrost_store.signalr.errors import InvalidMessageError

_MAX_LENGTH: Final = 1_024
"""Source: https://learn.microsoft.com/azure/azure-signalr/signalr-quickstart-rest-api"""
_PARENTS: Final = (".", "..")
"""As parts of a path they mean another one: a message to the group ``..`` would go to everybody."""


def check_name(kind: Literal["group", "user", "connection"], name: str) -> str:
    """Return a name; raise `InvalidMessageError` if it is blank, too long, ``.`` or ``..``, or holds half a surrogate pair."""
    if not isinstance(name, str) or not name.strip() or len(name) > _MAX_LENGTH or name in _PARENTS or not _is_text(name):
        raise InvalidMessageError(f"a {kind} is a text of 1 to {_MAX_LENGTH} characters that is not blank, '.' or '..'")
    return name


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
