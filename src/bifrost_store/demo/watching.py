"""A run that is watched while it goes on: its lines arrive one by one, or at its end where a store can keep them no sooner."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import Execution, ExecutionStatus
from bifrost_store.opening.store import open_store
from bifrost_store.protocols import LogLine
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store

_LINES: Final = ("reading 3 tickets", "2 of 3 closed", "ticket 17: the customer did not answer")
_VARIABLES: Final = {"closed": 2, "open": [17]}
_END: Final = "the run has ended"


@dataclass(slots=True)
class Sight:
    """What a watcher saw at one moment, on each backend.

    Attributes:
        moment: What had happened last.
        seen: By backend.
        ok: Whether it is what should be seen.
    """

    moment: str
    seen: dict[str, str] = field(default_factory=dict)
    ok: bool = True


async def watch(settings: StoreSettings, backends: Sequence[str]) -> list[Sight]:
    """Record a run on each of *backends*, and look at it after each line and at its end."""
    sights = [Sight(f"it says: {line}") for line in _LINES] + [Sight(_END)]
    for backend in backends:
        async with open_store(settings.model_copy(update={"backend": backend})) as store:
            await _watch(store, backend, sights)
    sights[-1].ok = len(set(sights[-1].seen.values())) == 1
    return sights


async def _watch(store: Store, backend: str, sights: Sequence[Sight]) -> None:
    run = await store.executions.create(GLOBAL, workflow_name="close_tickets", executed_by="kim@x.example", executed_by_name="Kim")
    is_live = store.backend.backend(backend).execution_data is not None
    async with store.execution_data.recording(run) as recording:
        for number, (line, sight) in enumerate(zip(_LINES, sights, strict=False), 1):
            recording.info(line)
            await recording.flush()
            found = await _lines(store, run)
            sight.seen[backend] = f"{len(found)} of {number} lines"
            sight.ok = sight.ok and found == (list(_LINES[:number]) if is_live else [])
        recording.set_variables(_VARIABLES)
    run = await store.executions.complete(run, ExecutionStatus.COMPLETED_WITH_ERRORS)
    logs = await store.executions.load_logs(run) or []
    variables = await store.executions.load_variables(run)
    sights[-1].seen[backend] = f"{len(await _lines(store, run))} lines, {[one['message'] for one in logs][-1:]}, {variables}"


async def _lines(store: Store, run: Execution) -> list[str]:
    page = await store.execution_data.items(run.scope, run.execution_id)
    return [item.message for item in page if isinstance(item, LogLine)]
