"""The protocol's frames, as they were recorded of Microsoft's server and client; and whatever else a client may send."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.signalr import Hub, InvalidMessageError, Limits, wire
from bifrost_store.signalr.connection import Connection
from bifrost_store.signalr.outbox import Outbox
from bifrost_store.signalr.tokens import Opening
from tests.signalr.hubs import build_hub
from tests.thorough import examples

END = "\x1e"
LINE = '{"executionId":"exec-1","sequence":1,"level":"info","message":"hello"}'


class Talk:
    """A client of a hub without a server: what it sends is taken, what it would get is kept."""

    def __init__(self, hub: Hub, user: str = "ada") -> None:
        self.hub = hub
        id, _ = hub._tokens.connection_token(user, seconds=60, ends_at=9e9)
        self.connection: Connection = hub._switchboard.admit(Opening(id, user, 9e9, 9e9), "WebSockets")
        self.receiver = hub._endpoints._receiver

    async def say(self, frame: str) -> str:
        """Send a frame, and return what the client gets once everything it caused is done."""
        self.receiver.take(self.connection, frame)
        while self.connection.worker is not None and not self.connection.worker.done():
            await asyncio.wait([self.connection.worker])
        return self.connection.outbox.take()[0]


@pytest.mark.anyio
async def test_frames_are_those_of_the_recording() -> None:
    """Byte for byte what Microsoft's server answers."""
    hub = Hub()

    @hub.on("Join")
    async def join(connection: Connection, name: str) -> bool:
        return True

    @hub.on("Emit")
    async def emit(connection: Connection, name: str, sequence: int, message: str) -> None:
        line = {"executionId": name, "sequence": sequence, "level": "info", "message": message}
        await hub.send_to_all("executionLog", line)

    @hub.on("Boom")
    async def boom(connection: Connection) -> None:
        raise RuntimeError

    @hub.on("Nothing")
    async def nothing(connection: Connection) -> None:
        return None

    talk = Talk(hub)
    recorded = [
        ('{"protocol":"json","version":1}', "{}"),
        ('{"type":6}', ""),
        ('{"target":"Join","arguments":["exec-1"],"invocationId":"0","type":1}', '{"type":3,"invocationId":"0","result":true}'),
        (
            '{"target":"Emit","arguments":["exec-1",1,"hello"],"type":1}',
            '{"type":1,"target":"executionLog","arguments":[' + LINE + "]}",
        ),
        ('{"target":"Nothing","arguments":[],"invocationId":"1","type":1}', '{"type":3,"invocationId":"1"}'),
        (
            '{"target":"Boom","arguments":[],"invocationId":"2","type":1}',
            '{"type":3,"invocationId":"2","error":"An unexpected error occurred invoking \'Boom\' on the server."}',
        ),
        ('{"invocationId":"5","type":5}', ""),
        ('{"type":8,"sequenceId":3}', ""),
        ('{"type":9,"sequenceId":1}', ""),
        ('{"type":99,"headers":{}}', ""),
        ('{"type":7}', '{"type":7}'),
    ]
    for client, server in recorded:
        assert (server + END if server else "") == await talk.say(client + END), client


@pytest.mark.anyio
async def test_the_handshake_and_calls_may_share_a_frame_and_answers_come_in_order() -> None:
    """What a method sends its caller comes before its result; a stream is answered by an error."""
    talk = Talk(build_hub())
    calls: list[dict[str, Any]] = [
        {"type": 1, "target": "JOIN", "arguments": ["g"], "invocationId": "0"},
        {"type": 1, "target": "emit", "arguments": ["g", 1, 2], "invocationId": "1"},
        {"type": 4, "target": "count", "arguments": [3], "invocationId": "2"},
        {"type": 1, "target": "echo", "arguments": [], "invocationId": "3", "streamIds": ["1"]},
    ]
    frame = "".join(json.dumps(one) + END for one in [{"protocol": "json", "version": 1}, *calls])
    answer = [json.loads(one) for one in (await talk.say(frame)).split(END)[:-1]]
    streams = [one for one in answer if one.get("invocationId") in ("2", "3")]
    others = [one for one in answer if one not in streams]

    assert [None, "0", "said", "said", "1"] == [one.get("target", one.get("invocationId")) for one in others]
    assert [True, True] == ["streams" in one["error"] for one in streams]


def test_what_is_no_json_is_never_sent() -> None:
    """NaN would end the client; half a surrogate pair goes as an escape, which JavaScript takes."""
    for wrong in (float("nan"), float("-inf"), {"a": [float("nan")]}, object(), {1j: 0}):
        with pytest.raises(InvalidMessageError):
            wire.invocation("x", (wrong,))
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(InvalidMessageError):
        wire.invocation("x", (cycle,))
    record = wire.invocation("x", ("\ud83d", "ø\x1e"))
    assert record.encode().count(b"\x1e") == 1
    assert ["\ud83d", "ø\x1e"] == json.loads(record[:-1])["arguments"]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
NAMES = st.sampled_from(["type", "target", "arguments", "invocationId", "result", "error", "streamIds", "protocol", "version"])
VALUES = JSON | st.integers(0, 9) | st.sampled_from(["echo", "join", "emit", "ask", "json", "0"]) | st.lists(JSON, max_size=3)
RECORDS = st.dictionaries(NAMES, VALUES, max_size=5).map(json.dumps) | st.text(max_size=40) | JSON.map(json.dumps)
FRAMES = st.lists(RECORDS, max_size=4).map(lambda records: "".join(record + END for record in records)) | st.text(max_size=60)


@examples(80)
@given(st.lists(FRAMES, max_size=5), st.booleans())
def test_whatever_a_client_sends_harms_nobody_else(frames: list[str], has_shaken_hands: bool) -> None:
    """No frame raises in the hub; what goes out is the protocol; another client gets what it is sent, and nothing else."""

    async def run() -> None:
        hub = build_hub(limits=Limits(burst_messages=1_000))
        other, talk = Talk(hub, "bob"), Talk(hub)
        hello = '{"protocol":"json","version":1}' + END
        assert "{}" + END == await other.say(hello)
        got = await talk.say(hello) if has_shaken_hands else ""
        for frame in frames:
            if talk.connection.is_closing:
                break
            got += await talk.say(frame) if '"ask"' not in frame else ""
        for record in got.split(END)[:-1]:
            assert isinstance(json.loads(record, parse_constant=pytest.fail), dict)
        await hub.send_to_user("bob", "line", 1)

        assert wire.invocation("line", [1]) == other.connection.outbox.take()[0]
        hub._switchboard.ended(talk.connection)
        assert [other.connection] == hub.connections()

    asyncio.run(run())


@examples(200)
@given(st.lists(st.tuples(st.integers(1, 60), st.booleans()) | st.none(), max_size=60))
def test_an_outbox_is_bounded_and_loses_nothing_unsaid(steps: list[tuple[int, bool] | None]) -> None:
    """Messages come in order; where some are missing a resync stands in their place; answers are all there; size is bounded."""
    limits = Limits(queue_bytes=200, sent_message_bytes=100, queue_messages=6, frame_bytes=80)
    hub = Hub(limits=limits)
    outbox, sent, is_slow = Outbox(limits, hub.counters), [], False
    answers: list[str] = []
    taken: list[str] = []
    for number, step in enumerate(steps):
        if step is None:
            frame, _, _ = outbox.take()
            taken += frame.split(END)[:-1]
            if not outbox:
                outbox.caught_up()
        elif step[1]:
            outbox.answer(f"a{number}{END}")
            answers.append(f"a{number}")
        else:
            record = f"m{number}".ljust(step[0], ".") + END
            if not outbox.put(record, len(record)):
                is_slow = True
                break
            sent.append(record[:-1])
        assert outbox._size <= limits.queue_bytes
    while outbox:
        taken += outbox.take()[0].split(END)[:-1]
    got = [one for one in taken if one.startswith("m")]
    resyncs = [index for index, one in enumerate(taken) if '"resync"' in one]

    assert answers == [one for one in taken if one.startswith("a")]
    assert got == [one for one in sent if one in got]
    assert len(resyncs) == hub.counters.resyncs
    assert hub.counters.messages_dropped == len(sent) - len(got) or is_slow
    assert bool(resyncs) or got == sent


@pytest.mark.anyio
async def test_what_a_client_called_before_it_left_is_done() -> None:
    """A call without an answer, then the end: the call is run; of a client that is closed for breaking a rule it is not."""
    done: list[object] = []
    hub = Hub(limits=Limits(burst_messages=3, messages_per_second=0.001))

    @hub.on("note")
    async def note(connection: Connection, value: object) -> None:
        await asyncio.sleep(0)
        done.append(value)

    hello = '{"protocol":"json","version":1}' + END
    notes = [f'{{"type":1,"target":"note","arguments":[{number}]}}' + END for number in range(5)]
    leaving, flooding = Talk(hub), Talk(hub, "eve")
    leaving.receiver.take(leaving.connection, hello + notes[0] + notes[1] + '{"type":7}' + END)
    hub._switchboard.ended(leaving.connection)
    await leaving.say(END)
    flooding.receiver.take(flooding.connection, hello + "".join(notes))
    await flooding.say(END)

    assert [0, 1] == done


@pytest.mark.anyio
async def test_a_result_that_is_no_json_and_a_hook_that_fails_trouble_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A client may send 1e400, which Python reads as Infinity; the caller gets an error, and the hub goes on."""
    hub = build_hub()

    @hub.on_connected
    async def failing(connection: Connection) -> None:
        raise ValueError("a mistake")

    talk = Talk(hub)
    await talk.say('{"protocol":"json","version":1}' + END)
    call = '{"type":1,"target":"echo","arguments":[%s],"invocationId":"0"}' + END
    assert "error" in json.loads((await talk.say(call.replace("%s", "1e400")))[:-1])
    assert [1] == json.loads((await talk.say(call.replace("%s", "1")))[:-1])["result"]
    own = [one.getMessage() for one in caplog.records if one.name == "bifrost_store.signalr"]
    assert ["signalr.hook_failed", "signalr.method_failed target='echo'"] == sorted(own)
