"""The data that operations are measured on: a small platform with one organization of interest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final

from bench.places import ORGANIZATION
from bifrost_store import (
    GLOBAL,
    ConfigType,
    Execution,
    ExecutionRef,
    ExecutionStatus,
    Form,
    LogoShape,
    NewApiKey,
    OAuthConnection,
    OAuthFlowType,
    Organization,
    Role,
    Schedule,
    Scope,
    Store,
)
from bifrost_store.documents import AuditEventType
from bifrost_store.testing.images import png

ADMIN: Final = "ada@msp.example"
USER: Final = "kim@x.example"
SCOPE: Final = Scope.organization(ORGANIZATION)
WORKFLOW: Final = "nightly sync"
RUN: Final = "run-in-acme"
SHARED_RUN: Final = "run-in-global"
PNG: Final = png(300)
LARGE_INPUT: Final = {"lines": ["x" * 100] * 400}
RESULT: Final = {"moved": 12, "failed": []}
LARGE_RESULT: Final = [{"line": number, "text": "x" * 80} for number in range(200)]
LOGS: Final = [{"level": "info", "message": "x" * 80, "number": number} for number in range(100)]
_HOUR: Final = timedelta(hours=1)


class World:
    """A store with a little of everything, and what is made for one call at a time.

    Attributes:
        store: The store under measurement.
        role, form, key, upload: Of those that `fill` made, one.
    """

    role: Role
    form: Form
    key: NewApiKey
    upload: str

    def __init__(self, store: Store) -> None:
        self.store = store
        self._numbers = count()

    def new(self, prefix: str = "n") -> str:
        """Return a name that no call had before."""
        return f"{prefix}-{next(self._numbers)}"

    async def fill(self, size: int) -> None:
        """Store *size* of every kind that lists show, half of them in GLOBAL where the kind knows both."""
        store = self.store
        await store.organizations.create("Acme", created_by=ADMIN, domain="acme.example", id=ORGANIZATION)
        await store.users.create(USER, organization_id=ORGANIZATION)
        for number in range(size):
            scope = GLOBAL if number % 2 else SCOPE
            await store.organizations.create(f"Customer {number}", created_by=ADMIN, domain=f"c{number}.example")
            await store.users.create(f"user-{number}@x.example", organization_id=ORGANIZATION)
            await store.config.set(scope, f"key-{number}", "value", config_type=ConfigType.STRING, updated_by=ADMIN)
            self.role, self.form = await self.new_role(scope), await self.new_form(scope)
            await store.roles.assign_users(scope, self.role.id, [USER], assigned_by=ADMIN)
            await store.roles.assign_forms(scope, self.role.id, [self.form.id], assigned_by=ADMIN)
            await self.new_connection(scope)
            await self.new_run()
            await self.new_schedule()
            await self.append_event()
        await store.config.set(GLOBAL, "shared", "value", config_type=ConfigType.STRING, updated_by=ADMIN)
        await self.new_connection(GLOBAL, "shared")
        await store.integrations.set(GLOBAL, "msgraph", enabled=True, settings={"tenant": "x"}, updated_by=ADMIN)
        await store.branding.set(GLOBAL, primary_color="#123456", updated_by=ADMIN)
        await store.branding.save_logo(GLOBAL, LogoShape.SQUARE, PNG, "image/png", updated_by=ADMIN)
        self.key = await store.api_keys.create(created_by=ADMIN, workflow_id=WORKFLOW)
        self.upload = (await store.uploads.save("photo.png", PNG, "image/png")).name
        for scope, run_id in ((SCOPE, RUN), (GLOBAL, SHARED_RUN)):
            run = await self.new_run(scope, execution_id=run_id)
            await store.executions.complete(run, ExecutionStatus.SUCCESS, result=LARGE_RESULT)
        await store.executions.save_logs(ExecutionRef(SCOPE, RUN), LOGS)

    async def new_organization(self) -> Organization:
        """Create an organization."""
        return await self.store.organizations.create("New", created_by=ADMIN, domain="new.example")

    async def new_run(self, scope: Scope = SCOPE, **options: Any) -> Execution:
        """Create a running execution."""
        return await self.store.executions.create(
            scope, workflow_name=WORKFLOW, executed_by=USER, executed_by_name="Kim", form_id="f", **options
        )

    async def new_role(self, scope: Scope = SCOPE) -> Role:
        """Create a role."""
        return await self.store.roles.create(scope, self.new("role"), created_by=ADMIN)

    async def new_form(self, scope: Scope = SCOPE) -> Form:
        """Create a form."""
        schema = {"fields": [{"name": "ticket", "type": "text", "label": "Ticket"}]}
        return await self.store.forms.create(
            scope, self.new("form"), linked_workflow=WORKFLOW, form_schema=schema, created_by=ADMIN
        )

    async def new_connection(self, scope: Scope = SCOPE, name: str | None = None) -> OAuthConnection:
        """Create an OAuth connection."""
        return await self.store.oauth.create(
            scope,
            name or self.new("connection"),
            oauth_flow_type=OAuthFlowType.CLIENT_CREDENTIALS,
            client_id="client",
            token_url="https://login.example/token",
            client_secret_ref="secret-1",
            created_by=ADMIN,
        )

    async def new_schedule(self) -> Schedule:
        """Create a schedule whose run is due."""
        return await self.store.schedules.create(
            self.new("workflow"), cron_expression="0 * * * *", next_run_at=datetime.now(UTC) - _HOUR
        )

    async def claim(self, schedule: Schedule | str) -> Schedule | None:
        """Claim the run that is due."""
        now = datetime.now(UTC)
        return await self.store.schedules.claim(schedule, now=now, next_run_at=now + _HOUR)

    async def append_event(self) -> None:
        """Append an audit event."""
        await self.store.audit.append(SCOPE, AuditEventType.FUNCTION_KEY_ACCESS, user_id=USER, endpoint="/api/x", method="GET")


def hours_ago(hours: int) -> datetime:
    """Return a time in the past."""
    return datetime.now(UTC) - hours * _HOUR
