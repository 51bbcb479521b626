"""The powers of several backends as those of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bifrost_store.backends.protocol import Backend, Difference, IndexRows, Layout, RepairReport
from bifrost_store.core.progress import Progress, silent


@dataclass(frozen=True, slots=True)
class RepairOfAll:
    """A `Repair` of every one of *backends* that has something to repair; it names what cannot be read in any."""

    backends: Sequence[Backend]

    async def run(
        self, *, old_application_stopped: bool = False, index_rows: IndexRows | None = None, progress: Progress = silent
    ) -> RepairReport:
        report, read = RepairReport(), 0
        for backend in self.backends:
            if (repair := backend.repair) is not None:
                part = await repair.run(old_application_stopped=old_application_stopped, index_rows=index_rows, progress=progress)
                for what, count in part.repaired.items():
                    report.note(what, count)
                report.contradictions += part.contradictions
            async for page in backend.scan():
                report.unreadable += page.unreadable
                read += len(page.records)
                progress("records", read, None)
        return report


@dataclass(frozen=True, slots=True)
class LayoutOfAll:
    """A `Layout` over several."""

    layouts: Sequence[Layout]

    async def differences(self, *, missing_ok: bool = False) -> list[Difference]:
        return [one for layout in self.layouts for one in await layout.differences(missing_ok=missing_ok)]

    async def fix(self) -> list[Difference]:
        return [one for layout in self.layouts for one in await layout.fix()]
