"""Every operation that is measured: a line each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

from bench.places import ORGANIZATION
from bench.timing import Call, Times, seconds_of
from bench.world import (
    ADMIN,
    LARGE_INPUT,
    LARGE_RESULT,
    LOGS,
    PNG,
    RESULT,
    RUN,
    SCOPE,
    SHARED_RUN,
    USER,
    WORKFLOW,
    World,
    hours_ago,
)
from bifrost_store import (
    ConfigType,
    ExecutionFilter,
    ExecutionRef,
    ExecutionStatus,
    JobOutcome,
    JobTrigger,
    LogoShape,
    OAuthStatus,
)
from bifrost_store.core.meter import count_requests
from bifrost_store.documents import AuditEventType


async def _nothing(world: World) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Write:
    """A write, and what it is made on.

    Attributes:
        call: Given the world and what *before* returned.
        before: Makes ready, and is not measured.
    """

    call: Callable[[World, Any], Awaitable[object]]
    before: Callable[[World], Awaitable[object]] = _nothing


@dataclass(slots=True)
class Cost:
    """What an operation was seen to cost.

    Attributes:
        requests: How often each answer of the meter came.
        seconds: Of each call.
    """

    requests: Counter[tuple[tuple[str, int], ...]] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    @property
    def times(self) -> Times:
        return Times(self.seconds)

    @property
    def usual_requests(self) -> dict[str, int]:
        """What the meter counted most often, by what was asked."""
        return dict(self.requests.most_common(1)[0][0])


READS: Final[dict[str, Callable[[World], Awaitable[object]]]] = {
    "organizations.get": lambda w: w.store.organizations.get(ORGANIZATION),
    "organizations.find_by_domain": lambda w: w.store.organizations.find_by_domain("acme.example"),
    "organizations.list": lambda w: w.store.organizations.list(),
    "users.get": lambda w: w.store.users.get(USER),
    "users.list_organization": lambda w: w.store.users.list_organization(ORGANIZATION),
    "users.memberships": lambda w: w.store.users.memberships(USER),
    "users.members": lambda w: w.store.users.members(ORGANIZATION),
    "config.get": lambda w: w.store.config.get(SCOPE, "key-0"),
    "config.get, found in GLOBAL": lambda w: w.store.config.get(SCOPE, "shared"),
    "config.list": lambda w: w.store.config.list(SCOPE),
    "roles.get": lambda w: w.store.roles.get(w.role.scope, w.role.id),
    "roles.list": lambda w: w.store.roles.list(SCOPE),
    "roles.users": lambda w: w.store.roles.users(w.role.scope, w.role.id),
    "roles.forms": lambda w: w.store.roles.forms(w.role.scope, w.role.id),
    "roles.of_user": lambda w: w.store.roles.of_user(SCOPE, USER),
    "roles.of_form": lambda w: w.store.roles.of_form(SCOPE, w.form.id),
    "forms.get": lambda w: w.store.forms.get(SCOPE, w.form.id),
    "forms.list": lambda w: w.store.forms.list(SCOPE),
    "forms.list_by_workflow": lambda w: w.store.forms.list_by_workflow(SCOPE, WORKFLOW),
    "forms.visible_to": lambda w: w.store.forms.visible_to(SCOPE, USER),
    "forms.can_view": lambda w: w.store.forms.can_view(SCOPE, USER, w.form.id),
    "oauth.get, found in GLOBAL": lambda w: w.store.oauth.get(SCOPE, "shared"),
    "oauth.list": lambda w: w.store.oauth.list(SCOPE),
    "integrations.get, found in GLOBAL": lambda w: w.store.integrations.get(SCOPE, "msgraph"),
    "integrations.list": lambda w: w.store.integrations.list(SCOPE),
    "branding.get, found in GLOBAL": lambda w: w.store.branding.get(SCOPE),
    "branding.read_logo": lambda w: w.store.branding.read_logo(SCOPE, LogoShape.SQUARE),
    "uploads.read": lambda w: w.store.uploads.read(w.upload),
    "uploads.link": lambda w: w.store.uploads.link(w.upload, valid_for=timedelta(hours=1)),
    "api_keys.validate": lambda w: w.store.api_keys.validate(w.key.key, WORKFLOW),
    "api_keys.list": lambda w: w.store.api_keys.list(),
    "schedules.get": lambda w: w.store.schedules.get("workflow-0"),
    "schedules.due": lambda w: w.store.schedules.due(datetime.now(UTC)),
    "job_statuses.list": lambda w: w.store.job_statuses.list(),
    "audit.list": lambda w: w.store.audit.list(SCOPE, since=hours_ago(24)),
    "audit.list, one type": lambda w: w.store.audit.list(SCOPE, since=hours_ago(24), event_type=AuditEventType.FUNCTION_KEY_ACCESS),
    "executions.get": lambda w: w.store.executions.get(SCOPE, RUN),
    "executions.get, found in GLOBAL": lambda w: w.store.executions.get(SCOPE, SHARED_RUN),
    "executions.get_status": lambda w: w.store.executions.get_status(SCOPE, RUN),
    "executions.list": lambda w: w.store.executions.list(SCOPE),
    "executions.list, of a user": lambda w: w.store.executions.list(SCOPE, ExecutionFilter(user=USER)),
    "executions.count_by_status": lambda w: w.store.executions.count_by_status(SCOPE),
    "executions.statistics": lambda w: w.store.executions.statistics(SCOPE, since=hours_ago(24)),
    "executions.load_result": lambda w: w.store.executions.load_result(ExecutionRef(SCOPE, RUN)),
    "executions.load_logs": lambda w: w.store.executions.load_logs(ExecutionRef(SCOPE, RUN)),
}
"""Measured first, while nothing grows."""

WRITES: Final[dict[str, Write]] = {
    "organizations.create": Write(lambda w, _: w.new_organization()),
    "organizations.update": Write(lambda w, _: w.store.organizations.update(ORGANIZATION, name=w.new("Acme"))),
    "users.create": Write(lambda w, _: w.store.users.create(w.new("user"))),
    "users.create, in an organization": Write(lambda w, _: w.store.users.create(w.new("user"), organization_id=ORGANIZATION)),
    "users.record_login": Write(lambda w, _: w.store.users.record_login(USER)),
    "users.assign": Write(
        lambda w, user: w.store.users.assign(user.email, ORGANIZATION, created_by=ADMIN),
        lambda w: w.store.users.create(w.new("user")),
    ),
    "config.set, new": Write(
        lambda w, _: w.store.config.set(SCOPE, w.new("key"), "v", config_type=ConfigType.STRING, updated_by=ADMIN)
    ),
    "config.set, again": Write(
        lambda w, _: w.store.config.set(SCOPE, "key-0", w.new(), config_type=ConfigType.STRING, updated_by=ADMIN)
    ),
    "roles.create": Write(lambda w, _: w.new_role()),
    "roles.assign_users, one": Write(
        lambda w, role: w.store.roles.assign_users(SCOPE, role.id, [USER], assigned_by=ADMIN), lambda w: w.new_role()
    ),
    "roles.assign_users, thirty": Write(
        lambda w, role: w.store.roles.assign_users(SCOPE, role.id, [w.new("user") for _ in range(30)], assigned_by=ADMIN),
        lambda w: w.new_role(),
    ),
    "forms.create": Write(lambda w, _: w.new_form()),
    "forms.update": Write(lambda w, form: w.store.forms.update(SCOPE, form.id, name="New name"), lambda w: w.new_form()),
    "forms.update, to another workflow": Write(
        lambda w, form: w.store.forms.update(SCOPE, form.id, linked_workflow="other"), lambda w: w.new_form()
    ),
    "oauth.create": Write(lambda w, _: w.new_connection()),
    "oauth.set_status": Write(
        lambda w, connection: w.store.oauth.set_status(connection, OAuthStatus.TESTING, updated_by=ADMIN),
        lambda w: w.new_connection(),
    ),
    "oauth.set_tokens": Write(
        lambda w, connection: w.store.oauth.set_tokens(
            connection, oauth_response_ref="secret-2", expires_at=None, updated_by=ADMIN
        ),
        lambda w: w.new_connection(),
    ),
    "integrations.set": Write(
        lambda w, _: w.store.integrations.set(SCOPE, "msgraph", enabled=True, settings={"tenant": w.new()}, updated_by=ADMIN)
    ),
    "branding.set": Write(lambda w, _: w.store.branding.set(SCOPE, primary_color="#654321", updated_by=ADMIN)),
    "branding.save_logo": Write(
        lambda w, _: w.store.branding.save_logo(SCOPE, LogoShape.SQUARE, PNG, "image/png", updated_by=ADMIN)
    ),
    "uploads.save": Write(lambda w, _: w.store.uploads.save("photo.png", PNG, "image/png")),
    "api_keys.create": Write(lambda w, _: w.store.api_keys.create(created_by=ADMIN, workflow_id=w.new("workflow"))),
    "schedules.claim, given the model": Write(lambda w, schedule: w.claim(schedule), lambda w: w.new_schedule()),
    "schedules.claim, by name": Write(lambda w, schedule: w.claim(schedule.workflow_name), lambda w: w.new_schedule()),
    "job_statuses.set": Write(
        lambda w, _: w.store.job_statuses.set(
            "TokenRefreshJob",
            status=JobOutcome.COMPLETED,
            start_time=hours_ago(1),
            end_time=hours_ago(0),
            trigger_type=JobTrigger.AUTOMATIC,
        )
    ),
    "audit.append": Write(lambda w, _: w.append_event()),
    "executions.create": Write(lambda w, _: w.new_run()),
    "executions.create, input in a blob": Write(lambda w, _: w.new_run(input_data=LARGE_INPUT)),
    "executions.set_status": Write(
        lambda w, run: w.store.executions.set_status(run, ExecutionStatus.RUNNING),
        lambda w: w.new_run(status=ExecutionStatus.PENDING),
    ),
    "executions.complete, given the model": Write(
        lambda w, run: w.store.executions.complete(run, ExecutionStatus.SUCCESS, result=RESULT), lambda w: w.new_run()
    ),
    "executions.complete, by scope and id": Write(
        lambda w, run: w.store.executions.complete(ExecutionRef(SCOPE, run.execution_id), ExecutionStatus.SUCCESS, result=RESULT),
        lambda w: w.new_run(),
    ),
    "executions.complete, result in a blob": Write(
        lambda w, run: w.store.executions.complete(run, ExecutionStatus.SUCCESS, result=LARGE_RESULT), lambda w: w.new_run()
    ),
    "executions.cancel": Write(lambda w, run: w.store.executions.cancel(run), lambda w: w.new_run()),
    "executions.save_logs": Write(lambda w, run: w.store.executions.save_logs(run, LOGS), lambda w: w.new_run()),
    "executions.delete": Write(lambda w, run: w.store.executions.delete(SCOPE, run.execution_id), lambda w: w.new_run()),
}


async def measure(world: World, rounds: int) -> Mapping[str, Cost]:
    """Make every call *rounds* times, one of each a round, so that a slow minute of the machine falls on all alike.

    The first round opens connections and fills caches, and is not kept.
    """
    costs: dict[str, Cost] = {}
    for number in range(rounds + 1):
        for name, read in READS.items():
            await _make(costs, name, partial(read, world), is_kept=number > 0)
    for number in range(rounds + 1):
        for name, write in WRITES.items():
            given = await write.before(world)
            await _make(costs, name, partial(write.call, world, given), is_kept=number > 0)
    return dict(sorted(costs.items()))


async def _make(costs: dict[str, Cost], name: str, call: Call, *, is_kept: bool) -> None:
    with count_requests() as counted:
        seconds = await seconds_of(call)
    if is_kept:
        cost = costs.setdefault(name, Cost())
        cost.requests[tuple(sorted(counted.items()))] += 1
        cost.seconds.append(seconds)
