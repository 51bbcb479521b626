"""An HTTP proxy before Table Storage, Blob Storage or Cosmos DB that fails on demand.

It stands between the SDK and the service (or its emulator), so that the SDK and everything above it are the real ones. The
signature of a request covers its path but not its host: point ``TableEndpoint``, ``BlobEndpoint`` or ``AccountEndpoint`` at
`FaultProxy.url`. An account of Cosmos DB names an endpoint of its own, to which the SDK turns; the emulator names the one that
it was asked at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

import anyio
from aiohttp import ClientSession, web
from typing_extensions import override
from yarl import URL

_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "date", "server"})
_LARGEST_BODY: Final = 64 * 1024 * 1024
_ASKING: Final = ("x-ms-documentdb-isquery", "x-ms-cosmos-is-query-plan-request")
"""Headers of Cosmos DB that make a POST a question."""


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """A request as it arrived: method, path with query, body, and headers, whose names ignore case."""

    method: str
    path: str
    body: bytes = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def is_write(self) -> bool:
        """Whether it can change anything."""
        return self.method not in ("GET", "HEAD") and not any(self.headers.get(name) for name in _ASKING)


class Dropped(Exception):  # noqa: N818 - not an error of the proxy
    """Raised by a reaction: close the connection without an answer."""


class Reaction:
    """What the proxy does to a request; this one lets it pass."""

    async def before(self, request: SeenRequest) -> web.Response | None:
        """Return the answer to give instead of forwarding *request*, or None; may raise `Dropped`."""
        return None

    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        """Return the answer to give, *answer* being the service's; may raise `Dropped`."""
        return answer


@dataclass(frozen=True, slots=True)
class Answer(Reaction):
    """Answers in the service's place."""

    status: int
    code: str = "InjectedFault"
    headers: Mapping[str, str] = field(default_factory=dict)

    @override
    async def before(self, request: SeenRequest) -> web.Response:
        body = f'{{"odata.error":{{"code":"{self.code}","message":{{"lang":"en-US","value":"{self.code}"}}}}}}'
        headers = {"x-ms-error-code": self.code, **self.headers}
        return web.Response(status=self.status, text=body, headers=headers, content_type="application/json")


class DropBefore(Reaction):
    """Closes the connection; the service never hears of the request."""

    @override
    async def before(self, request: SeenRequest) -> None:
        raise Dropped


class DropAfter(Reaction):
    """Closes the connection once the service has answered: what was asked is done, and nobody is told."""

    @override
    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        raise Dropped


@dataclass(frozen=True, slots=True)
class Freeze(Reaction):
    """Says nothing for a while, then closes the connection; the service never hears of the request."""

    seconds: float = 30

    @override
    async def before(self, request: SeenRequest) -> None:
        await anyio.sleep(self.seconds)
        raise Dropped


class Late(Reaction):
    """Closes the connection, and keeps the request: `FaultProxy.deliver` lets it through.

    Attributes:
        kept: What has not arrived yet.
    """

    def __init__(self) -> None:
        self.kept: list[SeenRequest] = []

    @override
    async def before(self, request: SeenRequest) -> None:
        self.kept.append(request)
        raise Dropped


@dataclass(slots=True)
class _Rule:
    reaction: Reaction
    when: Callable[[SeenRequest], bool]
    skip: int
    times: int | None


class FaultProxy:
    """Forwards to *upstream* (``http://host:port``) what no rule catches.

    Attributes:
        seen: Every request so far.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        self._upstream = f"{parts.scheme}://{parts.netloc}"
        self._rules: list[_Rule] = []
        self._port = 0
        self.seen: list[SeenRequest] = []

    @property
    def url(self) -> str:
        """Where it listens: ``http://127.0.0.1:<port>``."""
        return f"http://127.0.0.1:{self._port}"

    def react(
        self,
        reaction: Reaction,
        *,
        when: Callable[[SeenRequest], bool] = lambda request: request.is_write,
        skip: int = 0,
        times: int | None = None,
    ) -> None:
        """Meet requests with *reaction*: those that *when* picks, but for the first *skip*, and at most *times* of them."""
        self._rules.append(_Rule(reaction, when, skip, times))

    def clear(self) -> None:
        """Forget all rules and what was seen."""
        self._rules.clear()
        self.seen.clear()

    async def __aenter__(self) -> Self:
        """Start listening on a free port."""
        self._session = ClientSession(auto_decompress=False)
        application = web.Application(client_max_size=_LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        """Close all connections."""
        with anyio.CancelScope(shield=True):
            await self._runner.cleanup()
            await self._session.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        seen = SeenRequest(request.method, request.raw_path, await request.read(), request.headers)
        self.seen.append(seen)
        reaction = self._reaction(seen)
        try:
            answer = await reaction.before(seen)
            return answer if answer is not None else await reaction.after(seen, await self.deliver(seen))
        except Dropped:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()

    def _reaction(self, request: SeenRequest) -> Reaction:
        for rule in self._rules:
            if not rule.when(request) or rule.times == 0:
                continue
            if rule.skip > 0:
                rule.skip -= 1
                continue
            if rule.times is not None:
                rule.times -= 1
            return rule.reaction
        return Reaction()

    async def deliver(self, seen: SeenRequest) -> web.Response:
        """Let the service answer a request, now or long after it was made."""
        url = URL(self._upstream + seen.path, encoded=True)
        headers = [(name, value) for name, value in seen.headers.items() if name.lower() != "transfer-encoding"]
        sending = self._session.request(
            seen.method,
            url,
            headers=headers,
            data=seen.body,
            allow_redirects=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "User-Agent", "Content-Type"),
        )
        async with sending as answer:
            kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in _HOP_BY_HOP]
            return web.Response(status=answer.status, body=await answer.read(), headers=dict(kept))
