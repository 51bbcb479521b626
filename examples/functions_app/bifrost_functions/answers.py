"""From what a handler returns, or raises, to an HTTP answer; and how a handler becomes a function of the worker."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

import azure.functions as func

from bifrost_functions import opened
from bifrost_functions.call import Call
from bifrost_functions.refusals import RefusedError, signalr_status_of, status_of
from bifrost_store import Page
from bifrost_store.errors import StoreError, ThrottledError
from bifrost_store.signalr import SignalRError

Handler = Callable[[Call], Awaitable[func.HttpResponse]]


class Model(Protocol):
    """A document of the library."""

    @property
    def etag(self) -> str:
        """Its version."""
        ...

    def model_dump(self, *, mode: str, by_alias: bool, exclude: set[str]) -> dict[str, Any]:
        """Return it as JSON."""
        ...


def endpoint(blueprint: func.Blueprint, method: str, route: str, *, is_open: bool = False) -> Callable[[Handler], Handler]:
    """Register a handler as an HTTP function under its own name. Unless it *is_open*, callers must be known users."""

    def register(handler: Handler) -> Handler:
        async def answered(req: func.HttpRequest) -> func.HttpResponse:
            return await _answer(handler, req, is_open)

        answered.__name__, answered.__doc__ = handler.__name__, handler.__doc__
        blueprint.route(route=route, methods=[method])(answered)
        return handler

    return register


def document(model: Model, status: int = 200) -> func.HttpResponse:
    """Answer with a document; its etag stands in the header, where ``If-Match`` takes it from."""
    return as_json(shown(model), status, {"ETag": f'"{model.etag}"'} if model.etag else {})


def items(page: Page[Any]) -> func.HttpResponse:
    """Answer with a list, and where the next page begins. Documents that cannot be read are named, not hidden."""
    unreadable = [{"code": type(one).__name__, "key": one.key} for one in page.unreadable]
    content = {"items": [shown(one) for one in page], "continuationToken": page.continuation_token}
    return as_json({**content, "unreadable": unreadable} if unreadable else content)


def as_json(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """Answer with any JSON."""
    body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    return func.HttpResponse(body, status_code=status, headers=dict(headers or {}), mimetype="application/json", charset="utf-8")


def file(content: bytes, content_type: str, headers: Mapping[str, str] | None = None) -> func.HttpResponse:
    """Answer with bytes, which no browser shall take for anything else than they are said to be."""
    safe = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox", **(headers or {})}
    return func.HttpResponse(content, status_code=200, headers=safe, mimetype=content_type)


def nothing() -> func.HttpResponse:
    """Answer that it is done."""
    return func.HttpResponse(status_code=204)


def deleted(was_there: bool, what: str) -> func.HttpResponse:
    """Answer to a deletion."""
    return nothing() if was_there else _error(404, "NotFound", f"{what} does not exist", is_retryable=False)


def shown(model: Model, *, without: Sequence[str] = ()) -> dict[str, Any]:
    """Return the JSON of a document. Its etag is left to the header: it differs from backend to backend."""
    return model.model_dump(mode="json", by_alias=True, exclude={"etag", *without})


async def _answer(handler: Handler, request: func.HttpRequest, is_open: bool) -> func.HttpResponse:
    try:
        call = Call(await opened.store(), request)
        if not is_open:
            call.demand_user()
        return await handler(call)
    except RefusedError as refused:
        return _error(refused.status, refused.code, str(refused), is_retryable=False)
    except StoreError as error:
        headers = {}
        if isinstance(error, ThrottledError) and error.retry_after_seconds is not None:
            headers["Retry-After"] = str(max(1, math.ceil(error.retry_after_seconds)))
        return _error(status_of(error), type(error).__name__, str(error), is_retryable=error.is_retryable, headers=headers)
    except SignalRError as error:
        status, code = signalr_status_of(error)
        return _error(status, code, str(error), is_retryable=error.is_retryable)


def _error(
    status: int, code: str, message: str, *, is_retryable: bool, headers: Mapping[str, str] | None = None
) -> func.HttpResponse:
    return as_json({"error": {"code": code, "message": message, "isRetryable": is_retryable}}, status, headers)
