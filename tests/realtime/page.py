"""A page that watches a run: what `docs/howto/watch-runs-live.md` says, over the stock SignalR client."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp

from tests.signalr.stock import StockClients, StockError

TARGETS = ["executionLog", "executionVariables", "executionState", "executionStatus", "resync"]
T = TypeVar("T")
FINAL = ("Success", "Failed")


@dataclass
class Page:
    """Shows the lines of one run.

    Attributes:
        shown: Lines in the order in which they came to be shown.
        last: Of each recording, the number up to which everything is here.
    """

    stock: StockClients
    http: aiohttp.ClientSession
    url: str
    user: str
    execution_id: str
    name: str = "page"
    shown: dict[tuple[int, int], dict[str, Any]] = field(default_factory=dict)
    last: dict[int, int] = field(default_factory=dict)
    cursor: str | None = None
    status: str = ""
    reads: int = 0
    gaps: int = 0
    joins: int = 0

    async def open(self) -> None:
        """Connect, join, and read what is there."""
        await self.attempt(self._connect)
        await self._begin()

    async def _connect(self) -> None:
        await self.stock.start(self.name, f"{self.url}/api/signalr", token=self.user, targets=TARGETS, reconnect=[0] * 10_000)

    async def watch(self) -> None:
        """Show what comes, until the run has ended and everything is here."""
        seen = self._seen()
        while self.status not in FINAL:
            await self._more_than(seen)
            events, seen = self._events()[seen:], self._seen()
            if any(one["event"] == "reconnected" for one in events) or not events:
                await self._begin()
                continue
            if any(one["event"] == "close" for one in events):
                await self.open()
                continue
            told = [one for one in events if one["event"] == "message"]
            await self._take([one["args"][0] for one in told if one["target"] != "resync"])
            if any(one["target"] == "resync" for one in told):
                await self._read()
        await self._read()

    async def _more_than(self, seen: int) -> None:
        """Wait until more has come, or for a while: a page reads now and then even if nothing is told."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2.0):
                await self.stock.until(lambda: self._seen() > seen)

    async def _begin(self) -> None:
        """Join, and only then read: nothing falls between the two."""
        self.joins += 1
        await self.attempt(self._join)
        await self._read()

    async def _join(self) -> None:
        connection_id = await self.stock.order("id", name=self.name)
        body = {"connectionId": connection_id, "scope": "org-acme", "executionId": self.execution_id}
        async with self.http.post(f"{self.url}/api/signalr/join", json=body, headers=self._headers) as answer:
            if answer.status == 404:  # the connection has gone meanwhile; another one comes
                return
            answer.raise_for_status()
            grant = (await answer.json())["grant"]
        if grant is not None:
            await self.stock.invoke(self.name, "watch", grant)

    async def _take(self, messages: list[dict[str, Any]]) -> None:
        held = []
        for body in messages:
            if "covers" not in body:
                self.status = body["status"]
                continue
            first, last = body["covers"]
            recording = body["recording"]
            if first > self.last.get(recording, 0) + 1 or "size" in body:
                held.append(body)
                continue
            self._show(recording, last, body.get("lines", []))
        if held:
            self.gaps += 1
            await self._read()
            for body in held:  # what was there when they were sent has been read since
                self._show(body["recording"], body["covers"][1], body.get("lines", []))

    def _show(self, recording: int, last: int, lines: list[dict[str, Any]]) -> None:
        have = self.last.get(recording, 0)
        for line in lines:
            if line["number"] > have:
                self.shown[recording, line["number"]] = line
        self.last[recording] = max(have, last)

    async def _read(self) -> None:
        while True:
            page = await self.attempt(self._get)
            self.reads += 1
            for item in page["items"]:
                key = (item["recording"], item["number"])
                if item["type"] == "log" and key not in self.shown:
                    self.shown[key] = item
                self.last[item["recording"]] = max(self.last.get(item["recording"], 0), item["number"])
            self.cursor, self.status = page["after"], page["status"]
            if page["isLast"]:
                return

    async def _get(self) -> dict[str, Any]:
        query = {} if self.cursor is None else {"after": self.cursor}
        async with self.http.get(f"{self.url}/items/{self.execution_id}", params=query, headers=self._headers) as answer:
            answer.raise_for_status()
            found: dict[str, Any] = await answer.json()
            return found

    async def attempt(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call again until it comes through."""
        while True:
            try:
                return await call()
            except (aiohttp.ClientError, TimeoutError, StockError):
                await asyncio.sleep(0.05)

    @property
    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.user}"}

    def _events(self) -> list[dict[str, Any]]:
        return [one for one in self.stock.events if one["name"] == self.name]

    def _seen(self) -> int:
        return len(self._events())
