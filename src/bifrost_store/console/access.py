"""Who asks: whoever holds the console's token, or whom a trusted proxy names."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Final

from bifrost_store.console.refusals import refused, unauthorized
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.errors import ConfigurationError, InvalidKeyError

PROXY_HEADER: Final = "x-bifrost-proxy-secret"
SESSION_SECONDS: Final = 12 * 3600
LEAST_SECRET: Final = 16
"""Characters of a proxy's secret: shorter ones can be guessed."""


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    Attributes:
        user_id: As runs have it in ``executed_by``; empty for whoever holds the console's token.
        is_admin: Sees every scope, and all of a run. Others see their own runs of *scope*.
        scope: The only one that is not an administrator's may see.
    """

    user_id: str
    name: str
    is_admin: bool
    scope: Scope = GLOBAL

    def may_see(self, scope: Scope, executed_by: str) -> bool:
        """Whether a run is shown: of others, its scope and whoever started it must be the principal's own."""
        return self.is_admin or (scope == self.scope and bool(self.user_id) and executed_by == self.user_id)


OPERATOR: Final = Principal("", "console", is_admin=True)
"""Whoever holds the token: it was printed to somebody who can open the store anyway."""


@dataclass(frozen=True, slots=True)
class Access:
    """What lets a request in.

    Args:
        hosts: Names by which clients may reach the application, with the port where it is not the scheme's own, in lower case.
            Others are refused, so that no page elsewhere reaches it by a name of its own (DNS rebinding).
        token: Exchanged for a cookie by whoever knows it; None: only the proxy lets anybody in.
        proxy_secret: Sent by a proxy that has found out who asks, in the header ``X-Bifrost-Proxy-Secret``; None: no headers are
            believed.
        now: Seconds since 1970.
    """

    hosts: Collection[str]
    token: str | None = None
    proxy_secret: str | None = None
    now: Callable[[], float] = time.time
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)

    def __post_init__(self) -> None:
        if self.proxy_secret is not None and len(self.proxy_secret) < LEAST_SECRET:
            raise ConfigurationError(f"the proxy's secret has fewer than {LEAST_SECRET} characters, and could be guessed")

    def cookie_name(self, host: str) -> str:
        """Return the cookie's name: cookies know no ports, and several consoles may run on a machine."""
        return f"bifrost_console_{host.rpartition(':')[2] if ':' in host.rpartition(']')[2] else '0'}"

    def session(self, token: str) -> str:
        """Return the value of a cookie for whoever knows the token.

        Raises:
            RefusalError: It is not the console's.
        """
        if self.token is None or not _equal(token, self.token):
            raise unauthorized("this is not the token of this console; open the address that it printed when it was started")
        return self._signed(str(int(self.now()) + SESSION_SECONDS))

    def principal(self, host: str, headers: Mapping[str, str]) -> Principal:
        """Return who asks.

        Raises:
            RefusalError: Nobody who is let in.
        """
        given = headers.get(PROXY_HEADER)
        if given is not None:
            if self.proxy_secret is None or not _equal(given, self.proxy_secret):
                raise unauthorized("the proxy's secret is not the one that this console was started with")
            return _named(headers)
        if self._has_session(host, headers.get("cookie", "")):
            return OPERATOR
        if self.token is None:
            raise unauthorized("this console is reached through its proxy alone")
        raise unauthorized("no session, or it has ended; open the address that the console printed when it was started")

    def _has_session(self, host: str, cookies: str) -> bool:
        try:
            morsel = SimpleCookie(cookies).get(self.cookie_name(host))
        except CookieError:
            return False
        expiry, _, _ = (morsel.value if morsel else "").partition(".")
        is_ours = morsel is not None and _equal(morsel.value, self._signed(expiry))
        return is_ours and self.now() < int(expiry)

    def _signed(self, expiry: str) -> str:
        return f"{expiry}.{hmac.new(self._key, expiry.encode(), hashlib.sha256).hexdigest()}"


def _named(headers: Mapping[str, str]) -> Principal:
    """Return whom the proxy's headers name: those of the platform's handlers."""
    user_id = headers.get("x-user-id", "")
    if not user_id:
        raise unauthorized("the proxy named nobody: X-User-Id is missing")
    try:
        scope = Scope.of(headers.get("x-organization-id") or None)
    except InvalidKeyError as error:
        raise refused("X-Organization-Id is not an organization's id") from error
    name = headers.get("x-user-name") or user_id.partition("@")[0]
    return Principal(user_id, name, headers.get("x-platform-admin") == "true", scope)


def _equal(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass"))
