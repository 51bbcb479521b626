"""What a hub signs: tickets to connect, connection tokens, and ids of connections, so that any process knows its own."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import jwt

_ALGORITHM: Final = "HS256"
_MIN_KEY_BYTES: Final = 32
_MAX_TOKEN_LENGTH: Final = 4_096
_SKEW_SECONDS: Final = 5
"""By how much clocks of processes may differ."""


class InvalidTokenError(Exception):
    """A token is not ours, not for this, or too old."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a connection token says."""

    connection_id: str
    user_id: str
    ends_at: float
    """When the connection ends, in seconds since 1970."""
    expires_at: float
    """Until when the token opens a connection."""


class Tokens:
    """Signs and checks for one hub.

    Args:
        key: The secret of all processes of the hub, 32 bytes at least.
        hub: The hub's name: what is signed for one is worth nothing at another.
        clock: Seconds since 1970.
    """

    def __init__(self, key: bytes, hub: str, clock: Callable[[], float] = time.time) -> None:
        if len(key) < _MIN_KEY_BYTES:
            raise ValueError(f"the key must have {_MIN_KEY_BYTES} bytes at least; secrets.token_bytes(32) makes one")
        self._key = key
        self._hub = hub
        self._clock = clock

    def ticket(self, user_id: str, *, seconds: float, ends_at: float) -> str:
        """Return what lets a user connect for so long."""
        return self._sign("ticket", {"sub": user_id, "exp": int(self._clock() + seconds), "end": ends_at})

    def read_ticket(self, ticket: str) -> tuple[str, float]:
        """Return the user of a ticket, and when its authentication ends; raise `InvalidTokenError`."""
        claims = self._verify("ticket", ticket)
        return claims["sub"], float(claims["end"])

    def connection_token(self, user_id: str, *, seconds: float, ends_at: float) -> tuple[str, str]:
        """Return the id of a new connection, and the secret that opens it, once, within so many seconds."""
        nonce = secrets.token_urlsafe(16)
        id = f"{nonce}.{self._proof(nonce, user_id)}"
        expires_at = int(self._clock() + seconds)
        return id, self._sign("connection", {"sub": user_id, "exp": expires_at, "end": ends_at, "cid": id})

    def read_connection_token(self, token: str) -> Opening:
        """Return what a connection token opens; raise `InvalidTokenError`."""
        claims = self._verify("connection", token)
        return Opening(claims["cid"], claims["sub"], float(claims["end"]), float(claims["exp"]) + _SKEW_SECONDS)

    def is_connection_of(self, connection_id: str, user_id: str) -> bool:
        """Return whether a connection was made for a user, by any process with the same key."""
        nonce, dot, proof = connection_id.partition(".")
        return bool(dot) and hmac.compare_digest(proof.encode("utf-8", "surrogatepass"), self._proof(nonce, user_id).encode())

    def _proof(self, nonce: str, user_id: str) -> str:
        text = "\0".join(["connection id", self._hub, nonce, user_id]).encode("utf-8", "surrogatepass")
        return base64.urlsafe_b64encode(hmac.digest(self._key, text, hashlib.sha256)[:16]).rstrip(b"=").decode()

    def _sign(self, use: str, claims: dict[str, Any]) -> str:
        return jwt.encode({**claims, "aud": f"signalr:{self._hub}:{use}"}, self._key, _ALGORITHM)

    def _verify(self, use: str, token: str) -> dict[str, Any]:
        audience = f"signalr:{self._hub}:{use}"
        claims = decoded(token, self._key, audience, {"require": ["exp", "sub", "end"], "verify_exp": False, "verify_iat": False})
        if self._clock() > claims["exp"] + _SKEW_SECONDS:
            raise InvalidTokenError
        return claims


def decoded(token: str, key: str | bytes, audience: str | list[str], options: Any) -> dict[str, Any]:
    """Return the claims of a signed token; raise `InvalidTokenError`, whatever a forged one makes the decoder do."""
    if not token or len(token) > _MAX_TOKEN_LENGTH:
        raise InvalidTokenError
    try:
        claims: dict[str, Any] = jwt.decode(token, key, algorithms=[_ALGORITHM], audience=audience, options=options)
    except Exception as error:  # noqa: BLE001 - its parts are read before the signature is known to be good
        raise InvalidTokenError(type(error).__name__) from None
    return claims
