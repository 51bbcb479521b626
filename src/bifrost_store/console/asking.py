"""What a request asks for, and answers as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from bifrost_store.console.access import Principal
from bifrost_store.console.refusals import RefusalError, bad_request, not_found
from bifrost_store.core.clock import as_utc
from bifrost_store.core.scope import SYSTEM, Scope
from bifrost_store.documents import Execution
from bifrost_store.errors import InvalidKeyError
from bifrost_store.store import Store

E = TypeVar("E", bound=StrEnum)


def as_json(values: Any) -> Response:
    """Return *values* as an answer. ASCII alone: half surrogate pairs, which UTF-8 cannot hold, pass as they are.

    Raises:
        RefusalError: They are nested more deeply than JSON is written.
    """
    try:
        text = json.dumps(values, separators=(",", ":"))
    except RecursionError:
        raise RefusalError(422, "this is nested too deeply to be shown") from None
    return Response(text, media_type="application/json")


def principal_of(request: Request) -> Principal:
    """Return who asks."""
    found = request.state.principal
    assert isinstance(found, Principal)
    return found


def scope_of(request: Request) -> Scope:
    """Return the scope that the address names."""
    try:
        scope = Scope(request.path_params["scope"])
    except InvalidKeyError:
        raise not_found() from None
    if scope == SYSTEM or not (principal_of(request).is_admin or scope == principal_of(request).scope):
        raise not_found()
    return scope


def admin_only(request: Request) -> None:
    """Let administrators pass; for others there is nothing here."""
    if not principal_of(request).is_admin:
        raise not_found()


async def run_of(store: Store, request: Request) -> Execution:
    """Return the run that the address names, if whoever asks may see it."""
    try:
        run = await store.executions.get(scope_of(request), request.path_params["id"], fallback=False)
    except InvalidKeyError:
        raise not_found() from None
    if run is None or not principal_of(request).may_see(run.scope, run.executed_by):
        raise not_found()
    return run


def count(request: Request, name: str, *, default: int, most: int) -> int:
    """Return a parameter that is a whole number from 1."""
    text = request.query_params.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):
        raise bad_request(f"{name}: must be a whole number from 1 to {most}")
    return int(text)


def moment(request: Request, name: str) -> datetime | None:
    """Return a parameter that is a date and time."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return as_utc(datetime.fromisoformat(text))
    except ValueError:
        raise bad_request(f"{name}: must be a date and time as in 2025-11-20T12:00:00Z") from None


def choices(request: Request, name: str, kind: type[E]) -> Sequence[E] | None:
    """Return a parameter that names members of *kind*, separated by commas."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        return [kind(part) for part in text.split(",")]
    except ValueError:
        raise bad_request(f"{name}: must be one or more of {', '.join(kind)}") from None
