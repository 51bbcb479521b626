"""The operator: gives commands until they succeed, as the runbook says, whatever happens to them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.faults.world import Line, World


class _TooManyCommandsError(Exception):
    pass


@dataclass(slots=True)
class Operator:
    """Moves the platform there and back.

    Attributes:
        line: How the commands reach the stores.
        ends: How often each command ended how, such as ``cutover 0``.
        pauses: For each hand-over, the seconds in which nobody could begin anything.
        attempts: For each hand-over, how often it was announced.
        refused: What hand-overs said that were not done.
        phase: That the last command told.
        last: What the last command that failed said.
        wrong: What must not have happened.
        left: How many more commands may be given, if that is limited.
    """

    world: World
    line: Line
    ends: Counter[str] = field(default_factory=Counter)
    pauses: list[float] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    phase: str = ""
    last: str = ""
    wrong: list[str] = field(default_factory=list)
    left: int | None = None

    async def give(self, *arguments: str) -> bool:
        """Give one command; return whether its goal holds."""
        if self.left is not None:
            if self.left == 0:
                raise _TooManyCommandsError
            self.left -= 1
        report = await self.world.command(*arguments, settings=self.line.settings)
        self.phase = str(report.get("phase") or self.phase)
        self.ends[f"{arguments[0]} {report['exit']}"] += 1
        if report["exit"] != 0:
            self.last = f"{' '.join(arguments)}: exit {report['exit']}: {_said(report)}"
            if arguments[0] in ("cutover", "rollback") and "error" in report:
                self.refused.append(self.last)
            if "Traceback" in report["complained"] or "more than" in report["complained"]:
                self.wrong.append(f"{' '.join(arguments)}: {report['complained']}")
        elif "hand_over" in report and "paused_seconds" in report["hand_over"]:
            self.pauses.append(report["hand_over"]["paused_seconds"])
            self.attempts.append(report["hand_over"]["attempts"])
        return bool(report["exit"] == 0)

    async def insist(self, *arguments: str, otherwise: Sequence[str] = ()) -> None:
        """Give a command until it succeeds, and *otherwise* each time that it does not."""
        while not await self.give(*arguments):
            if otherwise:
                await self.give(*otherwise)
            await asyncio.sleep(0.2)

    async def start(self) -> None:
        """Come to a verified migration, with Table Storage answering."""
        while not await self.give("run"):
            await self.give(*(("rollback", "--yes") if self.phase == "cut-over" else ("verify", "--repair")))

    async def there(self) -> None:
        """Let Cosmos DB answer."""
        await self.insist("cutover", "--yes", otherwise=("verify", "--repair"))

    async def back(self) -> None:
        """Let Table Storage answer."""
        await self.insist("rollback", "--yes")

    async def settle(self, commands: int) -> None:
        """Bring the migration to Cosmos DB and back with nothing in the way, by at most so many commands."""
        self.left = commands
        try:
            await self.start()
            await self.there()
            await self.back()
        except _TooManyCommandsError:
            self.wrong.append(f"{commands} commands do not bring the migration there and back; last: {self.last}")
        self.left = None


def _said(report: dict[str, Any]) -> str:
    error = report.get("error")
    if isinstance(error, dict):
        return f"{error.get('message')} NEXT {report.get('next')}"
    return str({name: value for name, value in report.items() if name != "exit"})[:1500]
