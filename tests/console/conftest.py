"""A console on an empty store, asked without a server between."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from bifrost_store import GLOBAL, Execution, Scope, Store
from bifrost_store.console import Access, console_app
from bifrost_store.console.costs import Measure
from bifrost_store.console.live import Live, console_hub
from bifrost_store.console.migration import AskMigration
from bifrost_store.core.clock import Clock as StoreClock
from bifrost_store.core.clock import utc_now
from bifrost_store.costing.aside import measured_aside
from bifrost_store.opening.realtime import open_realtime
from bifrost_store.realtime import platform_rules
from bifrost_store.settings import StoreSettings

HOST = "127.0.0.1:8765"
TOKEN = "t" * 43
SECRET = "s" * 32
JUNIPER = Scope.organization("juniper")


@dataclass
class Clock:
    """Seconds since 1970."""

    seconds: float = 1_800_000_000

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Console:
    """A console, its store, and what its clock says."""

    store: Store
    client: httpx.AsyncClient
    now: Clock = field(default_factory=Clock)

    async def enter(self) -> None:
        """Exchange the token for a cookie, as the page does."""
        answer = await self.client.post("/api/session", json={"token": TOKEN}, headers={"origin": f"http://{HOST}"})
        assert 204 == answer.status_code

    async def get(self, path: str, headers: Mapping[str, str] | None = None, **query: Any) -> httpx.Response:
        return await self.client.get(f"/api/{path}", params=query, headers=headers)

    async def post(self, path: str, headers: Mapping[str, str] | None = None, body: object = None) -> httpx.Response:
        return await self.client.post(f"/api/{path}", headers={"origin": f"http://{HOST}", **(headers or {})}, json=body)

    async def run(self, scope: Scope = GLOBAL, **fields: Any) -> Execution:
        given = {"workflow_name": "sync", "executed_by": "kim@x.example", "executed_by_name": "Kim", **fields}
        return await self.store.executions.create(scope, **given)


def user(name: str = "kim@x.example", organization: str = "", **headers: str) -> dict[str, str]:
    """Headers by which the proxy names somebody."""
    named = {"x-bifrost-proxy-secret": SECRET, "x-user-id": name, **headers}
    return named | ({"x-organization-id": organization} if organization else {})


@asynccontextmanager
async def open_console(
    path: Path,
    *,
    proxy_secret: str | None = SECRET,
    store_clock: StoreClock = utc_now,
    measure: Measure = measured_aside,
    ask_migration: AskMigration | None = None,
    **options: Any,
) -> AsyncIterator[Console]:
    clock = Clock()
    settings, hub = StoreSettings(backend="sqlite", sqlite_path=str(path / "console.db"), **options), console_hub()
    async with hub, open_realtime(hub, settings, may_watch=platform_rules, clock=store_clock) as opened:
        store = opened.store
        await store.provision()
        access, live = Access({HOST}, TOKEN, proxy_secret, now=clock), Live(hub, opened.watchers)
        app = console_app(store, access, live=live, ask_migration=ask_migration, measure=measure, clock=store_clock)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=f"http://{HOST}") as client:
            yield Console(store, client, clock)


@pytest.fixture
async def console(tmp_path: Path) -> AsyncIterator[Console]:
    """A console that was entered with its token."""
    async with open_console(tmp_path) as console:
        await console.enter()
        yield console


@pytest.fixture
async def closed_console(tmp_path: Path) -> AsyncIterator[Console]:
    """A console that nobody has entered."""
    async with open_console(tmp_path) as console:
        yield console
