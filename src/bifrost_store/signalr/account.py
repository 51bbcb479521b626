"""Where an Azure SignalR Service is, and what requests to it are signed with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self
from urllib.parse import urlsplit

import jwt

_SCOPE: Final = "https://signalr.azure.com/.default"
_REQUEST_TOKEN_SECONDS: Final = 300


class AsyncCredential(Protocol):
    """A credential of ``azure.identity.aio``."""

    async def get_token(self, *scopes: str) -> Any:
        """Return something with a ``token``."""
        ...


@dataclass(frozen=True)
class Account:
    """A service.

    Args:
        endpoint: Its address, without a path.
        key: Its access key, or None where a *credential* serves.
        client_endpoint: Where clients reach it, if elsewhere.
    """

    endpoint: str
    key: str | None = field(repr=False)
    credential: AsyncCredential | None = field(repr=False, default=None)
    client_endpoint: str | None = None

    @classmethod
    def of(cls, connection_string: str | None, endpoint: str | None, credential: AsyncCredential | None) -> Self:
        """Return the account that arguments name; raise ValueError where they do not name one."""
        if (connection_string is None) == (endpoint is None):
            raise ValueError("give either a connection string or an endpoint")
        parts = {"endpoint": endpoint or ""} if connection_string is None else _parts(connection_string)
        address = parts.get("endpoint", "").rstrip("/")
        found = urlsplit(address)
        if found.scheme not in ("http", "https") or not found.netloc or found.path:
            raise ValueError("the service's endpoint is missing or no address, as https://<name>.service.signalr.net")
        if "port" in parts:
            address = f"{found.scheme}://{found.hostname}:{int(parts['port'])}"
        key = parts.get("accesskey")
        if (key is None) == (credential is None):
            raise ValueError("the service needs an access key in its connection string, or a credential, and not both")
        return cls(address, key, credential, parts.get("clientendpoint", "").rstrip("/") or None)

    def client_url(self, hub: str) -> str:
        """Return where clients of a hub connect."""
        return f"{self.client_endpoint or self.endpoint}/client/?hub={hub}"

    async def authorization(self, url: str) -> str:
        """Return the header that lets a request to a url, without its query, pass."""
        if self.credential is not None:
            return f"Bearer {(await self.credential.get_token(_SCOPE)).token}"
        assert self.key is not None
        now = int(time.time())
        return f"Bearer {jwt.encode({'aud': url, 'iat': now, 'exp': now + _REQUEST_TOKEN_SECONDS}, self.key, 'HS256')}"


def _parts(connection_string: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in connection_string.split(";") if part.strip()]
    return {name.strip().lower(): value.strip() for name, _, value in pairs}
