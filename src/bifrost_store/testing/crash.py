"""Operations for crash tests: run in a process of their own, which a proxy kills between two of its requests."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Any, Final

import anyio
from aiohttp import web

from bifrost_store.core.scope import Scope
from bifrost_store.documents import ExecutionStatus
from bifrost_store.protocols import ExecutionRef
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store, open_store
from bifrost_store.testing.fault_proxy import Dropped, Reaction, SeenRequest

NOW: Final = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SCOPE: Final = Scope.organization("crash")
RUN: Final = ExecutionRef(SCOPE, "crash-1")
USER: Final = "kim@crash.example"
NEW_EMAIL: Final = "lee@crash.example"

Step = Callable[[Store], Awaitable[object]]


async def _nothing(store: Store) -> None:
    pass


async def _create(store: Store) -> object:
    return await store.executions.create(
        SCOPE,
        workflow_name="sync",
        executed_by=USER,
        executed_by_name="Kim",
        input_data={"a": 1},
        form_id="form-1",
        execution_id=RUN.execution_id,
        started_at=NOW,
    )


async def _complete(store: Store) -> object:
    return await store.executions.complete(RUN, ExecutionStatus.SUCCESS, duration_ms=7, result={"rows": ["x" * 100] * 30})


async def _cancel(store: Store) -> object:
    return await store.executions.cancel(RUN)


async def _delete(store: Store) -> object:
    return await store.executions.delete(SCOPE, RUN.execution_id)


async def _save_logs(store: Store) -> object:
    return await store.executions.save_logs(RUN, [{"level": "info", "message": "done"}])


async def _create_user(store: Store) -> object:
    return await store.users.get(USER) or await store.users.create(USER, organization_id="crash")


async def _assign(store: Store) -> object:
    return await store.users.assign(USER, "other", created_by="ada")


async def _promote(store: Store) -> object:
    return await store.users.promote(USER)


async def _rename(store: Store) -> object:
    return await store.users.get(USER) and await store.users.rename(USER, NEW_EMAIL)


async def _delete_user(store: Store) -> object:
    return await store.users.delete(USER)


async def _create_and_complete(store: Store) -> None:
    await _create(store)
    await _complete(store)


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that takes several requests.

    Attributes:
        before: Makes what it starts from.
        step: The operation; carried out again it completes what a crash left.
        is_single_record: One record changes: readers see all of the change or nothing.
    """

    before: Step
    step: Step
    is_single_record: bool = True


OPERATIONS: Final[dict[str, Operation]] = {
    "create an execution": Operation(_nothing, _create),
    "complete an execution": Operation(_create, _complete),
    "cancel an execution": Operation(_create, _cancel),
    "delete an execution": Operation(_create_and_complete, _delete),
    "save logs": Operation(_create, _save_logs),
    "create a user": Operation(_nothing, _create_user, is_single_record=False),
    "assign a user": Operation(_create_user, _assign, is_single_record=False),
    "promote a user": Operation(_create_user, _promote, is_single_record=False),
    "rename a user": Operation(_create_user, _rename, is_single_record=False),
    "delete a user": Operation(_create_user, _delete_user, is_single_record=False),
}


def context() -> ForkServerContext:
    """Return what starts children quickly: a server process that has everything imported."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload([__name__, "bifrost_store.backends.table.backend", "bifrost_store.blobs.azure"])
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
    """Kills a process at its n-th request, before it reaches the service, or when it has been carried out.

    Attributes:
        number: Which request, from 1.
        is_after: Whether the service carries it out.
        has_killed: Whether the process came so far.
    """

    number: int
    is_after: bool
    process: ForkServerProcess | None = field(default=None)
    count: int = 0
    has_killed: bool = False

    async def before(self, request: SeenRequest) -> web.Response | None:
        """Kill before the request is passed on."""
        self.count += 1
        if self.count == self.number and not self.is_after:
            self._kill()
        return None

    async def after(self, request: SeenRequest, answer: web.Response) -> web.Response:
        """Kill before the answer is passed on."""
        if self.count >= self.number and self.is_after and not self.has_killed:
            self._kill()
        return answer

    def _kill(self) -> None:
        self.has_killed = True
        if self.process is not None and self.process.pid is not None:
            os.kill(self.process.pid, signal.SIGKILL)
        raise Dropped


async def view(store: Store) -> dict[str, Any]:
    """Return what readers see of everything that the operations touch."""
    run = await store.executions.get(SCOPE, RUN.execution_id)
    result = None if run is None else await store.executions.load_result(run)
    return {
        "run": None if run is None else run.model_dump(mode="json", exclude={"etag"}),
        "listed": [one.status for one in await store.executions.list(SCOPE)],
        "counted": dict(await store.executions.count_by_status(SCOPE)),
        "result": None if result is None else result.value,
        "logs": None if run is None else await store.executions.load_logs(run),
        "users": [user.email for user in await store.users.list()],
        "members": [user.email for user in await store.users.list_organization("crash")],
        "organizations": [one.organization_id for one in await store.users.memberships(USER)],
    }
