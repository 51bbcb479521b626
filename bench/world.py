"""The data that operations are measured on: a small platform with one organization of interest."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import count
from typing import Any, Final

from bench.clock import now
from bench.places import ORGANIZATION
from bifrost_store import (
    GLOBAL,
    Branding,
    Config,
    ConfigType,
    Execution,
    ExecutionRef,
    ExecutionStatus,
    Form,
    Integration,
    JobOutcome,
    JobTrigger,
    LogoShape,
    NewApiKey,
    OAuthConnection,
    OAuthFlowType,
    Organization,
    Role,
    Schedule,
    Scope,
    Store,
    User,
    UserType,
)
from bifrost_store.core.record import Record
from bifrost_store.documents import AuditEventType
from bifrost_store.testing.examples import execution, legacy_row
from bifrost_store.testing.images import png

ADMIN: Final = "ada@msp.example"
USER: Final = "kim@x.example"
SCOPE: Final = Scope.organization(ORGANIZATION)
WORKFLOW: Final = "nightly sync"
RUN: Final = "run-in-acme"
SHARED_RUN: Final = "run-in-global"
RECORDED_RUN: Final = "run-that-was-recorded"
PNG: Final = png(300)
LARGE_INPUT: Final = {"lines": ["x" * 100] * 400}
RESULT: Final = {"moved": 12, "failed": []}
LARGE_RESULT: Final = [{"line": number, "text": "x" * 80} for number in range(200)]
VARIABLES: Final = {"ticket": 12, "moved": [1, 2, 3]}
ENTRA_ID: Final = "5f7c0000-0000-0000-0000-000000000001"
LEGACY_ROW: Final = legacy_row(Name="x")
LOGS: Final = [{"level": "info", "message": "x" * 80, "number": number} for number in range(100)]
_HOUR: Final = timedelta(hours=1)


class World:
    """A store with a little of everything, and what is made for one call at a time.

    Attributes:
        store: The store under measurement.
        role, form, key: Of those that `fill` made, one.
        upload: Its name.
        link: Leads to it.
    """

    role: Role
    form: Form
    key: NewApiKey
    upload: str
    link: str

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
        await store.users.create(USER, organization_id=ORGANIZATION, entra_user_id=ENTRA_ID)
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
        await self._fill_once()

    async def _fill_once(self) -> None:
        """Store what operations find by its name."""
        store = self.store
        await store.config.set(GLOBAL, "shared", "value", config_type=ConfigType.STRING, updated_by=ADMIN)
        await self.new_connection(GLOBAL, "shared")
        await store.integrations.set(GLOBAL, "msgraph", enabled=True, settings={"tenant": "x"}, updated_by=ADMIN)
        await store.branding.set(GLOBAL, primary_color="#123456", updated_by=ADMIN)
        await store.branding.save_logo(GLOBAL, LogoShape.SQUARE, PNG, "image/png", updated_by=ADMIN)
        await store.job_statuses.set(
            "TokenRefreshJob",
            status=JobOutcome.COMPLETED,
            start_time=hours_ago(1),
            end_time=hours_ago(0),
            trigger_type=JobTrigger.AUTOMATIC,
        )
        await store.backend.create(LEGACY_ROW)
        self.key = await self.new_key(WORKFLOW)
        self.upload = (await store.uploads.save("photo.png", PNG, "image/png")).name
        self.link = (await store.uploads.link(self.upload, valid_for=timedelta(days=1))).url
        for scope, run_id in ((SCOPE, RUN), (GLOBAL, SHARED_RUN)):
            run = await self.new_run(scope, execution_id=run_id)
            await store.executions.complete(run, ExecutionStatus.SUCCESS, result=LARGE_RESULT)
        run = await store.executions.save_logs(ExecutionRef(SCOPE, RUN), LOGS)
        run = await store.executions.save_variables(run, VARIABLES)
        await store.executions.save_snapshot(run, [VARIABLES])
        run = await self.new_run(execution_id=RECORDED_RUN)
        await self.record(run)
        await store.executions.complete(run, ExecutionStatus.SUCCESS, result=RESULT)
        await store.metrics.rollup()

    async def record(self, run: Execution) -> None:
        """Record ten lines and five sets of variables, as a quick workflow leaves them."""
        async with self.store.execution_data.recording(run) as recording:
            for number in range(10):
                recording.info(f"line {number}: {'x' * 80}")
                if number % 2:
                    recording.set_variables({**VARIABLES, "number": number})
                    await recording.flush()

    async def new_organization(self) -> Organization:
        """Create an organization."""
        return await self.store.organizations.create("New", created_by=ADMIN, domain="new.example")

    async def new_user(self) -> User:
        """Create a user of no organization."""
        return await self.store.users.create(f"{self.new('user')}@x.example")

    async def new_member(self) -> User:
        """Create a user of the organization."""
        return await self.store.users.create(f"{self.new('user')}@x.example", organization_id=ORGANIZATION)

    async def new_admin(self) -> User:
        """Create a platform admin."""
        return await self.store.users.create(f"{self.new('user')}@x.example", user_type=UserType.PLATFORM, is_platform_admin=True)

    async def set_config(self, key: str) -> Config:
        """Store a value that no call stored before."""
        return await self.store.config.set(SCOPE, key, self.new(), config_type=ConfigType.STRING, updated_by=ADMIN)

    async def set_integration(self, integration_type: str) -> Integration:
        """Store settings that no call stored before."""
        settings = {"tenant": self.new()}
        return await self.store.integrations.set(SCOPE, integration_type, enabled=True, settings=settings, updated_by=ADMIN)

    async def save_logo(self, shape: LogoShape) -> Branding:
        """Save a logo over the last one."""
        return await self.store.branding.save_logo(SCOPE, shape, PNG, "image/png", updated_by=ADMIN)

    async def new_key(self, workflow: str | None = None) -> NewApiKey:
        """Make a key of a workflow, by default of one that has none."""
        return await self.store.api_keys.create(created_by=ADMIN, workflow_id=workflow or self.new("workflow"))

    async def new_run(self, scope: Scope = SCOPE, **options: Any) -> Execution:
        """Create a running execution."""
        return await self.store.executions.create(
            scope, workflow_name=WORKFLOW, executed_by=USER, executed_by_name="Kim", form_id="f", **options
        )

    async def new_role(self, scope: Scope = SCOPE) -> Role:
        """Create a role."""
        return await self.store.roles.create(scope, self.new("role"), created_by=ADMIN)

    async def new_role_with(self, *, users: Sequence[str] = (), forms: Sequence[str] = ()) -> Role:
        """Create a role and give it to users and forms."""
        role = await self.new_role()
        if users:
            await self.store.roles.assign_users(SCOPE, role.id, users, assigned_by=ADMIN)
        if forms:
            await self.store.roles.assign_forms(SCOPE, role.id, forms, assigned_by=ADMIN)
        return role

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
        return await self.store.schedules.create(self.new("workflow"), cron_expression="0 * * * *", next_run_at=now() - _HOUR)

    async def claimed_schedule(self) -> Schedule | None:
        """Create a schedule and claim its run."""
        return await self.claim(await self.new_schedule())

    async def claim(self, schedule: Schedule | str) -> Schedule | None:
        """Claim the run that is due."""
        claimed_at = now()
        return await self.store.schedules.claim(schedule, now=claimed_at, next_run_at=claimed_at + _HOUR)

    async def expired_run(self) -> Record:
        """Store an execution that has expired, but not so long ago that a service has removed it."""
        minute_ago = now() - timedelta(minutes=1)
        return await self.store.backend.create(execution(next(self._numbers), scope=SCOPE, expires_at=minute_ago))

    async def append_event(self) -> None:
        """Append an audit event."""
        await self.store.audit.append(SCOPE, AuditEventType.FUNCTION_KEY_ACCESS, user_id=USER, endpoint="/api/x", method="GET")


def hours_ago(hours: int) -> datetime:
    """Return a time in the past."""
    return now() - hours * _HOUR
