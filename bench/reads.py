"""Every operation that only reads: a line each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from bench.clock import now
from bench.places import ORGANIZATION
from bench.world import ENTRA_ID, LEGACY_ROW, RECORDED_RUN, RUN, SCOPE, SHARED_RUN, USER, WORKFLOW, World, hours_ago
from bifrost_store import ExecutionFilter, ExecutionRef, ItemsPage, LogoShape
from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import AuditEventType

Read = Callable[[World], Awaitable[object]]
_RUN: Final = ExecutionRef(SCOPE, RUN)


async def _followed(world: World) -> list[ItemsPage]:
    return [page async for page in world.store.execution_data.follow(SCOPE, RECORDED_RUN)]


READS: Final[dict[str, Read]] = {
    "organizations.get": lambda w: w.store.organizations.get(ORGANIZATION),
    "organizations.find_by_domain": lambda w: w.store.organizations.find_by_domain("acme.example"),
    "organizations.list": lambda w: w.store.organizations.list(),
    "users.get": lambda w: w.store.users.get(USER),
    "users.find_by_entra_id": lambda w: w.store.users.find_by_entra_id(ENTRA_ID),
    "users.list": lambda w: w.store.users.list(),
    "users.list_organization": lambda w: w.store.users.list_organization(ORGANIZATION),
    "users.memberships": lambda w: w.store.users.memberships(USER),
    "users.members": lambda w: w.store.users.members(ORGANIZATION),
    "users.any_exist": lambda w: w.store.users.any_exist(),
    "config.get": lambda w: w.store.config.get(SCOPE, "key-0"),
    "config.get, found in GLOBAL": lambda w: w.store.config.get(SCOPE, "shared"),
    "config.get, without GLOBAL": lambda w: w.store.config.get(SCOPE, "key-0", fallback=False),
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
    "uploads.read_link": lambda w: w.store.uploads.read_link(w.link),
    "api_keys.get": lambda w: w.store.api_keys.get(w.key.document.id),
    "api_keys.validate": lambda w: w.store.api_keys.validate(w.key.key, WORKFLOW),
    "api_keys.list": lambda w: w.store.api_keys.list(),
    "schedules.get": lambda w: w.store.schedules.get("workflow-0"),
    "schedules.list": lambda w: w.store.schedules.list(),
    "schedules.due": lambda w: w.store.schedules.due(now()),
    "job_statuses.get": lambda w: w.store.job_statuses.get("TokenRefreshJob"),
    "job_statuses.list": lambda w: w.store.job_statuses.list(),
    "audit.list": lambda w: w.store.audit.list(SCOPE, since=hours_ago(24)),
    "audit.list, one type": lambda w: w.store.audit.list(SCOPE, since=hours_ago(24), event_type=AuditEventType.FUNCTION_KEY_ACCESS),
    "audit.list_all": lambda w: w.store.audit.list_all(since=hours_ago(24)),
    "executions.get": lambda w: w.store.executions.get(SCOPE, RUN),
    "executions.get, found in GLOBAL": lambda w: w.store.executions.get(SCOPE, SHARED_RUN),
    "executions.get, without GLOBAL": lambda w: w.store.executions.get(SCOPE, RUN, fallback=False),
    "executions.get_status": lambda w: w.store.executions.get_status(SCOPE, RUN),
    "executions.list": lambda w: w.store.executions.list(SCOPE),
    "executions.list, of a user": lambda w: w.store.executions.list(SCOPE, ExecutionFilter(user=USER)),
    "executions.stuck": lambda w: w.store.executions.stuck(now=hours_ago(-1)),
    "executions.count_by_status": lambda w: w.store.executions.count_by_status(SCOPE),
    "executions.statistics": lambda w: w.store.executions.statistics(SCOPE, since=hours_ago(24)),
    "executions.load_result": lambda w: w.store.executions.load_result(_RUN),
    "executions.load_logs": lambda w: w.store.executions.load_logs(_RUN),
    "executions.load_variables": lambda w: w.store.executions.load_variables(_RUN),
    "executions.load_snapshot": lambda w: w.store.executions.load_snapshot(_RUN),
    "execution_data.items": lambda w: w.store.execution_data.items(SCOPE, RECORDED_RUN),
    "execution_data.last": lambda w: w.store.execution_data.last(SCOPE, RECORDED_RUN),
    "execution_data.find": lambda w: w.store.execution_data.find(SCOPE, RECORDED_RUN, "line 7"),
    "execution_data.variables": lambda w: w.store.execution_data.variables(SCOPE, RECORDED_RUN),
    "execution_data.follow, of a run that has ended": _followed,
    "metrics.dashboard, 24 hours": lambda w: w.store.metrics.dashboard(SCOPE, "24h"),
    "metrics.dashboard, 30 days": lambda w: w.store.metrics.dashboard(SCOPE, "30d"),
    "metrics.dashboard, 30 days of the platform": lambda w: w.store.metrics.dashboard(None, "30d"),
    "metrics.compare, a day of a scope": lambda w: w.store.metrics.compare(SCOPE, days=1),
    "metrics.status": lambda w: w.store.metrics.status(),
    "legacy_rows.get": lambda w: w.store.legacy_rows.get(LEGACY_ROW.key.id),
    "legacy_rows.list": lambda w: w.store.legacy_rows.list(GLOBAL),
}
"""Measured first, while nothing grows."""
