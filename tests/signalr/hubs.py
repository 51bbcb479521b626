"""A hub for tests: whoever names himself as a bearer token is let in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from starlette.requests import Request

from bifrost_store.signalr import Connection, Hub, HubError


async def who(request: Request) -> str | None:
    kind, _, name = request.headers.get("authorization", "").partition(" ")
    return name if kind == "Bearer" else None


def build_hub(**options: Any) -> Hub:
    """Return a hub with a few methods."""
    hub = Hub(who, **{"sticky": True, **options})

    @hub.on("Join")
    async def join(connection: Connection, group: str) -> bool:
        await hub.add_to_group(connection.id, group)
        return True

    @hub.on("emit")
    async def emit(connection: Connection, group: str, *values: object) -> None:
        for value in values:
            await hub.send_to_group(group, "said", connection.user_id, value)

    @hub.on("echo")
    async def echo(connection: Connection, *values: object) -> object:
        return values

    @hub.on("boom")
    async def boom(connection: Connection) -> None:
        raise ValueError("a secret")

    @hub.on("refuse")
    async def refuse(connection: Connection) -> None:
        raise HubError("not today")

    @hub.on("ask")
    async def ask(connection: Connection) -> object:
        return await hub.invoke(connection.id, "whoami")

    return hub


async def until(condition: Callable[[], Any]) -> None:
    """Wait until what another thread does makes something true."""
    while not condition():  # noqa: ASYNC110 - it is another thread's
        await asyncio.sleep(0.005)
