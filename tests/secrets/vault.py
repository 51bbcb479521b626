"""A Key Vault on this machine, as far as reading goes, from the documentation of its REST interface.

"Get Secret" (`GET {vault}/secrets/{name}/{version}?api-version=...`), "Authentication, requests and responses" (the challenge), and
"Azure Key Vault throttling guidance" (429) of Microsoft's reference.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from aiohttp import web
from azure.core.credentials import AccessToken

from bifrost_store.emulator.wire.certificate import make_certificate

TENANT = "00000000-1111-2222-3333-444444444444"
TOKEN = "the-bearer-token"


@dataclass
class Vault:
    """What it holds, and what it was asked.

    Attributes:
        versions: By name in lower case, the oldest first: version and value.
        disabled: Names of secrets whose present version is.
        broken: What every request with a token is answered instead: status, code, headers; or a body as it stands; or nothing.
        requests: Path and whether a token came with it.
        resource: Whom a token must be for, as the challenge says.
    """

    url: str = ""
    certificate: Path = Path()
    versions: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    disabled: set[str] = field(default_factory=set)
    broken: tuple[int, str, dict[str, str]] | bytes | None = None
    requests: list[tuple[str, bool]] = field(default_factory=list)
    resource: str = "https://vault.azure.net"

    def put(self, name: str, value: str) -> str:
        """Store a new version and return it."""
        version = uuid4().hex
        self.versions.setdefault(name.lower(), []).append((version, value))
        return version

    @property
    def answered(self) -> int:
        """How many requests came with a token."""
        return sum(has_token for _, has_token in self.requests)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request."""
        has_token = request.headers.get("Authorization") == f"Bearer {TOKEN}"
        self.requests.append((request.path, has_token))
        if not request.query.get("api-version"):
            return _error(400, "BadParameter", "api-version must be specified")
        if not has_token:
            address = f"https://login.microsoftonline.com/{TENANT}"
            challenge = f'Bearer authorization="{address}", resource="{self.resource}"'
            return _error(401, "Unauthorized", "AKV10000: Request is missing a token.", {"WWW-Authenticate": challenge})
        if isinstance(self.broken, bytes):
            return web.Response(body=self.broken, content_type="application/json")
        if self.broken is not None:
            status, code, headers = self.broken
            return _error(status, code, "said by the vault", headers)
        return self._secret(request.match_info["name"], request.match_info.get("version") or None)

    def _secret(self, name: str, version: str | None) -> web.Response:
        if name.lower() in self.disabled and version is None:
            inner = {"innererror": {"code": "SecretDisabled"}}
            return _error(403, "Forbidden", "Operation get is not allowed on a disabled secret.", more=inner)
        found = [one for one in self.versions.get(name.lower(), []) if version in (None, one[0])]
        if not found:
            return _error(404, "SecretNotFound", f"A secret with (name/id) {name} was not found in this key vault.")
        attributes = {"enabled": True, "created": 1_700_000_000, "updated": 1_700_000_000, "recoveryLevel": "Recoverable"}
        body = {"value": found[-1][1], "id": f"{self.url}/secrets/{name}/{found[-1][0]}", "attributes": attributes}
        return web.json_response(body)


class Credential:
    """An identity that is given a token for whatever it asks, and notes that."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[str, ...], Any]] = []

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        self.asked.append((scopes, options.get("tenant_id")))
        return AccessToken(TOKEN, 2**40)

    async def close(self) -> None:
        pass

    async def __aenter__(self) -> Credential:
        return self

    async def __aexit__(self, *details: object) -> None:
        pass


@asynccontextmanager
async def run_vault(folder: Path) -> AsyncIterator[Vault]:
    """Serve a vault by HTTPS on a free port; its certificate is put into *folder*."""
    context, authority = make_certificate("127.0.0.1")
    certificate = folder / "vault.pem"
    await asyncio.to_thread(certificate.write_text, authority)
    vault = Vault(certificate=certificate)
    app = web.Application()
    app.add_routes([web.get("/secrets/{name}/{version:.*}", vault.answer), web.get("/secrets/{name}", vault.answer)])
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    vault.url = f"https://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield vault
    finally:
        await runner.cleanup()


def _error(
    status: int, code: str, message: str, headers: dict[str, str] | None = None, more: dict[str, Any] | None = None
) -> web.Response:
    text = json.dumps({"error": {"code": code, "message": message, **(more or {})}})
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)
