"""What a run leaves: its lines, searched, outlined and downloaded; its variables and states."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from typing import Any, Final, get_args

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from bifrost_store.console.access import Principal
from bifrost_store.console.asking import as_json, choices, count, principal_of, run_of
from bifrost_store.console.outline import Slice
from bifrost_store.console.refusals import bad_request, refused
from bifrost_store.console.shown import shown_page
from bifrost_store.core.clock import format_time
from bifrost_store.core.terminals import harmless
from bifrost_store.documents import Execution
from bifrost_store.protocols import ItemsPage, Level, LogLine
from bifrost_store.realtime import item_json
from bifrost_store.repository_protocols.execution_data import ItemType
from bifrost_store.store import Store

_PAGE: Final = 500
_SLICES: Final = 10
"""Pages that one request for the outline reads."""
_MOST_BYTES: Final = 1_000_000
"""Of a page that has several items: so much a browser takes in between two frames."""


class Logs:
    """Answers about what the runs of *store* leave."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def routes(self) -> list[Route]:
        """Return what is answered here."""
        run = "/api/runs/{scope}/{id}"
        return [
            Route(f"{run}/items", self._items),
            Route(f"{run}/find", self._find),
            Route(f"{run}/outline", self._outline),
            Route(f"{run}/variables", self._variables),
            Route(f"{run}/log.txt", self._text),
            Route(f"{run}/log.jsonl", self._json_lines),
        ]

    async def _items(self, request: Request) -> Response:
        """Items after or before a cursor, or the last ones (``from=end``); by default lines."""
        run, query = await run_of(self._store, request), request.query_params
        types = _types(request)
        limit, level = count(request, "limit", default=100, most=_PAGE), _level(request)
        after, before, data = query.get("after"), query.get("before"), self._store.execution_data

        async def read(limit: int) -> ItemsPage:
            if query.get("from") == "end":
                return await data.last(run.scope, run.execution_id, limit=limit, types=types, level=level, fallback=False)
            return await data.items(
                run.scope, run.execution_id, after=after, before=before, limit=limit, types=types, level=level, fallback=False
            )

        return await _fitting(read, limit, principal_of(request))

    async def _find(self, request: Request) -> Response:
        """Lines that hold ``text``, from the beginning or after a cursor."""
        run, query, principal = await run_of(self._store, request), request.query_params, principal_of(request)
        level = _level(request)

        async def read(limit: int) -> ItemsPage:
            return await self._store.execution_data.find(
                run.scope,
                run.execution_id,
                query.get("text", ""),
                after=query.get("after"),
                limit=limit,
                level=level,
                in_tracebacks=principal.is_admin,
                fallback=False,
            )

        return await _fitting(read, count(request, "limit", default=100, most=_PAGE), principal)

    async def _outline(self, request: Request) -> Response:
        """What lines there are, by slices of a page each, from the beginning or after a cursor."""
        run = await run_of(self._store, request)
        slices, ended = list[dict[str, Any]](), dict[int, int]()
        after, page = request.query_params.get("after"), None
        while page is None or not (page.is_last or len(slices) == _SLICES):
            page = await self._lines(run, after, _level(request))
            found = Slice.of(page)
            if found is not None:
                slices.append(found.shown())
            ended |= page.ended
            after = page.after
        return as_json({"slices": slices, "after": after, "isLast": page.is_last, "isLive": page.is_live, "ended": ended})

    async def _variables(self, request: Request) -> Response:
        """The last variables, or those with a ``count``."""
        run = await run_of(self._store, request)
        _demand_admin(request)
        number = count(request, "count", default=0, most=10**9)
        found = await self._store.execution_data.variables(run.scope, run.execution_id, count=number or None, fallback=False)
        return as_json(None if found is None else item_json(found))

    async def _text(self, request: Request) -> Response:
        run = await run_of(self._store, request)
        return _download(run, "log", "text/plain; charset=utf-8", self._pages(request, run, _as_text))

    async def _json_lines(self, request: Request) -> Response:
        run = await run_of(self._store, request)
        lines = self._pages(request, run, lambda line: f"{json.dumps(item_json(line))}\n")
        return _download(run, "jsonl", "application/x-ndjson", lines)

    async def _pages(self, request: Request, run: Execution, spell: Callable[[LogLine], str]) -> AsyncIterator[bytes]:
        after, is_last, is_admin = None, False, principal_of(request).is_admin
        while not is_last:
            page = await self._lines(run, after, _level(request))
            lines = [line if is_admin else replace(line, traceback=None) for line in page if isinstance(line, LogLine)]
            yield "".join(map(spell, lines)).encode("utf-8", "backslashreplace")
            after, is_last = page.after, page.is_last

    async def _lines(self, run: Execution, after: str | None, level: Level | None) -> ItemsPage:
        return await self._store.execution_data.items(
            run.scope, run.execution_id, after=after, limit=_PAGE, types=["log"], level=level, fallback=False
        )


async def _fitting(read: Callable[[int], Awaitable[ItemsPage]], limit: int, principal: Principal) -> Response:
    """Answer with the page that *read* returns for *limit* items, or for fewer, where those are too large for one answer."""
    while True:
        page = await read(limit)
        answer = as_json(shown_page(page, principal))
        if len(answer.body) <= _MOST_BYTES or len(page) <= 1:
            return answer
        limit = max(1, len(page) * _MOST_BYTES // max(len(answer.body), 2 * _MOST_BYTES))


def _types(request: Request) -> Sequence[ItemType]:
    types = request.query_params.get("types", "log").split(",")
    known = [kind for kind in get_args(ItemType) if kind in types]
    if len(known) < len(types):
        raise bad_request(f"types: must be one or more of {', '.join(get_args(ItemType))}")
    if known != ["log"]:
        _demand_admin(request)
    return known


def _level(request: Request) -> Level | None:
    """Return the least level: DEBUG lines are for administrators."""
    given = choices(request, "level", Level)
    if given is not None and len(given) > 1:
        raise bad_request("level: must be one")
    least = given[0] if given else None
    return least if principal_of(request).is_admin else max(least or Level.INFO, Level.INFO, key=lambda level: level.rank)


def _demand_admin(request: Request) -> None:
    if not principal_of(request).is_admin:
        raise refused("variables and states are for administrators")


def _as_text(line: LogLine) -> str:
    data = "" if line.data is None else f"  {json.dumps(line.data, ensure_ascii=False)}"
    traceback = "" if line.traceback is None else f"\n{line.traceback.rstrip()}"
    return harmless(f"{format_time(line.timestamp)} {line.level.upper():8} {line.message}{data}{traceback}") + "\n"


def _download(run: Execution, ending: str, media_type: str, content: AsyncIterator[bytes]) -> Response:
    headers = {"content-disposition": f'attachment; filename="{run.execution_id}.{ending}"'}
    return StreamingResponse(content, headers=headers, media_type=media_type)
