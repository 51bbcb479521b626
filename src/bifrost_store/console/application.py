"""The ASGI application."""

from __future__ import annotations

import json
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp

from bifrost_store.console.access import SESSION_SECONDS, Access
from bifrost_store.console.costs import Costs, Measure
from bifrost_store.console.dashboards import Dashboards
from bifrost_store.console.feeds import Feeds
from bifrost_store.console.guard import Guard
from bifrost_store.console.live import Live
from bifrost_store.console.logs import Logs
from bifrost_store.console.migration import AskMigration, Migrations
from bifrost_store.console.refusals import bad_request
from bifrost_store.console.results import Results
from bifrost_store.console.runs import Runs
from bifrost_store.console.site import Site
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.costing.aside import measured_aside
from bifrost_store.store import Store

_MOST_BYTES: Final = 4_096
"""Of the body that exchanges the token."""


def console_app(
    store: Store,
    access: Access,
    *,
    live: Live | None = None,
    ask_migration: AskMigration | None = None,
    measure: Measure = measured_aside,
    clock: Clock = utc_now,
) -> ASGIApp:
    """Return the console of *store*, for any ASGI server; it may be mounted below a path.

    The store must be open while it serves, in the event loop that serves.

    Args:
        access: Whom to let in.
        live: Tells pages what happens; None: they read now and then.
        ask_migration: Tells where a migration stands; None: there are not two stores between which one could go on.
        measure: Finds out what calls are charged, once somebody asks what a month costs.
        clock: Tells the time.

    Raises:
        ConfigurationError: The page was not built.
    """
    routes: list[BaseRoute] = [
        Route("/api/session", _Sessions(access).open, methods=["POST"]),
        *Runs(store, clock, is_live=live is not None).routes(),
        *Dashboards(store, clock).routes(),
        *Feeds(store, clock).routes(),
        *Migrations(ask_migration, clock).routes(),
        *Costs(store, clock, measure).routes(),
        *Logs(store).routes(),
        *Results(store).routes(),
        *([] if live is None else live.routes()),
        *Site().routes(),
    ]
    # A bare router: what is raised passes through to the guard, which tells all errors in one shape.
    return Guard(Router(routes), access)


class _Sessions:
    def __init__(self, access: Access) -> None:
        self._access = access

    async def open(self, request: Request) -> Response:
        """Exchange the token for a cookie that no script can read, and no other site can send."""
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > _MOST_BYTES:
                raise bad_request("the body is too long")
        try:
            token = json.loads(body)["token"]
            assert isinstance(token, str)
        except (ValueError, TypeError, KeyError, AssertionError, RecursionError):
            raise bad_request('the body must be {"token": "..."}') from None
        host = request.headers["host"]
        response = Response(status_code=204)
        response.set_cookie(
            self._access.cookie_name(host),
            self._access.session(token),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="strict",
            secure=request.headers.get("origin", "").startswith("https:"),
        )
        return response
