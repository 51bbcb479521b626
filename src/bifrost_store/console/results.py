"""A run's result: as JSON, or as the page that it is, where nothing of it can run or reach anything."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bifrost_store.console.asking import as_json, run_of
from bifrost_store.console.refusals import not_found
from bifrost_store.store import Store

_POLICY: Final = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""Without scripts, requests, forms and an origin: HTML that a workflow made is nobody's to trust."""


class Results:
    """Answers about the results of the runs of *store*."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Return what is answered here."""
        return [Route("/api/runs/{scope}/{id}/result", self._result), Route("/api/runs/{scope}/{id}/result.html", self._html)]

    async def _result(self, request: Request) -> Response:
        result = await self._store.executions.load_result(await run_of(self._store, request))
        return as_json(None if result is None else {"type": result.type, "value": result.value})

    async def _html(self, request: Request) -> Response:
        result = await self._store.executions.load_result(await run_of(self._store, request))
        if result is None or result.type != "html" or not isinstance(result.value, str):
            raise not_found()
        content = result.value.encode("utf-8", "replace")
        return Response(content, media_type="text/html; charset=utf-8", headers={"content-security-policy": _POLICY})
