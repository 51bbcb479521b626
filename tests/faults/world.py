"""Two accounts, and the processes that use them, each through proxies of its own."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from time import monotonic
from typing import Any, Final

from aiohttp import web

from bifrost_store import ConfigType, StoreSettings, open_store
from bifrost_store.demo.azurite import Azurite, run_azurite
from bifrost_store.emulator import CosmosEmulator, Options
from bifrost_store.routing.timing import Timing
from bifrost_store.testing.fault_proxy import Answer, DropAfter, DropBefore, FaultProxy, Reaction, SeenRequest
from tests import commands
from tests.faults.history import COUNTERS, expected
from tests.faults.records import COUNTED, STORES
from tests.faults.worker import Task, work

_QUIET_COMMAND_SECONDS: Final = 0.15
"""What `--help` takes on two quiet cores: what the durations of a run are made for."""
_MEASURED_COMMANDS: Final = 5
_MOST_SLOWNESS: Final = 3.0
_REPORTING: Final = ("backfill", "verify", "run")
_BUSY: Final = {
    "table": Answer(503, "ServerBusy"),
    "cosmos": Answer(429, "TooManyRequests", {"x-ms-retry-after-ms": "100"}),
}


@dataclass(frozen=True, slots=True)
class Slow(Reaction):
    """Lets a request or its answer pass late."""

    seconds: float
    is_answer: bool

    async def before(self, request: SeenRequest) -> web.Response | None:
        """Hold the request back."""
        if not self.is_answer:
            await asyncio.sleep(self.seconds)
        return None

    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        """Hold the answer back."""
        if self.is_answer:
            await asyncio.sleep(self.seconds)
        return answer


def reaction(what: str, store: str, seconds: float) -> Reaction:
    """Return how a store fails: it ``refuses``, is ``busy``, is ``slow`` or ``late``, or ``forgets`` to answer what it did."""
    reactions: dict[str, Callable[[], Reaction]] = {
        "refuses": DropBefore,
        "forgets": DropAfter,
        "busy": lambda: _BUSY[store],
        "slow": lambda: Slow(seconds, is_answer=False),
        "late": lambda: Slow(seconds, is_answer=True),
    }
    return reactions[what]()


@dataclass(slots=True)
class Line:
    """How one process reaches both stores.

    Attributes:
        proxies: By store; empty where it reaches them directly.
        settings: That lead through them.
    """

    proxies: Mapping[str, FaultProxy]
    settings: StoreSettings

    def fail(self, what: str, store: str, share: float, seconds: float, chance: random.Random) -> None:
        """Let *share* of the requests to *store* fail, until `clear`."""
        self.proxies[store].react(reaction(what, store, seconds), when=lambda _: chance.random() < share)

    def clear(self) -> None:
        """Let everything pass."""
        for proxy in self.proxies.values():
            proxy.clear()


@dataclass(slots=True)
class Worker:
    """One worker process after the other under one number: a killed one is followed by another."""

    number: int
    line: Line
    process: ForkServerProcess
    logs: list[Path] = field(default_factory=list)
    is_frozen: bool = False

    @property
    def pid(self) -> int:
        """Of the present process."""
        assert self.process.pid is not None
        return self.process.pid


class World:
    """What a run is made of.

    Args:
        folder: Where logs and reports are left.
        seed: Of everything that happens by chance.
        settings: That lead to both stores directly.
        slowness: How many times longer than on a quiet machine everything takes, from 1 to `_MOST_SLOWNESS`.
    """

    def __init__(self, folder: Path, seed: int, settings: StoreSettings, slowness: float) -> None:
        self.folder = folder
        self.random = random.Random(seed)
        self.settings = settings
        self.workers: list[Worker] = []
        self.commands: list[ForkServerProcess] = []
        self.slowness = slowness
        self._given = 0
        self._replacing = threading.Lock()
        self._pause = 0.0
        self._adders = 0
        self._stack = AsyncExitStack()

    async def line(self, *, through_proxies: bool) -> Line:
        """Return a way to both stores that can fail by itself."""
        if not through_proxies:
            return Line({}, self.settings)
        table, cosmos = (str(one.get_secret_value()) for one in self._connections())
        proxies = {}
        for store, where in zip(STORES, (_part(table, "TableEndpoint"), _part(cosmos, "AccountEndpoint")), strict=True):
            proxies[store] = await self._stack.enter_async_context(FaultProxy(where))
        hosts = {
            _host(_part(table, "TableEndpoint")): proxies["table"].url,
            _host(_part(cosmos, "AccountEndpoint")): proxies["cosmos"].url,
        }
        for host, url in hosts.items():
            table, cosmos = table.replace(host, url), cosmos.replace(host, url)
        changed = {"table_connection_string": table, "cosmos_connection_string": cosmos}
        return Line(proxies, StoreSettings(**{**self.settings.model_dump(exclude_unset=True), **changed}))

    def _connections(self) -> tuple[Any, Any]:
        return self.settings.table_connection_string, self.settings.cosmos_connection_string

    async def hire(self, count: int, *, through_proxies: bool, pause: float, adders: int = 0) -> None:
        """Start *count* workers that wait up to *pause* seconds between two calls, longer on a slow machine.

        Args:
            adders: Tasks of each that do nothing but add to the counters; 0: it does everything.
        """
        self._pause, self._adders = pause * self.slowness, adders
        for number in range(count):
            line = await self.line(through_proxies=through_proxies)
            log = self.folder / f"worker-{number}-0.jsonl"
            self.workers.append(Worker(number, line, self._start(line, log), [log]))

    async def all_write(self) -> None:
        """Wait until every worker has written something."""
        for worker in self.workers:
            while not expected(worker.logs).outcomes.get("done"):  # noqa: ASYNC110 - another process writes the log
                await asyncio.sleep(0.1)

    def replace(self, worker: Worker) -> None:
        """Kill a worker, and start another under the same number: one replacement at a time, or one of two would be forgotten."""
        with self._replacing:
            os.kill(worker.pid, signal.SIGKILL)
            worker.process.join()
            worker.is_frozen = False
            log = self.folder / f"worker-{worker.number}-{len(worker.logs)}.jsonl"
            worker.logs.append(log)
            worker.process = self._start(worker.line, log)

    def _start(self, line: Line, log: Path) -> ForkServerProcess:
        off = timedelta(seconds=self.random.uniform(-600, 600))
        log.touch()
        task = Task(log.stem, log, self.random.getrandbits(32), off, self._pause, self._adders)
        process = commands.processes().Process(target=work, args=(line.settings, task), daemon=True)
        process.start()
        return process

    async def command(self, *arguments: str, settings: StoreSettings) -> dict[str, Any]:
        """Give one command of the operator's, in a process of its own; return its report, with ``exit``."""
        self._given += 1
        said, complained = (self.folder / f"command-{self._given}.{name}" for name in ("out", "err"))
        given = ["migrate", *arguments, "--json", *(["--reports", str(self.folder)] if arguments[0] in _REPORTING else [])]
        process = commands.start(*given, settings=variables_of(settings), said=said, complained=complained)
        self.commands.append(process)
        try:
            await asyncio.to_thread(process.join, commands.LONGEST_SECONDS)
            if process.exitcode is None:
                process.kill()
                await asyncio.to_thread(process.join)
                complained.write_text(f"it took more than {commands.LONGEST_SECONDS} seconds")
        finally:
            self.commands.remove(process)
        try:
            report = json.loads(said.read_text())
        except (OSError, ValueError):
            report = {}
        text = complained.read_text() if complained.exists() else ""
        return {**report, "exit": process.exitcode, "complained": text[-2000:]}

    async def dismiss(self) -> list[str]:
        """Ask all workers to end as applications do; return who did not."""
        for worker in self.workers:
            os.kill(worker.pid, signal.SIGTERM)
        stayed = []
        for worker in self.workers:
            await asyncio.to_thread(worker.process.join, 30)
            if worker.process.exitcode != 0:
                stayed.append(f"worker {worker.number} did not end by itself: exit code {worker.process.exitcode}")
                os.kill(worker.pid, signal.SIGKILL)
        return stayed

    async def aclose(self) -> None:
        """End whatever runs."""
        for worker in self.workers:
            if worker.process.is_alive():
                os.kill(worker.pid, signal.SIGKILL)
        for process in self.commands:
            process.kill()
        await self._stack.aclose()


@asynccontextmanager
async def open_world(folder: Path, seed: int, *, lease_seconds: float, azurite: Azurite | None = None) -> AsyncIterator[World]:
    """Bring both accounts up, with the counters and a few hundred records from before; everything ends with the block."""
    async with AsyncExitStack() as stack:
        slowness = await asyncio.to_thread(_slowness)
        running = azurite or await stack.enter_async_context(run_azurite())
        cosmos = stack.enter_context(CosmosEmulator(options=Options(consistency="Strong")))
        settings = StoreSettings(
            backend="table",
            table_connection_string=running.connection_string,  # type: ignore[union-attr]
            cosmos_connection_string=cosmos.connection_string,
            lease_seconds=min(lease_seconds * slowness, Timing().lease),
        )
        async with open_store(settings) as store:
            await store.provision()
            for counter in COUNTERS:
                await store.config.set(COUNTED, counter, "0", config_type=ConfigType.STRING, updated_by="w")
        world = World(folder, seed, settings, slowness)
        stack.push_async_callback(world.aclose)
        yield world


def _slowness() -> float:
    commands.run("--help", settings={})  # it also starts what the others come from
    began = monotonic()
    for _ in range(_MEASURED_COMMANDS):
        commands.run("--help", settings={})
    slowness = (monotonic() - began) / _MEASURED_COMMANDS / _QUIET_COMMAND_SECONDS
    return min(max(slowness, 1.0), _MOST_SLOWNESS)


def variables_of(settings: StoreSettings) -> dict[str, str]:
    """Return *settings* as an environment."""
    values = settings.model_dump(exclude_unset=True)
    return {
        f"BIFROST_STORE_{name.upper()}": str(value.get_secret_value() if hasattr(value, "get_secret_value") else value)
        for name, value in values.items()
    }


def _part(connection: str, name: str) -> str:
    return next(part.partition("=")[2] for part in connection.split(";") if part.startswith(f"{name}="))


def _host(url: str) -> str:
    return "/".join(url.split("/")[:3])
