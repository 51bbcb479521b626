"""A browser at the example application: it connects where it is sent to, and keeps what it is told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import azure.functions as func

from tests.signalr.raw import HANDSHAKE, framed, unframed

Functions = dict[str, Any]


async def post(functions: Functions, name: str, headers: dict[str, str], body: Any = None) -> tuple[int, Any]:
    """Return what one of the functions ``negotiate``, ``join`` and ``leave`` answers."""
    content = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    request = func.HttpRequest("POST", f"http://localhost/api/signalr/{name}", headers=headers, body=content)
    response = await functions[name](request)
    return response.status_code, json.loads(response.get_body() or b"null")


class Browser:
    """One connection.

    Attributes:
        connection_id: What the application is told to let watch.
        frames: Everything that came over the wire.
    """

    def __init__(self, connection_id: str) -> None:
        self.connection_id = connection_id
        self.frames: list[str] = []
        self._came = asyncio.Condition()

    def told(self, target: str) -> list[dict[str, Any]]:
        """Return what it was told of under a name."""
        return [record["arguments"][0] for record in self._records() if record.get("target") == target]

    def lines(self) -> list[str]:
        """Return the lines that it shows: what it is told again is dropped."""
        found, last = [], 0
        for record in self._records():
            body = record.get("arguments", [{}])[0]
            if body.get("covers", [0])[0] == last + 1:
                found += [line["message"] for line in body.get("lines", [])]
                last = body["covers"][1]
        return found

    def _records(self) -> list[dict[str, Any]]:
        return [record for frame in self.frames for record in unframed(frame)]

    async def until(self, is_so: Any) -> None:
        """Wait until what it was told is as a test wants it."""
        async with self._came:
            await self._came.wait_for(is_so)

    async def keep(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        async for message in socket:
            async with self._came:
                self.frames.append(message.data)
                self._came.notify_all()


@asynccontextmanager
async def browser(functions: Functions, headers: dict[str, str]) -> AsyncIterator[Browser]:
    """Connect as somebody."""
    status, found = await post(functions, "negotiate", headers)
    assert status == 200, found
    bearer = {"Authorization": f"Bearer {found['accessToken']}"}
    async with aiohttp.ClientSession() as session:
        url = found["url"].replace("/client/?", "/client/negotiate?") + "&negotiateVersion=1"
        async with session.post(url, headers=bearer) as response:
            connection = await response.json()
        address = f"{found['url']}&id={connection['connectionToken']}&access_token={found['accessToken']}"
        async with session.ws_connect(address) as socket:
            await socket.send_str(framed(HANDSHAKE))
            assert await socket.receive_str() == framed({})
            opened = Browser(connection["connectionId"])
            task = asyncio.create_task(opened.keep(socket))
            yield opened
            task.cancel()
