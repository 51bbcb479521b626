"""What hostile clients send and do: none gets data, none stops others, each is counted and told."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from itertools import pairwise
from typing import Any

import aiohttp
import pytest
import uvicorn
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from bifrost_store.signalr import ConnectionNotFoundError, Hub, InvalidMessageError, LimitReachedError, Limits, Reason, Server
from tests.signalr.hubs import build_hub, until
from tests.signalr.raw import HANDSHAKE, Raw, framed, raw, rest, unframed
from tests.signalr.serving import serving

pytestmark = pytest.mark.anyio


@contextlib.asynccontextmanager
async def world(hub: Hub) -> AsyncIterator[Raw]:
    with serving(hub, hub) as url:
        async with raw(url) as client:
            yield client


MALFORMED: list[str | bytes] = [
    "",
    "no end",
    "\x1e",
    framed({"type": 6}) + "rest",
    "[]\x1e",
    "nul\x1e",
    '{"type":NaN}\x1e',
    "[" * 5000 + "\x1e",
    '{"type":6' + "1" * 5000 + "}\x1e",
    framed({}),
    framed({"type": "1"}),
    framed({"type": True}),
    framed({"type": None}),
    framed({"type": 1}),
    framed({"type": 1, "target": 5, "arguments": []}),
    framed({"type": 1, "target": "echo", "arguments": {}}),
    framed({"type": 1, "target": "echo", "arguments": [], "invocationId": 5}),
    framed({"type": 4, "target": "echo", "arguments": []}),
    framed({"type": 3}),
    framed({"type": 3, "invocationId": "1", "error": 5}),
    b"\x00\xff",
]


async def test_what_is_not_the_protocol_closes_its_connection_alone() -> None:
    """Each kind is answered by Close with its reason and no leave to reconnect, and counted; others notice nothing."""
    hub = build_hub(limits=Limits(connections_per_user=100))
    async with world(hub) as client:
        _, other = await client.connected("bob")
        for frame in MALFORMED:
            _, socket = await client.connected()
            await (socket.send_bytes(frame) if isinstance(frame, bytes) else socket.send_str(frame))
            (close,) = await rest(socket)
            assert {"type", "error"} == close.keys(), frame
        await other.send_str(framed({"type": 1, "target": "echo", "arguments": [1], "invocationId": "0"}))

        assert [{"type": 3, "invocationId": "0", "result": [1]}] == unframed(await other.receive_str())
        assert len(MALFORMED) == hub.counters.refused[Reason.MALFORMED]


@pytest.mark.parametrize(
    "first",
    [{"protocol": "messagepack", "version": 1}, {"protocol": "json", "version": 2}, {"protocol": "json"}, {"type": 6}, "{]", 5],
)
async def test_a_wrong_handshake_is_told_and_ends(first: Any) -> None:
    """The answer is an error by the protocol, then the end."""
    hub = build_hub()
    async with world(hub) as client:
        socket = await client.socket((await client.negotiate())["connectionToken"])
        await socket.send_str(framed(first) if not isinstance(first, str) else f"{first}\x1e")
        (answer,) = await rest(socket)

        assert {"error"} == answer.keys()
        assert {Reason.HANDSHAKE: 1} == hub.counters.refused
        assert 0 == hub.counters.opened


async def test_nothing_is_sent_before_the_handshake_and_who_does_not_make_it_goes() -> None:
    """A client that only connects hears nothing of what is sent to all, and its time is limited."""
    hub = build_hub(limits=Limits(handshake_seconds=0.2))
    async with world(hub) as client:
        socket = await client.socket((await client.negotiate())["connectionToken"])
        await hub.send_to_all("secret")
        await hub.send_to_user("ada", "secret")

        assert [] == await rest(socket)
        assert {Reason.HANDSHAKE_TIME: 1} == hub.counters.refused


async def test_what_is_too_large_ends_its_connection() -> None:
    """More than the limit in one frame is refused; so is what the server itself does not take."""
    hub = build_hub()
    with serving(hub, hub, ws_max_size=200_000) as url:
        async with raw(url) as client:
            for size in (33_000, 300_000):
                _, socket = await client.connected()
                await socket.send_str(framed({"type": 1, "target": "echo", "arguments": ["x" * size]}))
                await rest(socket)
                await until(lambda: 0 == hub.counters.connections)

    assert {Reason.OVERSIZE: 2} == hub.counters.refused


async def test_floods_end_their_connection() -> None:
    """More records than the rate allows, pings among them, and more calls than may wait."""
    hub = build_hub(limits=Limits(burst_messages=20, messages_per_second=0.001, waiting_invocations=3))
    release = asyncio.Event()
    hub.on("wait")(waiting_for(release))
    async with world(hub) as client:
        _, first = await client.connected()
        await first.send_str(framed(*[{"type": 6}] * 21))
        assert "Too many messages." == (await rest(first))[-1]["error"]
        _, second = await client.connected()
        await second.send_str(framed(*[{"type": 1, "target": "wait", "arguments": []}] * 6))
        assert "Too many invocations wait." == (await rest(second))[-1]["error"]

        assert {Reason.FLOOD: 2} == hub.counters.refused


def waiting_for(release: asyncio.Event) -> Any:
    async def wait(connection: object) -> None:
        await release.wait()

    return wait


async def test_a_slow_client_is_told_to_read_again_then_dropped_and_holds_up_nobody() -> None:
    """While one client reads nothing, another gets every message; the slow one's queue stays bounded.

    It may be told again if the sockets, whose buffers grow, took all that waited for it in between: never twice in a row.
    """
    hub = build_hub(limits=Limits(queue_bytes=300_000, sent_message_bytes=200_000, frame_bytes=100_000))
    async with world(hub) as client:
        _, quick = await client.connected("quick")
        _, slow = await client.connected("slow")
        number = 0
        while not hub.counters.refused[Reason.SLOW]:
            await hub.send_to_all("line", number, "x" * 100_000)
            ((message,),) = [[one for one in unframed(await quick.receive_str()) if one["type"] == 1]]
            assert message["arguments"][0] == number
            number += 1
        await until(lambda: 1 == hub.counters.connections)
        heard = [one["target"] for one in await rest(slow) if one["type"] == 1]

        assert hub.counters.resyncs > 0
        assert ("resync", "resync") not in pairwise(heard)
        assert hub.counters.messages_dropped > 0
        assert set(heard) <= {"line", "resync"}
        assert len(heard) < number


async def test_a_client_that_catches_up_after_a_resync_may_go_on() -> None:
    """It hears lines, then one resync, then what came after."""
    hub = build_hub(limits=Limits(queue_bytes=300_000, sent_message_bytes=200_000, frame_bytes=100_000))
    async with world(hub) as client:
        id, slow = await client.connected("slow")
        for _ in range(2):
            before = hub.counters.resyncs
            while hub.counters.resyncs == before:
                await hub.send_to_all("line", "x" * 100_000)
            await hub.send_to_connection(id, "last", before)
            heard: list[str] = []
            while "last" not in heard:
                heard += [one["target"] for one in unframed(await slow.receive_str())]
            assert ["resync", "line", "last"] == heard[-3:]
            await until(lambda: not hub._switchboard.get(id).outbox)

        assert 2 == hub.counters.resyncs
        assert {} == hub.counters.refused


async def test_a_ticket_is_for_one_hub_and_a_minute_and_a_connection_token_for_one_connection() -> None:
    """Wrong, old and foreign ones, and one used twice, are refused before anything is sent."""
    key = b"k" * 32
    hub, other = build_hub(key=key), build_hub(key=key, name="other")
    old = build_hub(key=key, limits=Limits(ticket_seconds=1e-9))
    old._tokens._clock = lambda: time.time() - 10
    async with world(hub) as client, world(other) as foreign, world(old) as aged:
        good = await client.negotiate()
        connect = f"{client.url}/connect/negotiate?negotiateVersion=1"
        unsigned = "eyJhbGciOiJub25lIn0." + good["accessToken"].split(".")[1] + "."
        others = [(await one.redirect())["accessToken"] for one in (foreign, aged)]
        for ticket in ["", "x", unsigned, good["accessToken"] + "x", good["connectionToken"], "ada", "x" * 5000, *others]:
            assert (await client.post(connect, ticket))[0] == 401, ticket
        tokens = [(await foreign.negotiate())["connectionToken"], good["accessToken"], good["connectionId"], "", "x" * 5000]
        for token in tokens:
            assert 404 == await client.refused(token), token
        assert 101 == await client.refused(good["connectionToken"])
        assert 409 == await client.refused(good["connectionToken"])
        assert 404 == (await client.get(f"{client.url}/connect?id={tokens[0]}"))[0]

        assert {Reason.TICKET: 9, Reason.TOKEN: 6, Reason.REUSED: 1} == hub.counters.refused


async def test_foreign_pages_and_foreign_host_names_get_nothing() -> None:
    """A page elsewhere and a name that was rebound are refused, by request and by socket; what is allowed is let in."""
    hub = build_hub(allowed_hosts=["localhost", "127.0.0.1", "app.example"], allowed_origins=["https://page.example"])
    async with world(hub) as client:
        foreign = [
            {"Origin": "https://evil.example"},
            {"Origin": "null"},
            {"Origin": client.url + "0"},
            {"Host": "evil.example:80"},
        ]
        for headers in foreign:
            status = await client.refused((await client.negotiate())["connectionToken"], **headers)
            assert status == (400 if "Host" in headers else 403)
            async with client.session.post(f"{client.url}/negotiate", headers={"Authorization": "Bearer ada", **headers}) as answer:
                assert answer.status == status
                assert "Access-Control-Allow-Origin" not in answer.headers
        for headers in ({"Origin": "https://page.example"}, {"Origin": client.url}, {"Host": "APP.example:8443"}):
            assert 101 == await client.refused((await client.negotiate())["connectionToken"], **headers)
        wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,x-requested-with"}
        for origin, status in {"https://page.example": 200, "https://evil.example": 400}.items():
            async with client.session.options(f"{client.url}/negotiate", headers={"Origin": origin, **wanted}) as answer:
                assert answer.status == status
                assert (answer.headers.get("Access-Control-Allow-Origin") == origin) == (status == 200)

        assert {Reason.ORIGIN: 6, Reason.HOST: 2} == hub.counters.refused


async def test_connections_are_limited_by_user_and_in_all() -> None:
    """Those beyond are told why when they negotiate, and refused where they negotiated before; an end makes room."""
    hub = build_hub(limits=Limits(connections=3, connections_per_user=2))
    async with world(hub) as client:
        before = {user: (await client.negotiate(user))["connectionToken"] for user in ("ada", "eve")}
        sockets = [(await client.connected())[1] for _ in range(2)]
        assert "This user has too many connections." == (await client.negotiate())["error"]
        assert 429 == await client.refused(before["ada"])
        await client.connected("bob")
        assert "There are too many connections; try again later." == (await client.negotiate("eve"))["error"]
        assert 503 == await client.refused(before["eve"])
        await sockets[0].close()
        await until(lambda: 2 == hub.counters.connections)
        await client.connected()

        assert {Reason.USER_CONNECTIONS: 2, Reason.CONNECTIONS: 2} == hub.counters.refused


async def test_who_joins_what() -> None:
    """A connection's owner can be told in any process, groups are counted, and who is gone cannot be added."""
    hub = build_hub(key="k" * 32, limits=Limits(groups_per_connection=2))
    elsewhere = build_hub(key="k" * 32)
    async with world(hub) as client:
        id, socket = await client.connected()
        for process in (hub, elsewhere):
            assert await process.is_connection_of(id, "ada")
            for forged in (id[:-1], id + "x", id.replace(".", "", 1), "", ".", "x." + id.split(".")[1], id + "\udc80"):
                assert not await process.is_connection_of(forged, "ada")
            assert not await process.is_connection_of(id, "Ada")
        with pytest.raises(ConnectionNotFoundError):
            await elsewhere.add_to_group(id, "g")
        for group in ("a", "b", "b"):
            await hub.add_to_group(id, group)
        with pytest.raises(LimitReachedError):
            await hub.add_to_group(id, "c")
        await hub.remove_from_group(id, "a")
        await hub.add_to_group(id, "c")
        await socket.close()
        await until(lambda: 0 == hub.counters.connections)
        with pytest.raises(ConnectionNotFoundError):
            await hub.add_to_group(id, "g")

        assert {} == hub._switchboard._groups
        assert {} == hub._switchboard._users


async def test_a_connection_ends_with_its_authentication() -> None:
    """By a Close that allows to reconnect, which asks again who it is."""
    hub = build_hub(limits=Limits(connection_seconds=0.2))
    async with world(hub) as client:
        _, socket = await client.connected()

        assert [{"type": 7, "error": "The authentication has ended.", "allowReconnect": True}] == await rest(socket)
        assert {} == hub.counters.refused


async def test_a_silent_client_is_given_up() -> None:
    """It got pings, answered none, and ends without words."""
    hub = build_hub(limits=Limits(keep_alive_seconds=0.1, silent_seconds=0.4))
    async with world(hub) as client:
        _, socket = await client.connected()

        assert {"type": 6} in await rest(socket)
        assert {Reason.SILENT: 1} == hub.counters.refused


async def test_a_poll_ends_with_nothing_after_its_time() -> None:
    """The client then polls again."""
    async with world(build_hub(limits=Limits(poll_seconds=0.1, close_seconds=0.2))) as client:
        url = f"{client.url}/connect?id={(await client.negotiate())['connectionToken']}"

        assert [(200, ""), (200, "")] == [await client.get(url) for _ in range(2)]


async def test_polls_are_bounded_like_sockets() -> None:
    """A polling client is held to the same limits: size, protocol, one poll at a time, its own token."""
    hub = build_hub()
    async with world(hub) as client:
        found = await client.negotiate()
        url = f"{client.url}/connect?id={found['connectionToken']}"
        assert (404, 404) == ((await client.post(url, data=framed(HANDSHAKE)))[0], await client.delete(url))
        assert (200, "") == await client.get(url)
        assert 200 == (await client.post(url, data=framed(HANDSHAKE)))[0]
        assert (200, framed({})) == await client.get(url)
        first = asyncio.create_task(client.get(url))
        await until(lambda: hub._switchboard.get(found["connectionId"]).heard_at == float("inf"))
        second = asyncio.create_task(client.get(url))
        assert (204, "") == await first
        await hub.send_to_all("line", 1)
        assert (200, framed({"type": 1, "target": "line", "arguments": [1]}).replace(" ", "")) == await second
        assert 413 == (await client.post(url, data="x" * 40_000))[0]
        status, last = await client.get(url)
        assert (200, 7) == (status, unframed(last)[0]["type"])
        assert (204, "") == await client.get(url)
        assert 404 == (await client.get(url))[0] or hub.counters.refused[Reason.REUSED]

        assert 0 == hub.counters.connections


async def test_the_old_negotiation_and_wrong_methods() -> None:
    """Version 0 makes the id the secret; other methods and paths are refused."""
    hub = build_hub(sticky=False)
    async with world(hub) as client:
        found = await client.negotiate(version=0)
        assert (0, ["WebSockets"]) == (found["negotiateVersion"], [one["transport"] for one in found["availableTransports"]])
        assert "connectionToken" not in found
        assert 101 == await client.refused(found["connectionId"])
        for path, status in {"/negotiate": 405, "/connect/negotiate": 405, "/connect": 405, "/other": 404, "/": 404}.items():
            assert status == (await client.get(client.url + path))[0], path
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await client.session.ws_connect(f"{client.url}/?id=x")


async def test_what_is_signed_holds_no_more_than_needed() -> None:
    """The negotiated answer is not to be kept, and never says that stateful reconnect is there."""
    async with world(build_hub()) as client:
        found = await client.redirect()
        target = f"{found['url']}/negotiate?negotiateVersion=1&useStatefulReconnect=true"
        async with client.session.post(target, headers={"Authorization": f"Bearer {found['accessToken']}"}) as response:
            answer = json.loads(await response.text())
            assert "no-store" == response.headers["Cache-Control"]

        assert not answer.get("useStatefulReconnect")


async def test_opentelemetry_hears_how_much_and_never_who() -> None:
    """Counters are read when asked for, by hub; reasons have counters of their own."""
    reader = InMemoryMetricReader()
    hub = build_hub(name="logs", meter_provider=MeterProvider([reader]))
    async with world(hub) as client:
        _, socket = await client.connected()
        await client.refused("x")
        data = reader.get_metrics_data()
        await socket.close()
    assert data is not None
    (scope,) = json.loads(data.to_json())["resource_metrics"][0]["scope_metrics"]
    points = {metric["name"]: metric["data"]["data_points"] for metric in scope["metrics"]}
    found = {name: [(point["value"], point["attributes"]) for point in some] for name, some in points.items()}

    assert [(1, {"signalr.hub": "logs"})] == found["signalr.connections"] == found["signalr.opened"]
    assert [(1, {"signalr.hub": "logs", "signalr.reason": "token"})] == found["signalr.refused"]
    assert found["signalr.bytes_out"][0][0] == 3


async def test_a_forged_token_that_upsets_the_decoder_is_just_wrong() -> None:
    """Its header is read before its signature is checked: depth, types and bytes of it are nobody's trouble."""
    hub = build_hub()
    async with world(hub) as client:
        for header in ("[" * 2_900, '{"alg":[]}', '{"alg":"HS256","kid":5}', '{"alg":"HS256","crit":[1]}', "\x00", "NaN", '"x"'):
            token = base64.urlsafe_b64encode(header.encode()).decode().rstrip("=") + ".e30.eA"
            assert 401 == (await client.post(f"{client.url}/connect/negotiate", token))[0], header
            assert 404 == await client.refused(token)


async def test_a_dropped_client_that_reads_nothing_does_not_keep_its_socket() -> None:
    """Uvicorn would keep it, with what it was to send, for as long as the client likes; `Server` cuts it off."""
    hub = build_hub(limits=Limits(queue_bytes=300_000, sent_message_bytes=200_000))
    server = Server(uvicorn.Config(hub, log_level="warning"), hub, linger_seconds=0.2)
    with serving(hub, hub, server=server) as url:
        async with raw(url) as client:
            _, slow = await client.connected("slow")
            while not hub.counters.refused[Reason.SLOW]:
                await hub.send_to_all("line", "x" * 100_000)
                await asyncio.sleep(0)
            await until(lambda: not [one for one in server.server_state.connections if hasattr(one, "handshake_complete")])
            await slow.close()


async def test_a_client_that_asks_and_takes_no_answers_is_dropped() -> None:
    """Answers are never replaced by a resync, so their number is bounded by an end."""
    limits = Limits(queue_bytes=300_000, sent_message_bytes=200_000, messages_per_second=1e6, waiting_invocations=10_000)
    hub = build_hub(limits=limits)
    server = Server(uvicorn.Config(hub, log_level="warning"), hub, linger_seconds=0.2)
    with serving(hub, hub, server=server) as url:
        async with raw(url) as client:
            _, socket = await client.connected()
            call = framed({"type": 1, "target": "echo", "arguments": ["x" * 30_000], "invocationId": "0"})
            with contextlib.suppress(aiohttp.ClientError, ConnectionError):
                while not hub.counters.refused:
                    await socket.send_str(call)
            await until(lambda: 0 == hub.counters.connections)
            await socket.close()

    assert {Reason.SLOW: 1} == hub.counters.refused


@pytest.mark.parametrize("user", [" ", "..", "x" * 1_025, "😀" * 500])
async def test_a_user_whose_id_cannot_be_sent_is_not_let_in(user: str) -> None:
    """It is refused at once, and not with every later step."""

    async def always(_: object) -> str:
        return user

    hub = Hub(always)
    async with world(hub) as client:
        assert 401 == (await client.post(f"{client.url}/negotiate"))[0]
    with pytest.raises(InvalidMessageError):
        await hub.negotiate(user, url="http://x")
