"""The page itself, as it was built."""

from __future__ import annotations

import html
from importlib import resources
from pathlib import Path
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope
from typing_extensions import override

from bifrost_store.console.refusals import not_found

FOLDER: Final = Path(str(resources.files("bifrost_store.console") / "page"))
_METHODS: Final = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_BASE: Final = '<base href="/" />'
"""In the built page: assets and the API are found from here, wherever the application is mounted."""


class _Assets(StaticFiles):
    """Files whose names hold a digest of their content: they never change."""

    @override
    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers["cache-control"] = "public, max-age=31536000, immutable"
        return response


class Site:
    """Serves the page for every address that is not the API's: the page's own router reads it."""

    def __init__(self) -> None:
        self._page = (FOLDER / "index.html").read_text("utf-8")

    def routes(self) -> list[Route | Mount]:
        """Return what is answered here; they must come last."""
        return [
            Mount("/assets", _Assets(directory=FOLDER / "assets")),
            Route("/api/{path:path}", self._nothing, methods=_METHODS),
            Route("/{path:path}", self._index),
            Route("/{path:path}", self._nothing, methods=_METHODS),
        ]

    async def _index(self, request: Request) -> Response:
        base = html.escape(request.scope.get("root_path", "") + "/")
        page = self._page.replace(_BASE, f'<base href="{base}" />')
        return Response(page, media_type="text/html; charset=utf-8", headers={"cache-control": "no-cache"})

    async def _nothing(self, _: Request) -> Response:
        raise not_found()
