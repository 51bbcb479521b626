"""What one process of a hub allowed, for the process that holds the connection: signed, short-lived, for that connection alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt

from bifrost_store.core.scope import Scope
from bifrost_store.errors import InvalidKeyError

_ALGORITHM: Final = "HS256"
_AUDIENCE: Final = "bifrost-store:watch"
_MAX_CHARACTERS: Final = 4_096


class InvalidGrantError(Exception):
    """It is not ours, not for this connection, or too old."""


@dataclass(frozen=True, slots=True)
class Grant:
    """Leave of a connection to be in one group, and no longer in another.

    Attributes:
        scope: Whose runs the group is told of.
    """

    connection_id: str
    scope: Scope
    joined: str
    left: str


class Grants:
    """Signs and checks.

    Args:
        key: The secret of all processes of the hub, 32 bytes at least.
        seconds: For how long a grant can be used.
        clock: Seconds since 1970.
    """

    def __init__(self, key: bytes, *, seconds: float = 60.0, clock: Callable[[], float] = time.time) -> None:
        self._key = key
        self._seconds = seconds
        self._clock = clock

    def sign(self, grant: Grant) -> str:
        """Return the text that stands for *grant*."""
        claims = {"sub": grant.connection_id, "scope": grant.scope.value, "joined": grant.joined, "left": grant.left}
        return jwt.encode({**claims, "aud": _AUDIENCE, "exp": int(self._clock() + self._seconds)}, self._key, _ALGORITHM)

    def read(self, text: object, connection_id: str) -> Grant:
        """Return the grant that a connection presents.

        Raises:
            InvalidGrantError: See there.
        """
        if not isinstance(text, str) or len(text) > _MAX_CHARACTERS:
            raise InvalidGrantError
        options: Any = {"require": ["exp", "sub"], "verify_exp": False}
        try:
            claims = jwt.decode(text, self._key, algorithms=[_ALGORITHM], audience=_AUDIENCE, options=options)
            grant = Grant(claims["sub"], Scope(claims["scope"]), claims["joined"], claims["left"])
        except (jwt.InvalidTokenError, KeyError, TypeError, InvalidKeyError):
            raise InvalidGrantError from None
        if grant.connection_id != connection_id or self._clock() > claims["exp"]:
            raise InvalidGrantError
        return grant
