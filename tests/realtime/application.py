"""A platform in one process: store, hub, and the requests of a page. `python -m tests.realtime.application DATABASE PORT MODE`.

Whoever sends ``Authorization: Bearer NAME`` is the user NAME of the organization acme; ``admin`` is an administrator.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from bifrost_store import ExecutionRef, ExecutionStatus, Scope, Store
from bifrost_store.opening.realtime import Realtime, open_realtime
from bifrost_store.realtime import Principal, item_json_for, platform_rules
from bifrost_store.realtime.routes import watch_routes
from bifrost_store.settings import StoreSettings
from bifrost_store.signalr import Hub, Server

ORG = Scope.organization("acme")
KEY = b"k" * 32


async def principal_of(request: Request) -> Principal | None:
    kind, _, name = request.headers.get("authorization", "").partition(" ")
    return Principal(name, ORG, is_administrator=name == "admin") if kind == "Bearer" and name else None


def items_route(store: Callable[[], Store]) -> Callable[[Request], Awaitable[Response]]:
    """Return what a page reads by: every platform has a request of the kind."""

    async def items(request: Request) -> Response:
        principal = await principal_of(request)
        run = await store().executions.get(ORG, request.path_params["id"])
        if principal is None or run is None or (run.executed_by != principal.user_id and not principal.is_administrator):
            return Response(status_code=404)
        after = request.query_params.get("after")
        page = await store().execution_data.items(run.scope, run.execution_id, after=after, limit=500)
        shown = [item_json_for(item, details=principal.is_administrator) for item in page]
        body = {"items": [one for one in shown if one is not None], "after": page.after, "isLast": page.is_last}
        return JSONResponse({**body, "status": run.status.value})

    return items


def application(settings: StoreSettings, public_url: str, *, publishes: bool = True, clients_per_hub: bool = True) -> Starlette:
    """Return one process of the platform, which is reached at *public_url*."""
    hub = Hub(key=KEY, public_url=f"{public_url}/hub", sticky=clients_per_hub)
    opened: list[Realtime] = []

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_realtime(
            hub, settings, may_watch=platform_rules, key=KEY, poll_seconds=0.05, publishes=publishes
        ) as realtime:
            opened.append(realtime)
            app.router.routes += [Mount("/api/signalr", routes=watch_routes(realtime.watchers, principal_of))]
            yield

    async def write(request: Request) -> Response:
        """Record a run in this process, line by line."""
        count, pause = int(request.query_params["lines"]), float(request.query_params["pause"])
        store = opened[0].store
        ref = ExecutionRef(ORG, request.path_params["id"])
        async with store.execution_data.recording(ref, capture=False) as recording:
            for number in range(count):
                recording.log("debug" if number % 5 == 0 else "info", f"line {number}")
                await asyncio.sleep(pause)
        await store.executions.complete(ref, ExecutionStatus.SUCCESS)
        return Response(status_code=204)

    async def connections(request: Request) -> Response:
        return JSONResponse({"connections": hub.counters.connections, "groups": sorted(hub.groups())})

    return Starlette(
        routes=[
            Route("/items/{id}", items_route(lambda: opened[0].store)),
            Route("/write/{id}", write, methods=["POST"]),
            Route("/connections", connections),
            Mount("/hub", hub),
        ],
        lifespan=lifespan,
    )


def main(database: str, port: str, public_url: str, mode: str) -> None:
    settings = StoreSettings(sqlite_path=database)
    app = application(settings, public_url, publishes="publishes" in mode, clients_per_hub="many" not in mode)
    config = uvicorn.Config(app, port=int(port), log_level="warning", timeout_graceful_shutdown=2)
    Server(config).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
