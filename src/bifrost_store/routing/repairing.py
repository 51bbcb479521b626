"""The repair of several backends as one."""

from __future__ import annotations

from collections.abc import Sequence

from bifrost_store.backends.protocol import RepairReport, SupportsRepair
from bifrost_store.core.progress import Progress
from bifrost_store.wrappers.checked import CheckedBackend


async def repair_all(backends: Sequence[CheckedBackend], *, old_application_stopped: bool, progress: Progress) -> RepairReport:
    """Repair every backend that has something to repair, and name what cannot be read in any, as `scan` finds it."""
    report, read = RepairReport(), 0
    for backend in backends:
        if isinstance(backend.inner, SupportsRepair):
            part = await backend.inner.repair(old_application_stopped=old_application_stopped, progress=progress)
            for what, count in part.mended.items():
                report.note(what, count)
            report.contradictions += part.contradictions
        async for page in backend.scan():
            report.unreadable += page.unreadable
            read += len(page.records)
            progress("records", read, None)
    return report
