"""Carries an operation out in a process of its own, which a proxy kills between two of its requests."""

from __future__ import annotations

import multiprocessing
import os
import signal
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerContext, ForkServerProcess

import anyio
from aiohttp import web
from typing_extensions import override

from bifrost_store.opening.store import open_store
from bifrost_store.settings import StoreSettings
from bifrost_store.testing.fault_proxy import Dropped, Reaction, SeenRequest
from bifrost_store.testing.operations import NOW, OPERATIONS


def context() -> ForkServerContext:
    """Return what starts children quickly: a server process that has everything imported."""
    found = multiprocessing.get_context("forkserver")
    backends = [f"bifrost_store.backends.{name}.backend" for name in ("table", "cosmos")]
    found.set_forkserver_preload([__name__, *backends, "bifrost_store.blobs.azure"])
    return found


def start(operation: str, settings: StoreSettings) -> ForkServerProcess:
    """Start a process that carries out one operation against the store of *settings*."""
    process = context().Process(target=_run, args=(operation, settings), daemon=True)
    process.start()
    return process


def _run(operation: str, settings: StoreSettings) -> None:
    async def carry_out() -> None:
        async with open_store(settings, clock=lambda: NOW) as store:
            await OPERATIONS[operation].step(store)

    anyio.run(carry_out)


@dataclass(slots=True)
class Kill(Reaction):
    """Kills a process once its n-th write has been carried out, before the answer; with 0, before its first is.

    These are all the states that a death can leave: requests that only read leave none of their own.

    Attributes:
        number: Which write.
        has_killed: Whether the process came so far.
    """

    number: int
    process: ForkServerProcess | None = field(default=None)
    count: int = 0
    has_killed: bool = False

    @override
    async def before(self, request: SeenRequest) -> web.Response | None:
        """Count a write, and kill before the first."""
        self.count += request.is_write
        if request.is_write and self.number == 0:
            self._kill()
        return None

    @override
    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        """Kill before the answer is passed on."""
        if self.count >= self.number > 0:
            self._kill()
        return answer

    def _kill(self) -> None:
        if not self.has_killed and self.process is not None and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGKILL)
        self.has_killed = True
        raise Dropped
