"""What is told to pages as it happens: a SignalR hub beside the API, which a page may watch runs through that it may see."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route

from bifrost_store.console.access import Principal
from bifrost_store.console.asking import as_json, principal_of
from bifrost_store.realtime import Principal as Watcher
from bifrost_store.realtime import Watchers
from bifrost_store.realtime.routes import watch_routes
from bifrost_store.signalr import Hub, Limits
from bifrost_store.signalr.gate import ANY

_OPERATOR: Final = "console"
"""Whoever holds the token, to the hub, which knows users alone."""
_LIMITS: Final = Limits(connections=2_000, connections_per_user=1_000)
"""Every tab of whoever holds the token is one user's."""


def console_hub() -> Hub:
    """Return a hub for `Live`: the guard in front of it has checked hosts and origins."""
    return Hub(allowed_hosts=[ANY], sticky=True, limits=_LIMITS)


class Live:
    """Answers about what is told of.

    Args:
        hub: Made by `console_hub`, of this process.
        watchers: Let its clients watch.
    """

    def __init__(self, hub: Hub, watchers: Watchers) -> None:
        self._hub = hub
        self._watchers = watchers

    def routes(self) -> list[BaseRoute]:
        """Return what is answered here."""
        joining = [route for route in watch_routes(self._watchers, _watcher) if route.path != "/negotiate"]
        negotiate = Route("/api/hub/negotiate", self._negotiate, methods=["POST"])
        return [negotiate, Mount("/api/hub", routes=joining), Mount("/hub", self._hub)]

    async def _negotiate(self, request: Request) -> Response:
        """Answer with the hub's address as the page reaches the console, and a ticket for it."""
        origin = urlsplit(request.headers["origin"])
        url = f"{origin.scheme}://{origin.netloc}{request.scope.get('root_path', '')}/hub"
        found = await self._hub.negotiate(_watcher_of(principal_of(request)).user_id, url=url)
        return as_json({"url": found.url, "accessToken": found.access_token})


async def _watcher(request: Request) -> Watcher:
    return _watcher_of(principal_of(request))


def _watcher_of(principal: Principal) -> Watcher:
    return Watcher(principal.user_id or _OPERATOR, principal.scope, principal.is_admin)
