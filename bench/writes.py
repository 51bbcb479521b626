"""Every operation that changes something: a line each, with what it is made on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from bench.clock import now
from bench.places import ORGANIZATION
from bench.world import ADMIN, LARGE_INPUT, LARGE_RESULT, LOGS, PNG, RESULT, SCOPE, USER, VARIABLES, World, hours_ago
from bifrost_store import ExecutionRef, ExecutionStatus, JobOutcome, JobTrigger, LogoShape, OAuthStatus


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


_ORGANIZATIONS: Final = {
    "organizations.create": Write(lambda w, _: w.new_organization()),
    "organizations.update": Write(lambda w, _: w.store.organizations.update(ORGANIZATION, name=w.new("Acme"))),
    "organizations.deactivate": Write(lambda w, one: w.store.organizations.deactivate(one.id), lambda w: w.new_organization()),
    "organizations.delete": Write(lambda w, one: w.store.organizations.delete(one.id), lambda w: w.new_organization()),
}
_USERS: Final = {
    "users.create": Write(lambda w, _: w.new_user()),
    "users.create, in an organization": Write(lambda w, _: w.new_member()),
    "users.update": Write(lambda w, user: w.store.users.update(user.email, display_name="New name"), lambda w: w.new_user()),
    "users.promote": Write(lambda w, user: w.store.users.promote(user.email), lambda w: w.new_member()),
    "users.demote": Write(lambda w, user: w.store.users.demote(user.email, ORGANIZATION), lambda w: w.new_admin()),
    "users.rename": Write(lambda w, user: w.store.users.rename(user.email, f"{w.new('user')}@x.example"), lambda w: w.new_member()),
    "users.record_login": Write(lambda w, _: w.store.users.record_login(USER)),
    "users.delete": Write(lambda w, user: w.store.users.delete(user.email), lambda w: w.new_member()),
    "users.assign": Write(lambda w, user: w.store.users.assign(user.email, ORGANIZATION, created_by=ADMIN), lambda w: w.new_user()),
    "users.unassign": Write(lambda w, user: w.store.users.unassign(user.email, ORGANIZATION), lambda w: w.new_member()),
}
_CONFIG: Final = {
    "config.set, new": Write(lambda w, _: w.set_config(w.new("key"))),
    "config.set, again": Write(lambda w, _: w.set_config("key-0")),
    "config.delete": Write(lambda w, one: w.store.config.delete(SCOPE, one.key), lambda w: w.set_config(w.new("key"))),
}
_ROLES: Final = {
    "roles.create": Write(lambda w, _: w.new_role()),
    "roles.update": Write(lambda w, role: w.store.roles.update(SCOPE, role.id, name="New name"), lambda w: w.new_role()),
    "roles.deactivate": Write(lambda w, role: w.store.roles.deactivate(SCOPE, role.id), lambda w: w.new_role()),
    "roles.assign_users, one": Write(
        lambda w, role: w.store.roles.assign_users(SCOPE, role.id, [USER], assigned_by=ADMIN), lambda w: w.new_role()
    ),
    "roles.assign_users, thirty": Write(
        lambda w, role: w.store.roles.assign_users(SCOPE, role.id, [w.new("user") for _ in range(30)], assigned_by=ADMIN),
        lambda w: w.new_role(),
    ),
    "roles.unassign_users, one": Write(
        lambda w, role: w.store.roles.unassign_users(SCOPE, role.id, [USER]), lambda w: w.new_role_with(users=[USER])
    ),
    "roles.assign_forms, one": Write(
        lambda w, role: w.store.roles.assign_forms(SCOPE, role.id, [w.form.id], assigned_by=ADMIN), lambda w: w.new_role()
    ),
    "roles.unassign_forms, one": Write(
        lambda w, role: w.store.roles.unassign_forms(SCOPE, role.id, [w.form.id]), lambda w: w.new_role_with(forms=[w.form.id])
    ),
}
_FORMS: Final = {
    "forms.create": Write(lambda w, _: w.new_form()),
    "forms.update": Write(lambda w, form: w.store.forms.update(SCOPE, form.id, name="New name"), lambda w: w.new_form()),
    "forms.update, to another workflow": Write(
        lambda w, form: w.store.forms.update(SCOPE, form.id, linked_workflow="other"), lambda w: w.new_form()
    ),
    "forms.deactivate": Write(lambda w, form: w.store.forms.deactivate(SCOPE, form.id), lambda w: w.new_form()),
    "forms.delete": Write(lambda w, form: w.store.forms.delete(SCOPE, form.id), lambda w: w.new_form()),
}
_CONNECTIONS: Final = {
    "oauth.create": Write(lambda w, _: w.new_connection()),
    "oauth.update": Write(
        lambda w, one: w.store.oauth.update(one, updated_by=ADMIN, client_id="other"), lambda w: w.new_connection()
    ),
    "oauth.set_status": Write(
        lambda w, one: w.store.oauth.set_status(one, OAuthStatus.TESTING, updated_by=ADMIN), lambda w: w.new_connection()
    ),
    "oauth.set_tokens": Write(
        lambda w, one: w.store.oauth.set_tokens(one, oauth_response_ref="secret-2", expires_at=None, updated_by=ADMIN),
        lambda w: w.new_connection(),
    ),
    "oauth.delete": Write(lambda w, one: w.store.oauth.delete(SCOPE, one.connection_name), lambda w: w.new_connection()),
    "integrations.set, new": Write(lambda w, _: w.set_integration(w.new("type"))),
    "integrations.set, again": Write(lambda w, _: w.set_integration("halopsa")),
    "integrations.delete": Write(lambda w, _: w.store.integrations.delete(SCOPE, "other"), lambda w: w.set_integration("other")),
}
_BRANDING: Final = {
    "branding.set": Write(lambda w, _: w.store.branding.set(SCOPE, primary_color="#654321", updated_by=ADMIN)),
    "branding.save_logo": Write(lambda w, _: w.save_logo(LogoShape.SQUARE)),
    "branding.delete_logo": Write(
        lambda w, _: w.store.branding.delete_logo(SCOPE, LogoShape.RECTANGLE, updated_by=ADMIN),
        lambda w: w.save_logo(LogoShape.RECTANGLE),
    ),
    "uploads.save": Write(lambda w, _: w.store.uploads.save("photo.png", PNG, "image/png")),
}
_KEYS: Final = {
    "api_keys.create": Write(lambda w, _: w.new_key()),
    "api_keys.revoke": Write(lambda w, made: w.store.api_keys.revoke(made.document.id, revoked_by=ADMIN), lambda w: w.new_key()),
    "api_keys.delete": Write(lambda w, made: w.store.api_keys.delete(made.document.id), lambda w: w.new_key()),
    "audit.append": Write(lambda w, _: w.append_event()),
}
_JOBS: Final = {
    "schedules.create": Write(lambda w, _: w.new_schedule()),
    "schedules.claim, given the model": Write(lambda w, schedule: w.claim(schedule), lambda w: w.new_schedule()),
    "schedules.claim, by name": Write(lambda w, schedule: w.claim(schedule.workflow_name), lambda w: w.new_schedule()),
    "schedules.record_run": Write(
        lambda w, claimed: w.store.schedules.record_run(claimed, "run-1"), lambda w: w.claimed_schedule()
    ),
    "schedules.update": Write(
        lambda w, schedule: w.store.schedules.update(schedule.workflow_name, description="New"), lambda w: w.new_schedule()
    ),
    "schedules.delete": Write(lambda w, schedule: w.store.schedules.delete(schedule.workflow_name), lambda w: w.new_schedule()),
    "job_statuses.set": Write(
        lambda w, _: w.store.job_statuses.set(
            "TokenRefreshJob",
            status=JobOutcome.COMPLETED,
            start_time=hours_ago(1),
            end_time=hours_ago(0),
            trigger_type=JobTrigger.AUTOMATIC,
        )
    ),
}
_EXECUTIONS: Final = {
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
    "executions.save_result": Write(lambda w, run: w.store.executions.save_result(run, RESULT), lambda w: w.new_run()),
    "executions.save_logs": Write(lambda w, run: w.store.executions.save_logs(run, LOGS), lambda w: w.new_run()),
    "executions.save_variables": Write(lambda w, run: w.store.executions.save_variables(run, VARIABLES), lambda w: w.new_run()),
    "executions.save_snapshot": Write(lambda w, run: w.store.executions.save_snapshot(run, [VARIABLES]), lambda w: w.new_run()),
    "executions.delete": Write(lambda w, run: w.store.executions.delete(SCOPE, run.execution_id), lambda w: w.new_run()),
    "executions.purge_expired, none": Write(lambda w, _: w.store.executions.purge_expired()),
    "executions.purge_expired, one": Write(lambda w, _: w.store.executions.purge_expired(), lambda w: w.expired_run()),
}

_RECORDINGS: Final = {
    "execution_data.recording, ten lines and five sets of variables": Write(lambda w, run: w.record(run), lambda w: w.new_run()),
}

_METRICS: Final = {
    "metrics.rollup": Write(lambda w, _: w.store.metrics.rollup(), lambda w: w.store.metrics.rebuild(SCOPE)),
    "metrics.rebuild, a day of a scope": Write(lambda w, _: w.store.metrics.rebuild(SCOPE, day=now().date())),
    "metrics.purge_expired": Write(lambda w, _: w.store.metrics.purge_expired()),
}

WRITES: Final[dict[str, Write]] = {
    **_ORGANIZATIONS,
    **_USERS,
    **_CONFIG,
    **_ROLES,
    **_FORMS,
    **_CONNECTIONS,
    **_BRANDING,
    **_KEYS,
    **_JOBS,
    **_EXECUTIONS,
    **_RECORDINGS,
    **_METRICS,
}
