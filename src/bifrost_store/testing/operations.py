"""Operations that take several steps, to be interrupted between any two of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from bifrost_store.core.scope import Scope
from bifrost_store.documents import ExecutionStatus
from bifrost_store.protocols import ExecutionRef, Executions, Users

NOW: Final = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
SCOPE: Final = Scope.organization("crash")
RUN: Final = ExecutionRef(SCOPE, "crash-1")
USER: Final = "kim@crash.example"
NEW_EMAIL: Final = "lee@crash.example"


class Subject(Protocol):
    """What operations work on: a `bifrost_store.Store`, or `bifrost_store.testing.repositories.Repositories`."""

    @property
    def executions(self) -> Executions: ...
    @property
    def users(self) -> Users: ...


Step = Callable[[Subject], Awaitable[object]]


async def _nothing(store: Subject) -> None:
    pass


async def _create(store: Subject) -> object:
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


async def _complete(store: Subject) -> object:
    return await store.executions.complete(RUN, ExecutionStatus.SUCCESS, duration_ms=7, result={"rows": ["x" * 100] * 30})


async def _cancel(store: Subject) -> object:
    return await store.executions.cancel(RUN)


async def _create_with_large_input(store: Subject) -> object:
    return await store.executions.create(
        SCOPE,
        workflow_name="sync",
        executed_by=USER,
        executed_by_name="Kim",
        input_data={"text": "x" * 40_000},
        execution_id=RUN.execution_id,
        started_at=NOW,
    )


async def _save_small_result(store: Subject) -> object:
    return await store.executions.save_result(RUN, {"rows": 0})


async def _delete(store: Subject) -> object:
    return await store.executions.delete(SCOPE, RUN.execution_id)


async def _save_logs(store: Subject) -> object:
    return await store.executions.save_logs(RUN, [{"level": "info", "message": "done"}])


async def _create_user(store: Subject) -> object:
    return await store.users.get(USER) or await store.users.create(USER, organization_id="crash")


async def _assign(store: Subject) -> object:
    return await store.users.assign(USER, "other", created_by="ada")


async def _promote(store: Subject) -> object:
    return await store.users.promote(USER)


async def _rename(store: Subject) -> object:
    return await store.users.get(USER) and await store.users.rename(USER, NEW_EMAIL)


async def _demote(store: Subject) -> object:
    return await store.users.demote(USER, "other", demoted_by="ada")


async def _unassign(store: Subject) -> object:
    return await store.users.unassign(USER, "crash")


async def _create_member_of_two(store: Subject) -> None:
    await _create_user(store)
    await _assign(store)


async def _create_admin(store: Subject) -> None:
    await _create_user(store)
    await _promote(store)


async def _delete_user(store: Subject) -> object:
    return await store.users.delete(USER)


async def _create_and_complete(store: Subject) -> None:
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
    "create an execution with a large input": Operation(_nothing, _create_with_large_input),
    "complete an execution": Operation(_create, _complete),
    "cancel an execution": Operation(_create, _cancel),
    "delete an execution": Operation(_create_and_complete, _delete),
    "save logs": Operation(_create, _save_logs),
    "replace a result": Operation(_create_and_complete, _save_small_result),
    "create a user": Operation(_nothing, _create_user, is_single_record=False),
    "assign a user": Operation(_create_user, _assign, is_single_record=False),
    "promote a user": Operation(_create_member_of_two, _promote, is_single_record=False),
    "demote a user": Operation(_create_admin, _demote, is_single_record=False),
    "unassign a user": Operation(_create_member_of_two, _unassign, is_single_record=False),
    "rename a user": Operation(_create_member_of_two, _rename, is_single_record=False),
    "delete a user": Operation(_create_member_of_two, _delete_user, is_single_record=False),
}


async def view(store: Subject) -> dict[str, Any]:
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
