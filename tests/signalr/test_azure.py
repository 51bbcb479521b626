"""`AzureSignalR` against the local service, with the stock client; and against services that fail."""

from __future__ import annotations

import asyncio
import contextlib
import io
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import aiohttp
import jwt
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from bifrost_store.signalr import (
    AccessDeniedError,
    AzureSignalR,
    ConnectionNotFoundError,
    InvalidMessageError,
    LocalService,
    MessageTooLargeError,
    SignalRError,
    ThrottledError,
    UnavailableError,
)
from tests.signalr.raw import HANDSHAKE, framed, rest, unframed
from tests.signalr.serving import serving
from tests.signalr.stock import StockClients, StockError

pytestmark = pytest.mark.anyio


class World(NamedTuple):
    service: LocalService
    url: str
    sender: AzureSignalR

    async def redirect(self, user: str) -> dict[str, str]:
        negotiation = await self.sender.negotiate(user)
        return {"url": negotiation.url, "accessToken": negotiation.access_token}


@contextlib.asynccontextmanager
async def world(**options: Any) -> AsyncIterator[World]:
    service = LocalService(**options)
    with serving(service, service) as url:
        async with AzureSignalR(service.connection_string(url), hub="Logs") as sender:
            yield World(service, url, sender)


def negotiating(sender: AzureSignalR) -> Any:
    """Return an application's own route, which answers whoever names himself as a bearer token."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        request = Request(scope, receive)
        found = await sender.negotiate(request.headers["authorization"].removeprefix("Bearer "))
        answer = {"url": found.url, "accessToken": found.access_token}
        await JSONResponse(answer)(scope, receive, send)

    return app


@pytest.mark.parametrize("transport", ["WebSockets", "LongPolling"])
async def test_the_stock_client_by_a_redirecting_negotiation(stock: StockClients, transport: str) -> None:
    """Clients listen to hub, group, user and connection; whose a connection is can be asked; one that leaves hears no more."""
    async with world() as (_, _, sender):
        with serving(negotiating(sender), lifespan="off") as api:
            options = {"transport": transport, "targets": ["line"]}
            ada = await stock.start("a", f"{api}/api", token="ada", **options)
            bob = await stock.start("b", f"{api}/api", token="bob/ø ?#", **options)
        assert [True, False, True, False] == [
            await sender.is_connection_of(id, user)
            for id, user in [(ada, "ada"), (ada, "bob/ø ?#"), (bob, "bob/ø ?#"), ("x" * 22, "ada")]
        ]
        await sender.add_to_group(ada, "runs/ø ?#")
        await sender.send_to_group("runs/ø ?#", "line", 1, {"a": [None, "\ud83d\ude00 ø"]})
        await sender.send_to_user("bob/ø ?#", "line", 2)
        await sender.send_to_connection(ada, "line", 3)
        await sender.remove_from_group(ada, "runs/ø ?#")
        await sender.send_to_group("runs/ø ?#", "line", "too late")
        await sender.send_to_all("line", 4)
        await stock.until(lambda: all(("line", [4]) in stock.messages(name) for name in "ab"))

        assert [[1, {"a": [None, "😀 ø"]}], [3], [4]] == [args for _, args in stock.messages("a")]
        assert [[2], [4]] == [args for _, args in stock.messages("b")]
        await sender.close_connection(ada, "enough")
        await stock.until(lambda: stock.seen("a", "close"))
        assert "enough" in stock.seen("a", "close")[0]["error"]
        with pytest.raises(ConnectionNotFoundError):
            await sender.add_to_group(ada, "g")
        for gone in (sender.remove_from_group(ada, "g"), sender.close_connection(ada), sender.send_to_connection(ada, "line")):
            await gone


async def test_a_client_of_the_service_that_calls_is_disconnected(stock: StockClients) -> None:
    """Serverless clients only listen: as by the service, the call fails with the connection."""
    async with world() as here:
        with serving(negotiating(here.sender), lifespan="off") as api:
            await stock.start("a", f"{api}/api", token="ada")
            with pytest.raises(StockError):
                await stock.invoke("a", "join", "g")
            await stock.until(lambda: stock.seen("a", "close"))


async def test_with_an_identity_the_service_signs_for_clients() -> None:
    """Without a key, requests carry the credential's token, and clients get one that the service made."""

    class Credential:
        async def get_token(self, *scopes: str) -> Any:
            assert scopes == ("https://signalr.azure.com/.default",)
            return SimpleNamespace(token="of-entra")

    async with world(identity_tokens=["of-entra"]) as here:
        async with AzureSignalR(endpoint=here.url, credential=Credential(), hub="logs") as sender:
            found = await sender.negotiate("ada")
            assert 200 == await status_of(f"{here.url}/client/negotiate?hub=logs", found.access_token)
            await sender.send_to_all("line", 1)
        async with AzureSignalR(f"Endpoint={here.url};AuthType=azure.msi;Version=1.0", credential=Credential()) as sender:
            await sender.send_to_all("line", 1)


async def status_of(url: str, token: str, method: str = "POST", **options: Any) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.request(method, url, headers=headers, **options) as response:
        return response.status


async def test_the_local_service_takes_only_what_is_signed_for_it_and_still_good() -> None:
    """Signature, audience and expiry are checked of clients and of requests."""
    async with world() as here:
        key, now = here.service._key, int(time.time())
        client, api = f"{here.url}/client/?hub=logs", f"{here.url}/api/hubs/logs/:send"
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"exp": now + 60}, "another key, which is long enough for it"),
            ({"exp": now - 60}, key),
            ({}, key),
            ({"exp": now + 60, "aud": "http://elsewhere"}, key),
            ({"exp": now + 60, "aud": client.replace("logs", "other")}, key),
        ]
        for url, target in ((client, f"{here.url}/client/negotiate?hub=logs"), (api, f"{api}?api-version=2022-06-01")):
            for claims, signed_with in wrong:
                token = jwt.encode({"aud": url, **claims}, signed_with, "HS256")
                assert 401 == await status_of(target, token, json={"target": "x", "arguments": []}), claims
        good = jwt.encode({"aud": api, "exp": now + 60}, key, "HS256")
        with_query = jwt.encode({"aud": f"{api}?api-version=2022-06-01", "exp": now + 60}, key, "HS256")
        cases: list[tuple[str, dict[str, Any], int]] = [
            (good, {"json": {"target": "x", "arguments": []}}, 202),
            (with_query, {"json": {"target": "x", "arguments": []}}, 202),
            (good, {"data": '{"target": "x", "arguments": [NaN]}'}, 400),
            (good, {"data": "nothing"}, 400),
            (good, {"json": {"target": "x"}}, 400),
            (good, {"data": io.BytesIO(b"x" * 2_000_000)}, 413),
        ]
        for token, body, status in cases:
            assert status == await status_of(f"{api}?api-version=2022-06-01", token, **body)
        assert 400 == await status_of(f"{api}?api-version=1999-01-01", good, json={"target": "x", "arguments": []})


async def test_a_socket_needs_its_token_as_well() -> None:
    """The connection's secret alone opens nothing at the service; with the token in the query, as browsers send it, it does."""
    async with world() as here, aiohttp.ClientSession() as session:
        found = await here.sender.negotiate("ada")
        headers = {"Authorization": f"Bearer {found.access_token}"}
        async with session.post(f"{here.url}/client/negotiate?hub=logs&negotiateVersion=1", headers=headers) as response:
            answer = await response.json()
        socket_url = f"{here.url}/client/?hub=logs&id={answer['connectionToken']}"
        with pytest.raises(aiohttp.WSServerHandshakeError, match="401"):
            await session.ws_connect(socket_url)
        socket = await session.ws_connect(f"{socket_url}&access_token={found.access_token}")
        await socket.send_str(framed(HANDSHAKE))
        assert [{}] == unframed(await socket.receive_str())
        await socket.send_str(framed({"type": 6}, {"type": 1, "target": "x", "arguments": []}))
        assert "may only listen" in (await rest(socket))[-1]["error"]
        await socket.close()


@pytest.mark.parametrize("name", ["..", ".", "", " ", "x" * 1025, "\udc80", None, 5])
async def test_names_that_would_mean_something_else_are_refused(name: Any) -> None:
    """A group named ``..`` would be everybody by its path; nothing is asked."""
    async with AzureSignalR("Endpoint=http://127.0.0.1:9;AccessKey=" + "k" * 40) as sender:
        for call in (
            sender.send_to_group(name, "x"),
            sender.send_to_user(name, "x"),
            sender.send_to_connection(name, "x"),
            sender.add_to_group("c", name),
            sender.add_to_group(name, "g"),
            sender.is_connection_of(name, "u"),
            sender.negotiate(name),
        ):
            with pytest.raises(InvalidMessageError):
                await call


@contextlib.asynccontextmanager
async def failing(answer: Callable[[int], Response | None], **options: Any) -> AsyncIterator[tuple[AzureSignalR, list[str]]]:
    """A service that answers request after request as told; None: not at all."""
    asked: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        asked.append(scope["method"])
        response = answer(len(asked))
        if response is None:
            await receive()
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await response(scope, receive, send)

    with serving(app, lifespan="off") as url:
        async with AzureSignalR(f"Endpoint={url};AccessKey={'k' * 40};", **options) as sender:
            yield sender, asked


@pytest.mark.parametrize(
    ("status", "error", "sendings", "joinings"),
    [
        (400, InvalidMessageError, 1, 1),
        (401, AccessDeniedError, 1, 1),
        (403, AccessDeniedError, 1, 1),
        (404, ConnectionNotFoundError, 1, 1),
        (413, MessageTooLargeError, 1, 1),
        (429, ThrottledError, 3, 3),
        (500, UnavailableError, 1, 3),
        (503, UnavailableError, 3, 3),
        (302, UnavailableError, 1, 3),
    ],
)
async def test_a_service_that_fails(status: int, error: type[SignalRError], sendings: int, joinings: int) -> None:
    """Each answer is an error of its own; what may have arrived is not sent again, what may be asked twice is."""
    async with failing(lambda _: Response("details", status, headers={"Location": "http://x"})) as (sender, asked):
        with pytest.raises(error) as caught:
            await sender.send_to_all("line", 1)
        assert sendings == len(asked)
        with pytest.raises(error):
            await sender.add_to_group("c", "g")

        assert sendings + joinings == len(asked)
        assert str(status) in str(caught.value)
        assert caught.value.is_retryable == (status in (429, 500, 503, 302))


async def test_a_service_that_answers_nothing() -> None:
    """It is given up after the time-out, and so is one that cannot be reached; both may be tried again."""
    async with failing(lambda _: None, timeout_seconds=0.5) as (sender, asked):
        with pytest.raises(UnavailableError, match="in time"):
            await sender.send_to_all("line")
        assert len(asked) <= 1
    async with AzureSignalR(f"Endpoint=http://127.0.0.1:9;AccessKey={'k' * 40};") as sender:
        with pytest.raises(UnavailableError, match="reached"):
            await sender.send_to_all("line")


async def test_what_the_service_asks_for_is_waited() -> None:
    """A short Retry-After is waited out; during a long one nothing is asked, and the caller is told how long it is."""
    short = Response("", 429, headers={"Retry-After": "0.05"})
    async with failing(lambda number: short if number == 1 else Response("", 202)) as (sender, asked):
        await sender.send_to_all("line")
        assert 2 == len(asked)
    long = Response("", 429, headers={"Retry-After": "3600"})
    async with failing(lambda _: long) as (sender, asked):
        for _ in range(3):
            with pytest.raises(ThrottledError) as caught:
                await sender.send_to_all("line")
            assert caught.value.retry_after_seconds is not None
            assert 3_000 < caught.value.retry_after_seconds <= 3_600

        assert 1 == len(asked)


async def test_what_cannot_be_sent_is_not_sent() -> None:
    """NaN, things that are no JSON, and what is too large raise before anything is asked."""
    async with failing(lambda _: Response("", 202)) as (sender, asked):
        for wrong in (float("nan"), float("inf"), object(), {1j: 1}, b"x"):
            with pytest.raises(InvalidMessageError):
                await sender.send_to_all("line", wrong)
        with pytest.raises(MessageTooLargeError):
            await sender.send_to_all("line", "x" * 1_000_001)

        assert [] == asked


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "Endpoint=https://x",
        "AccessKey=k",
        "Endpoint=x;AccessKey=k",
        "Endpoint=ftp://x;AccessKey=k",
        "Endpoint=http://x/y;AccessKey=k",
    ],
)
async def test_a_connection_string_without_what_is_needed_is_refused(wrong: str) -> None:
    """The error says what is missing, and not what the key is."""
    with pytest.raises(ValueError, match="the service"):
        AzureSignalR(wrong)


async def test_a_call_from_another_thread_uses_the_same_connections() -> None:
    """A recorder's thread with a loop of its own may send too."""
    async with world() as here:
        await here.sender.send_to_all("line")
        await asyncio.to_thread(lambda: asyncio.run(here.sender.send_to_all("line")))
