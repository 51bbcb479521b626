"""What `bench.watching` measures: a platform whose runs are watched, and the load on it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.routing import Mount
from typing_extensions import override

from bifrost_store import ExecutionRef, Scope, Store, open_store
from bifrost_store.core.execution_data import DataDocument
from bifrost_store.core.publishing import Publisher
from bifrost_store.opening.realtime import open_realtime
from bifrost_store.realtime import Principal, RunPublisher, platform_rules
from bifrost_store.realtime.routes import watch_routes
from bifrost_store.signalr import Hub

ORG: Final = Scope.organization("acme")
RUNS: Final = 20


async def runs(store: Store) -> None:
    """Make the runs that are recorded, new ones each time."""
    for number in range(RUNS):
        await store.executions.delete(ORG, f"run-{number}")
        await store.executions.create(ORG, workflow_name="w", executed_by="u", executed_by_name="U", execution_id=f"run-{number}")


class Acknowledged(Publisher):
    """Notes when stores had what; the message of each line is the time at which it was meant to be made."""

    def __init__(self) -> None:
        self.told: list[str] = []

    @override
    def publish(self, documents: Sequence[DataDocument]) -> None:
        at = time.time()
        for document in documents:
            lines = [(line["number"], float(line["message"].split()[0])) for line in document.body.get("lines", ())]
            self.told.append(json.dumps({"run": document.run.execution_id, "at": at, "lines": lines}))


class Both(Publisher):
    """Notes, and tells."""

    def __init__(self, noting: Publisher, telling: Publisher) -> None:
        self._publishers = (noting, telling)

    @override
    def publish(self, documents: Sequence[DataDocument]) -> None:
        for one in self._publishers:
            one.publish(documents)


async def write(store: Store | None, rates: tuple[float, float], seconds: float, noted: Acknowledged | None = None) -> None:
    """Record on all runs for so long, at one rate on the first and at another on each other, and say what was acknowledged when."""
    noted = noted or Acknowledged()
    async with contextlib.AsyncExitStack() as stack:
        opened: Store = await stack.enter_async_context(open_store(publisher=noted)) if store is None else store
        async with contextlib.AsyncExitStack() as recordings, asyncio.TaskGroup() as tasks:
            for number in range(RUNS):
                block = opened.execution_data.recording(ExecutionRef(ORG, f"run-{number}"), capture=False)
                recording = await recordings.enter_async_context(block)
                tasks.create_task(_record(recording.info, rates[min(1, number)], seconds, number / RUNS))
    sys.stdout.write("".join(f"{line}\n" for line in noted.told) + "done\n")
    sys.stdout.flush()


async def _record(info: object, rate: float, seconds: float, offset: float) -> None:
    """Make a line whenever one is due, by the clock and not by when the last one was made."""
    assert callable(info)
    began = time.time() + offset / rate
    for number in range(int(seconds * rate)):
        meant = began + number / rate
        await asyncio.sleep(max(0.0, meant - time.time()))
        info(f"{meant:.6f} {'x' * (20 + number % 7 * 20)}")


async def principal_of(request: Request) -> Principal | None:
    """Take everybody for an administrator."""
    return Principal("admin", ORG, is_administrator=True)


def application(url: str, *, publishes: bool, rates: tuple[float, float], seconds: float) -> Starlette:
    """Return a platform that serves watchers at *url*, and records once a line comes on standard input, if it *publishes*."""
    hub = Hub(public_url=f"{url}/hub", sticky=True)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with open_realtime(hub, may_watch=platform_rules, poll_seconds=0.05, publishes=publishes) as realtime:
            app.router.routes += [Mount("/api/signalr", routes=watch_routes(realtime.watchers, principal_of))]
            task = asyncio.create_task(write_when_asked(hub, rates, seconds)) if publishes else None
            yield
            if task is not None:
                await task

    return Starlette(routes=[Mount("/hub", hub)], lifespan=lifespan)


async def write_when_asked(hub: Hub, rates: tuple[float, float], seconds: float) -> None:
    """Record once a line comes on standard input, and tell clients of *hub* at each acknowledgement."""
    await asyncio.to_thread(sys.stdin.readline)
    noted = Acknowledged()
    telling = RunPublisher(hub, is_watched=lambda group: group in hub.groups())
    async with open_store(publisher=Both(noted, telling)) as store:
        await write(store, rates, seconds, noted)
    await telling.aclose()
