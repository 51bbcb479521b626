"""Replays the recorded calls through the function objects that the worker would call."""

from __future__ import annotations

import base64
import importlib
import json
import pkgutil
import re
import sys
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock
from urllib.parse import parse_qsl, unquote, urlsplit
from uuid import UUID

import azure.functions as func
import pytest

from bifrost_store import Store, repositories
from bifrost_store.testing.clock import SettableClock

HERE = Path(__file__).parent
APP = HERE.parents[2] / "examples" / "functions_app"
CALLS = [json.loads(line) for line in (HERE / "calls.jsonl").read_text("utf-8").splitlines()]
REFERENCE = re.compile(r"\$\{(\w+)\.(\w+)\}")
SLASH = re.compile("(%2f)", re.IGNORECASE)
OPAQUE = {"etag", "location"}
"""Headers that each backend fills in its own way. Of them, only their presence is compared."""


@dataclass(frozen=True)
class Route:
    """An HTTP function, and which requests the worker sends to it."""

    method: str
    path: str
    pattern: re.Pattern[str]
    function: Callable[[func.HttpRequest], Awaitable[func.HttpResponse]]


class Replay:
    """One run through the recorded calls, over a store that the caller opened."""

    def __init__(self, store: Store, clock: SettableClock, monkeypatch: pytest.MonkeyPatch) -> None:
        functions = registered()
        from bifrost_functions import opened, timers

        monkeypatch.setattr(opened, "_store", store)
        monkeypatch.setattr(timers, "present_moment", clock)
        monkeypatch.setattr("bifrost_functions.blueprints.schedules.present_moment", clock)
        fix_randomness(monkeypatch)
        self._clock = clock
        self._functions = {one.get_function_name(): one for one in functions}
        self._routes = sorted(routes(functions), key=lambda route: "(?P" in route.pattern.pattern)
        self._named: dict[str, dict[str, Any]] = {}

    async def answers(self, calls: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Make *calls* and return what is compared of each answer."""
        return [await self._answer(one) for one in calls]

    async def _answer(self, call: dict[str, Any]) -> dict[str, Any]:
        self._clock.advance(seconds=1)
        if "timer" in call:
            self._clock.now += timedelta(minutes=call["minutesLater"])
            await self._functions[call["timer"]].get_user_function()(Mock(spec=func.TimerRequest))
            return {"timer": call["timer"]}
        request, route = self._request(call)
        response = await route.function(request)
        answer = {"call": f"{call['method']} {call['path']}", "status": response.status_code, "type": response.mimetype}
        body = response.get_body().decode("utf-8")
        if "as" in call:
            self._named[call["as"]] = {**json.loads(body), "etag": response.headers.get("ETag")}
        headers = {name: "(opaque)" if name.lower() in OPAQUE else value for name, value in sorted(response.headers.items())}
        return {**answer, "headers": headers, "body": body}

    def _request(self, call: dict[str, Any]) -> tuple[func.HttpRequest, Route]:
        filled: dict[str, Any] = json.loads(REFERENCE.sub(self._filled, json.dumps(call)))
        url = urlsplit(f"/api/{filled['path']}")
        for route in self._routes:
            match = route.pattern.fullmatch(url.path)
            if match is not None and route.method == call["method"]:
                break
        else:
            raise LookupError(f"no function takes {call['method']} {call['path']}")
        request = func.HttpRequest(
            method=call["method"],
            url=f"http://localhost{url.path}",
            headers=filled.get("headers", {}),
            params=dict(parse_qsl(url.query)),
            route_params={name: as_the_host_decodes(part) for name, part in match.groupdict().items()},
            body=_body(filled),
        )
        return request, route

    def _filled(self, match: re.Match[str]) -> str:
        text = self._named[match[1]][match[2]]
        return json.dumps(text)[1:-1]


def as_the_host_decodes(part: str) -> str:
    """Return a part of a path as ASP.NET Core gives it to functions: everything decoded, but for slashes."""
    return "".join(one if SLASH.fullmatch(one) else unquote(one) for one in SLASH.split(part))


@cache
def registered() -> list[Any]:
    """Return the functions of the application as the worker finds them; it may ask only once."""
    sys.path.insert(0, str(APP))
    import function_app

    return list(function_app.app.get_functions())


def routes(functions: list[Any]) -> Iterator[Route]:
    """Return the HTTP functions as they are registered."""
    for one in functions:
        trigger = one.get_trigger().get_dict_repr()
        if trigger["type"] == "httpTrigger":
            pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", f"/api/{trigger['route']}")
            for method in trigger["methods"]:
                yield Route(str(getattr(method, "value", method)), trigger["route"], re.compile(pattern), one.get_user_function())


def fix_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every run make the same ids and keys, in the order in which they are asked for."""
    count = iter(range(1, 10**6))

    def uuid4() -> UUID:
        return UUID(int=(next(count) << 80) | 0x4000_8000_0000_0000_0000, version=4)

    for found in pkgutil.walk_packages(repositories.__path__, f"{repositories.__name__}."):
        importlib.import_module(found.name)
    for name, module in list(sys.modules.items()):
        if name.startswith(("bifrost_store.repositories.", "bifrost_functions.")) and hasattr(module, "uuid4"):
            monkeypatch.setattr(module, "uuid4", uuid4)
    monkeypatch.setattr("bifrost_store.repositories.executions.repository.new_execution_id", lambda _: str(uuid4()))
    secrets = SimpleNamespace(token_urlsafe=lambda size: f"not-secret-{next(count)}-{size}")
    monkeypatch.setattr("bifrost_store.repositories.api_keys.secrets", secrets)


def _body(call: dict[str, Any]) -> bytes:
    if "base64" in call:
        return base64.b64decode(call["base64"])
    return call["text"].encode() if "text" in call else json.dumps(call["json"]).encode() if "json" in call else b""
