"""A client that says whatever a test wants, right or wrong."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp

END = "\x1e"
HANDSHAKE = {"protocol": "json", "version": 1}


def framed(*records: Any) -> str:
    return "".join(json.dumps(record) + END for record in records)


def unframed(frame: str) -> list[Any]:
    assert frame.endswith(END)
    return [json.loads(record) for record in frame.split(END)[:-1]]


class Raw:
    """Speaks HTTP and WebSocket to one hub."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url
        self._sockets: list[aiohttp.ClientWebSocketResponse] = []

    async def redirect(self, user: str = "ada", **headers: str) -> dict[str, Any]:
        """Negotiate at the hub, and return where to go."""
        authorization = {"Authorization": f"Bearer {user}"}
        async with self.session.post(f"{self.url}/negotiate?negotiateVersion=1", headers=authorization | headers) as response:
            assert response.status == 200, await response.text()
            return dict(await response.json())

    async def negotiate(self, user: str = "ada", version: int = 1) -> dict[str, Any]:
        """Return what a client needs to connect."""
        found = await self.redirect(user)
        status, answer = await self.post(f"{found['url']}/negotiate?negotiateVersion={version}", found["accessToken"])
        assert status == 200
        return {**json.loads(answer), "url": found["url"], "accessToken": found["accessToken"]}

    async def post(self, url: str, token: str = "", **options: Any) -> tuple[int, str]:
        async with self.session.post(url, headers={"Authorization": f"Bearer {token}"}, **options) as response:
            return response.status, await response.text()

    async def get(self, url: str) -> tuple[int, str]:
        async with self.session.get(url) as response:
            return response.status, await response.text()

    async def socket(self, token: str, **headers: str) -> aiohttp.ClientWebSocketResponse:
        """Open a WebSocket with a connection token."""
        url, patience = f"{self.url}/connect?id={token}", aiohttp.ClientWSTimeout(ws_close=1)
        socket = await self.session.ws_connect(url, headers=headers, max_msg_size=0, timeout=patience)
        self._sockets.append(socket)
        return socket

    async def close(self) -> None:
        """Close every socket, as what is collected open is a warning."""
        await asyncio.gather(*[socket.close() for socket in self._sockets])

    async def delete(self, url: str) -> int:
        async with self.session.delete(url) as response:
            return response.status

    async def connected(self, user: str = "ada") -> tuple[str, aiohttp.ClientWebSocketResponse]:
        """Return the id and the socket of a client whose handshake is done."""
        found = await self.negotiate(user)
        socket = await self.socket(found["connectionToken"])
        await socket.send_str(framed(HANDSHAKE))
        assert await socket.receive_str() == framed({})
        return found["connectionId"], socket

    async def refused(self, token: str, **headers: str) -> int:
        """Return the status that a WebSocket is refused with."""
        try:
            socket = await self.socket(token, **headers)
        except aiohttp.WSServerHandshakeError as error:
            return error.status
        await socket.close()
        return 101


@contextlib.asynccontextmanager
async def raw(url: str) -> AsyncIterator[Raw]:
    async with aiohttp.ClientSession() as session:
        client = Raw(session, url)
        yield client
        await client.close()


async def rest(socket: aiohttp.ClientWebSocketResponse) -> list[Any]:
    """Return the records that come until the end."""
    found: list[Any] = []
    async for message in socket:
        found += unframed(message.data)
    return found
