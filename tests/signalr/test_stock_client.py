"""The stock client against a hub, each behind a real server."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bifrost_store.signalr import Connection, Hub
from tests.signalr.hubs import build_hub
from tests.signalr.serving import serving
from tests.signalr.stock import StockClients, StockError

pytestmark = pytest.mark.anyio
TRANSPORTS = ["WebSockets", "LongPolling"]


@pytest.fixture
def hub() -> Hub:
    return build_hub()


@pytest.fixture
def url(hub: Hub) -> Iterator[str]:
    with serving(hub, hub) as url:
        yield url


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_calls_both_ways(stock: StockClients, hub: Hub, url: str, transport: str) -> None:
    """A client calls methods, hears errors, is sent to by group, user and id, and answers what it is asked."""
    told = {"token": "ada", "targets": ["said", "note"], "results": {"whoami": "me"}}
    id = await stock.start("a", url, transport=transport, **told)

    assert await stock.invoke("a", "join", "g") is True
    assert await stock.invoke("a", "Emit", "g", 1, {"x": "ø"}, None) is None
    assert await stock.invoke("a", "ask") == "me"
    assert f"{transport}Transport".replace("WebSocketsT", "WebSocketT") == await stock.order("transport", name="a")
    for call, text in {
        "boom": "An unexpected error occurred invoking 'boom'",
        "refuse": "not today",
        "nope": "Unknown hub",
    }.items():
        with pytest.raises(StockError, match=text) as failure:
            await stock.invoke("a", call)
        assert "secret" not in str(failure.value)
    with pytest.raises(StockError, match="no streams"):
        await stock.order("stream", name="a", target="count", args=[3])
    await hub.send_to_user("ada", "note", 1)
    await hub.send_to_connection(id, "note", 2)
    await hub.send_to_all("note", 3)
    await hub.send_to_user("bob", "note", "not for ada")
    await hub.send_to_group("h", "note", "not for ada")
    await stock.until(lambda: ("note", [3]) in stock.messages("a"))
    said = [("said", ["ada", value]) for value in (1, {"x": "ø"}, None)]

    assert [*said, ("note", [1]), ("note", [2]), ("note", [3])] == stock.messages("a")
    assert await hub.is_connection_of(id, "ada")
    assert not await hub.is_connection_of(id, "bob")


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_closed_client_goes_and_one_that_may_reconnect_comes_back(
    stock: StockClients, hub: Hub, url: str, transport: str
) -> None:
    """Close without leave ends a connection with its text; a hub that stops lets clients come back with a new id."""
    id = await stock.start("a", url, transport=transport, token="ada", reconnect=[0, 0, 0])
    await hub.close_connection(id, "go away")
    await stock.until(lambda: stock.seen("a", "close"))
    assert "go away" in stock.seen("a", "close")[0]["error"]

    first = await stock.start("b", url, transport=transport, token="bob", reconnect=[0] * 1000)
    loop = hub._switchboard.loop
    assert loop is not None
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(restart(hub), loop))
    await stock.until(lambda: stock.seen("b", "reconnected"))
    assert first != stock.seen("b", "reconnected")[0]["id"]


async def restart(hub: Hub) -> None:
    await hub.stop()
    await hub.__aenter__()


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_client_that_stops_is_gone(stock: StockClients, hub: Hub, url: str, transport: str) -> None:
    """A stopped client leaves nothing behind, and its end is told to the application."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    @hub.on_disconnected
    async def told(connection: Connection) -> None:
        loop.call_soon_threadsafe(ended.set)

    await stock.start("a", url, transport=transport, token="ada")
    await stock.invoke("a", "join", "g")
    await stock.order("stop", name="a")
    await ended.wait()

    assert [] == hub.connections()
    assert 0 == hub.counters.connections


async def test_who_is_not_known_is_not_let_in(stock: StockClients, url: str) -> None:
    """Without a token the start fails, with 401."""
    with pytest.raises(StockError, match="401"):
        await stock.start("a", url)
