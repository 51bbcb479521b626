"""Messages on their way to groups: in order, one at a time, and lost rather than waited for."""

from __future__ import annotations

import asyncio
from itertools import pairwise

import pytest

from bifrost_store.realtime.messages import LOG, VARIABLES, messages_of
from bifrost_store.realtime.outbox import Outbox
from bifrost_store.signalr import AccessDeniedError, ThrottledError, UnavailableError
from tests.realtime.senders import KeepingSender
from tests.realtime.test_messages import log, variables

pytestmark = pytest.mark.anyio


class Time:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


async def test_messages_of_a_group_are_sent_in_order_and_one_at_a_time() -> None:
    """Also while more come; what waits is joined."""
    sender = KeepingSender(gate=asyncio.Event())
    outbox = Outbox(sender)
    for number in range(1, 51):
        outbox.add("g", messages_of(log(number, number, "info"), details=True))
        await asyncio.sleep(0)
    assert sender.gate is not None
    sender.gate.set()
    await outbox.empty()
    assert list(range(1, 51)) == [line["number"] for _, body in sender.sent["g"] for line in body["lines"]]
    assert len(sender.sent["g"]) == 2
    assert sender.most_under_way == 1
    await outbox.aclose()


async def test_a_group_does_not_wait_for_another() -> None:
    """One whose message is under way is alone with that."""
    sender = KeepingSender(gate=asyncio.Event())
    outbox = Outbox(sender)
    outbox.add("a", messages_of(log(1, 1, "info"), details=True))
    outbox.add("b", messages_of(log(1, 1, "info"), details=True))
    await asyncio.sleep(0.01)
    assert sender.most_under_way == 2
    await outbox.aclose()


@pytest.mark.parametrize("error", [UnavailableError("away"), AccessDeniedError("no"), RuntimeError("bug")])
async def test_what_cannot_be_sent_is_dropped_and_what_follows_is_sent(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Readers see the gap in what is covered. It is told once."""
    caplog.set_level("INFO", logger="bifrost_store.realtime")
    sender = KeepingSender(errors=[error])
    outbox = Outbox(sender)
    outbox.add("g", messages_of(log(1, 1, "info"), details=True))
    await outbox.empty()
    outbox.add("g", messages_of(log(2, 2, "info"), details=True))
    await outbox.empty()
    assert [[2, 2]] == [body["covers"] for _, body in sender.sent["g"]]
    assert ["realtime.not_sent", "realtime.sends_again"] == [
        record.__dict__["event"] for record in caplog.records if record.name == "bifrost_store.realtime"
    ]
    await outbox.aclose()


async def test_a_service_that_asks_to_wait_is_given_everything_later() -> None:
    """In order, without loss."""
    sender = KeepingSender(errors=[ThrottledError("wait", 0.01), ThrottledError("wait", 0.01)])
    outbox = Outbox(sender)
    for number in (1, 2, 3):
        outbox.add("g", messages_of(log(number, number, "info"), details=True))
    await outbox.empty()
    assert [1, 2, 3] == [line["number"] for _, body in sender.sent["g"] for line in body["lines"]]
    await outbox.aclose()


async def test_what_waits_too_long_becomes_a_message_that_says_what_to_read() -> None:
    """A slow service holds no more than a bounded amount of memory, and nothing looks complete that is not."""
    sender = KeepingSender(gate=asyncio.Event())
    outbox = Outbox(sender)
    outbox.add("g", messages_of(log(1, 1, "info"), details=True))
    await asyncio.sleep(0)
    for number in range(2, 102):
        outbox.add("g", messages_of(log(number, number, "info", text="x" * 20_000), details=True))
    assert sender.gate is not None
    sender.gate.set()
    await outbox.empty()
    bodies = [body for _, body in sender.sent["g"]]
    assert 101 == bodies[-1]["covers"][1]
    assert any("size" in body for body in bodies)
    covered = [tuple(body["covers"]) for body in bodies]
    assert all(after[0] == before[1] + 1 for before, after in pairwise(covered)), covered
    await outbox.aclose()


async def test_variables_are_told_at_most_four_times_a_second_and_the_last_ones_always() -> None:
    """In between only that there were some, so that no gap is seen."""
    time, sender = Time(), KeepingSender()
    outbox = Outbox(sender, monotonic=time)
    for number in range(1, 21):
        outbox.add("g", messages_of(variables(number, value=number), details=True))
        await asyncio.sleep(0)
    time.now += 0.25
    await outbox.empty()
    values = [body["variables"]["value"] for target, body in sender.sent["g"] if target == VARIABLES]
    assert [1, 20] == values
    covered = [
        number for target, body in sender.sent["g"] if target == LOG for number in range(body["covers"][0], body["covers"][1] + 1)
    ]
    assert list(range(2, 21)) == covered
    await outbox.aclose()
