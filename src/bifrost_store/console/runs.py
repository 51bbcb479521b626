"""Runs: listed, shown, cancelled; and who asks, with the scopes there are."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bifrost_store.console.asking import as_json, choices, count, moment, principal_of, run_of, scope_of
from bifrost_store.console.shown import shown_run
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import ExecutionStatus
from bifrost_store.protocols import ExecutionFilter
from bifrost_store.store import Store

_PAGE, _LARGEST_PAGE = 50, 500


class Runs:
    """Answers about the runs of *store*.

    Args:
        is_live: Pages may connect to a hub.
    """

    def __init__(self, store: Store, clock: Clock, *, is_live: bool) -> None:
        self._store = store
        self._clock = clock
        self._is_live = is_live

    def routes(self) -> list[Route]:
        """Return what is answered here."""
        return [
            Route("/api/me", self._me),
            Route("/api/scopes", self._scopes),
            Route("/api/runs/{scope}", self._list),
            Route("/api/runs/{scope}/{id}", self._run),
            Route("/api/runs/{scope}/{id}/cancel", self._cancel, methods=["POST"]),
        ]

    async def _me(self, request: Request) -> Response:
        principal = principal_of(request)
        return as_json(
            {
                "id": principal.user_id,
                "name": principal.name,
                "isAdmin": principal.is_admin,
                "scope": principal.scope.value,
                "places": self._store.places if principal.is_admin else [],
                "isLive": self._is_live,
                "now": format_time(self._clock()),
            }
        )

    async def _scopes(self, request: Request) -> Response:
        """The scopes that whoever asks may see, GLOBAL first, the others by name."""
        principal = principal_of(request)
        own = {"scope": principal.scope.value, "name": principal.scope.organization_id or "Global"}
        if not principal.is_admin:
            return as_json([own])
        organizations = await self._store.organizations.list(active_only=False)
        found = [{"scope": f"org-{one.id}", "name": one.name} for one in organizations]
        return as_json([{"scope": GLOBAL.value, "name": "Global"}, *found])

    async def _list(self, request: Request) -> Response:
        """Runs, the newest first; filters ``status``, ``workflow``, ``user``, ``form``, ``since``, ``until``."""
        scope, principal, query = scope_of(request), principal_of(request), request.query_params
        where = ExecutionFilter(
            user=query.get("user") if principal.is_admin else principal.user_id,
            workflow=query.get("workflow"),
            form=query.get("form"),
            statuses=choices(request, "status", ExecutionStatus),
            since=moment(request, "since"),
            until=moment(request, "until"),
        )
        limit = count(request, "limit", default=_PAGE, most=_LARGEST_PAGE)
        page = await self._store.executions.list(scope, where, limit=limit, continuation_token=query.get("cursor"))
        shown: dict[str, Any] = {
            "runs": [shown_run(run) for run in page],
            "next": page.continuation_token,
            "unreadable": len(page.unreadable),
            "now": format_time(self._clock()),
        }
        return as_json(shown)

    async def _run(self, request: Request) -> Response:
        run = await run_of(self._store, request)
        return as_json({**shown_run(run), "input": run.input_data, "now": format_time(self._clock())})

    async def _cancel(self, request: Request) -> Response:
        run = await run_of(self._store, request)
        return as_json(shown_run(await self._store.executions.cancel(run)))
