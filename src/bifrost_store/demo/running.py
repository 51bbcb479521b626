"""A run under way, for whoever looks at the page: a made-up workflow that says what it does, one run after another."""

from __future__ import annotations

import random
from typing import Final

import anyio

from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import ExecutionStatus
from bifrost_store.protocols import Recording
from bifrost_store.store import Store

_MAILBOXES: Final = 240
_PAUSE: Final = 0.35
_FAILS_AT: Final = 200


async def run_on_and_on(store: Store, *, seed: int = 1) -> None:
    """Start runs in *store*, each when the one before has ended, until cancelled; every second one fails."""
    chance, count = random.Random(seed), 0  # noqa: S311 - nothing secret
    while True:
        count += 1
        await _run(store, chance, fails=count % 2 == 0)


async def _run(store: Store, chance: random.Random, *, fails: bool) -> None:
    run = await store.executions.create(
        GLOBAL,
        workflow_name="move_mailboxes",
        executed_by="ada@msp.example",
        executed_by_name="Ada",
        input_data={"from": "on-premises", "to": "cloud", "mailboxes": _MAILBOXES},
    )
    try:
        async with store.execution_data.recording(run) as recording:
            recording.info(f"{_MAILBOXES} mailboxes are to be moved", data={"batch": 12, "window": ["20:00", "23:00"]})
            for number in range(1, _MAILBOXES + 1):
                _say(recording, chance, number)
                if fails and number == _FAILS_AT:
                    raise ConnectionError("the service closed the connection: quota of tenant juniper is used up")
                await anyio.sleep(_PAUSE * chance.uniform(0.2, 2))
            recording.set_state({"step": "done"})
    except ConnectionError as error:
        await store.executions.complete(run, ExecutionStatus.FAILED, error_type=type(error).__name__, error_message=str(error))
        return
    await store.executions.complete(run, ExecutionStatus.SUCCESS, result={"moved": _MAILBOXES})


def _say(recording: Recording, chance: random.Random, number: int) -> None:
    size = chance.randint(5, 4_000)
    recording.debug(f"GET /mailboxes/{number} 200 in {chance.randint(20, 400)} ms")
    recording.info(f"\x1b[32mmoved\x1b[0m mailbox {number} of {_MAILBOXES}, {size} MB")
    if number % 25 == 0:
        recording.set_state({"step": "moving", "batch": number // 25})
        recording.warning("the service asks for a pause", data={"retry_after_seconds": chance.randint(1, 9)})
    recording.set_variables({"moved": number, "left": _MAILBOXES - number, "last": {"id": number, "megabytes": size}})
    if number == _FAILS_AT:
        try:
            raise TimeoutError("no answer from mailbox server 3 within 30 s")
        except TimeoutError:
            recording.error(f"mailbox {number} could not be locked")
