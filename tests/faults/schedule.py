"""What befalls workers, operator and stores, drawn from a seed."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from multiprocessing.context import ForkServerProcess

from tests.faults.operator import Operator
from tests.faults.records import STORES
from tests.faults.world import Line, World

_FAILURES = ("refuses", "forgets", "busy", "slow", "late")
_PACES = (1.0, 2.5, 5.0)
"""Seconds between two things that happen: from several at a time, which no hand-over survives, to one in the midst of one."""


class Schedule:
    """Lets one thing after the other happen, several at a time, at a pace of the seed's.

    Args:
        world: To whom.
        operator: The one who moves it.
        lease_seconds: Of all processes.

    Attributes:
        happened: How often what did.
        lines: What happened when, for people.
    """

    def __init__(self, world: World, operator: Operator, lease_seconds: float) -> None:
        self._world = world
        self._operator = operator
        self._lease_seconds = lease_seconds
        self._random = world.random
        self._pace = self._random.choice(_PACES)
        self.happened: Counter[str] = Counter()
        self.lines: list[str] = []

    async def run(self, seconds: float) -> None:
        """Let things happen for so long; afterwards nothing is in the way any more."""
        began = asyncio.get_running_loop().time()
        async with asyncio.TaskGroup() as tasks:
            while (now := asyncio.get_running_loop().time() - began) < seconds:
                choose = self._random.choices(
                    [self._kill, self._freeze, self._fail_one, self._fail_all, self._kill_operator, self._freeze_operator],
                    [4, 4, 4, 2, 1, 1],
                )
                tasks.create_task(choose[0](f"{now:6.2f}"))
                await asyncio.sleep(self._random.uniform(0.3, 1.7) * self._pace)

    def _note(self, at: str, what: str, whom: str) -> None:
        self.happened[what] += 1
        self.lines.append(f"{at} {what} {whom}")

    async def _kill(self, at: str) -> None:
        worker = self._random.choice(self._world.workers)
        self._note(at, "killed", f"worker {worker.number}")
        await asyncio.to_thread(self._world.replace, worker)

    async def _freeze(self, at: str) -> None:
        worker = self._random.choice(self._world.workers)
        seconds = self._random.uniform(0.2, 2.5) * self._lease_seconds
        if worker.is_frozen:
            return
        self._note(at, "frozen", f"worker {worker.number} for {seconds:.1f} s")
        process, worker.is_frozen = worker.process, True
        _signal(process, signal.SIGSTOP)
        await asyncio.sleep(seconds)
        if worker.process is process:
            _signal(process, signal.SIGCONT)
            worker.is_frozen = False

    async def _fail_one(self, at: str) -> None:
        worker = self._random.choice([*self._world.workers, None])
        line = self._operator.line if worker is None else worker.line
        await self._fail(at, [line], "the operator" if worker is None else f"worker {worker.number}")

    async def _fail_all(self, at: str) -> None:
        await self._fail(at, [self._operator.line, *(worker.line for worker in self._world.workers)], "everybody")

    async def _fail(self, at: str, lines: list[Line], whom: str) -> None:
        store, what = self._random.choice(STORES), self._random.choice(_FAILURES)
        share, late = self._random.choice((0.2, 0.5, 1.0)), self._random.uniform(0.1, 1.5)
        seconds = self._random.uniform(0.3, 1.5 * self._lease_seconds)
        self._note(at, what, f"{store} for {whom}, {share:.0%} of requests, {seconds:.1f} s")
        for line in lines:
            line.fail(what, store, share, late, self._random)
        await asyncio.sleep(seconds)
        for line in lines:
            line.clear()

    async def _kill_operator(self, at: str) -> None:
        for process in list(self._world.commands):
            self._note(at, "killed the operator", "")
            _signal(process, signal.SIGKILL)

    async def _freeze_operator(self, at: str) -> None:
        seconds = self._random.uniform(0.2, 2.5) * self._lease_seconds
        for process in list(self._world.commands):
            self._note(at, "froze the operator", f"for {seconds:.1f} s")
            _signal(process, signal.SIGSTOP)
            await asyncio.sleep(seconds)
            _signal(process, signal.SIGCONT)


def _signal(process: ForkServerProcess, number: signal.Signals) -> None:
    if process.pid is not None and process.is_alive():
        os.kill(process.pid, number)
