"""A representative run and what goes on around it, as calls of the public API: one step for each operation of the mix."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, Final
from uuid import uuid4

from bifrost_store.backends.registry import PRICED
from bifrost_store.core.execution_data import DataDocument, DataType, Run, segment_id
from bifrost_store.core.feed import FeedRange
from bifrost_store.core.record import Body
from bifrost_store.core.scope import Scope
from bifrost_store.core.tasks import for_each
from bifrost_store.core.version import new_write_id
from bifrost_store.costing.figures import Figures
from bifrost_store.costing.mix import DASHBOARD, LEASE, METRICS_POLL, POLL, RECOUNT, ROLLUP
from bifrost_store.documents import AccessLevel, AuditEventType, ConfigType, Execution, ExecutionStatus, Form
from bifrost_store.protocols import ExecutionRef, NewApiKey
from bifrost_store.repositories.executions.creation import creation_of
from bifrost_store.store import Store

PAGE: Final = 25
WORKFLOW: Final = "user_onboarding"
USER: Final = "dana.whitfield@bifrost-msp.com"
INPUT: Final = {
    "first_name": "Rosa",
    "last_name": "Nowak",
    "email": "rosa@example.com",
    "licenses": ["F1", "E5"],
    "start": "2025-12-26",
}
"""As long as nine of ten inputs in the development data."""
RESULT: Final = {"created": True, "licenses": 2, "warnings": ["mailbox is provisioned later"]}
LARGE_RESULT: Final = [{"line": number, "text": "x" * 80} for number in range(47)]
"""Some 5 kB, as in the plan; the largest of the development data have 3."""
LINES: Final = 10
VARIABLES: Final = {f"variable_{number}": "x" * 40 for number in range(5)}
FAR: Final = datetime(2200, 1, 1, tzinfo=UTC)
"""No timer that runs beside takes a schedule of then for due."""


class Scene:
    """Where the run is made: one scope of a store, which nobody else uses.

    Attributes:
        store: The store under measurement.
        scope: Of an organization that does not exist.
        form, key: Ready to be read and to be used.
        configuration: Name of a stored value.
        figures: Of dashboards.
    """

    form: Form
    key: NewApiKey
    configuration: Final = "retries"

    def __init__(self, store: Store) -> None:
        self.store = store
        self.scope = Scope.organization(f"cost-{uuid4().hex[:12]}")
        self.figures = Figures(store, self.scope)
        self._numbers = count()
        self._executions: list[str] = []
        self._keys: list[str] = []
        self._workflows: list[str] = []

    async def prepare(self) -> None:
        """Store what reads are to find."""
        await self.set_configuration()
        self.form = await self.store.forms.create(
            self.scope,
            "Onboarding",
            linked_workflow=WORKFLOW,
            form_schema={"fields": [{"name": name, "type": "text", "label": name} for name in INPUT]},
            created_by=USER,
            access_level=AccessLevel.AUTHENTICATED,
        )
        self.key = await self.new_key()
        await self.store.api_keys.validate(self.key.key, self.key_workflow)

    async def clean_up(self) -> None:
        """Delete everything again. What is deleted leaves a tombstone; audit events cannot be deleted."""
        store = self.store
        await for_each(lambda execution_id: store.executions.delete(self.scope, execution_id), self._executions)
        await for_each(store.api_keys.delete, self._keys)
        await for_each(store.schedules.delete, self._workflows)
        await store.config.delete(self.scope, self.configuration)
        await self.figures.clear()
        if hasattr(self, "form"):
            await store.forms.delete(self.scope, self.form.id)

    async def fill(self, executions: int) -> None:
        """Store so many runs that have ended."""
        await for_each(lambda _: self._ended(), range(executions))

    async def _ended(self) -> Execution:
        return await self.store.executions.complete(
            await self.new_run(ExecutionStatus.RUNNING), ExecutionStatus.SUCCESS, duration_ms=1641, result=RESULT
        )

    async def new_run(self, status: ExecutionStatus = ExecutionStatus.PENDING) -> Execution:
        """Start a run from a form."""
        run = await self.store.executions.create(
            self.scope,
            workflow_name=WORKFLOW,
            executed_by=USER,
            executed_by_name="Dana Whitfield",
            input_data=INPUT,
            form_id=self.form.id,
            status=status,
        )
        self._executions.append(run.execution_id)
        return run

    async def new_key(self) -> NewApiKey:
        """Make an API key that was never used."""
        key = await self.store.api_keys.create(created_by=USER, workflow_id=self.key_workflow)
        self._keys.append(key.document.id)
        return key

    @property
    def key_workflow(self) -> str:
        """A workflow that no key of the platform opens."""
        return f"{self.scope.value}-workflow"

    async def new_schedule(self) -> Any:
        """Make a schedule that is due in a far future."""
        name = f"{self.scope.value}-{next(self._numbers)}"
        self._workflows.append(name)
        return await self.store.schedules.create(name, cron_expression="0 * * * *", next_run_at=FAR)

    def now(self) -> datetime:
        """Return the store's time."""
        return self.store.context.clock()

    async def set_configuration(self) -> None:
        """Write a configuration value, over the old one where there is one."""
        await self.store.config.set(
            self.scope, self.configuration, str(next(self._numbers)), config_type=ConfigType.STRING, updated_by=USER
        )

    async def append(self, run: Execution, first: int, kind: DataType, body: Body) -> None:
        """Store one document of execution data, as a recording does for each flush."""
        place = await self.store.backend.data_place(self.scope)
        assert place.data is not None
        now = self.now()
        of = Run(self.scope, run.execution_id, creation_of(run.record))
        write_id = new_write_id()
        document = DataDocument(
            of, segment_id(self.scope, 0, first), kind, body, now, write_id, now + timedelta(days=28), 0, first, first
        )
        (error,) = await place.data.append([[document]])
        if error is not None:
            raise error

    async def tip(self) -> tuple[FeedRange, str]:
        """Return where the first range of a feed ends."""
        feed = self.store.backend.backend(PRICED).feed
        assert feed is not None
        part = (await feed.ranges("execution_data"))[0]
        return part, await feed.tip("execution_data", part)

    async def poll(self, where: tuple[FeedRange, str]) -> None:
        """Ask a feed that has nothing new."""
        feed = self.store.backend.backend(PRICED).feed
        assert feed is not None
        await feed.items("execution_data", *where)

    def ref(self, run: Execution) -> ExecutionRef:
        """Name a run as handlers do, which do not hold the model."""
        return ExecutionRef(self.scope, run.execution_id)


async def _nothing(scene: Scene) -> None:
    return None


async def _running(scene: Scene) -> Execution:
    return await scene.new_run(ExecutionStatus.RUNNING)


async def _with_large_result(scene: Scene) -> Execution:
    return await scene.store.executions.save_result(await _running(scene), LARGE_RESULT)


async def _recorded(scene: Scene) -> Execution:
    """Return a run that has left what the plan expects of one."""
    run = await _with_large_result(scene)
    for number in range(1, LINES + 1):
        await scene.append(run, number, "log", _line(number))
    for number in range(1, len(VARIABLES) + 1):
        await scene.append(run, LINES + number, "variables", {"variables": VARIABLES, "number": number})
    return run


def _line(number: int) -> Body:
    line = {"number": number, "timestamp": "2025-11-20T12:00:00.000000Z", "level": "info", "message": f"step {number} " + "x" * 60}
    return {"lines": [line]}


@dataclass(frozen=True, slots=True)
class Step:
    """One operation.

    Attributes:
        call: What is measured, given what *before* returned.
        before: Makes ready, and is not measured.
        grows: Its charge may grow with the executions that are stored.
        leaves_data: What it sends stays in execution data.
        stand_in: What is measured instead where others use the store: the operation itself would change what is theirs, or
            could not be taken back.
    """

    call: Callable[[Scene, Any], Awaitable[object]]
    before: Callable[[Scene], Awaitable[object]] = _nothing
    grows: bool = False
    leaves_data: bool = False
    stand_in: str | None = None


EACH_EXPIRED: Final = "executions.purge_expired, each"
"""Measured in the end, over all that was made; see `bifrost_store.costing.measuring`."""
STAND_IN_FOR_DOCUMENTS: Final = "execution_data.append, a line"
STAND_IN_FOR_EXPIRY: Final = "executions.create"
"""To delete a document costs what it costs to create it ("Understand request units consumption in Azure Cosmos DB")."""
_SUCCESS: Final = ExecutionStatus.SUCCESS

STEPS: Final[dict[str, Step]] = {
    "executions.create": Step(lambda s, _: s.new_run()),
    "executions.set_status": Step(
        lambda s, run: s.store.executions.set_status(s.ref(run), ExecutionStatus.RUNNING), lambda s: s.new_run()
    ),
    "executions.complete": Step(
        lambda s, run: s.store.executions.complete(s.ref(run), _SUCCESS, duration_ms=1641, result=RESULT), _running
    ),
    "execution_data.append, a line": Step(lambda s, run: s.append(run, 1, "log", _line(1)), _running, leaves_data=True),
    "execution_data.append, variables": Step(
        lambda s, run: s.append(run, 1, "variables", {"variables": VARIABLES, "number": 1}), _running, leaves_data=True
    ),
    "execution_data.append, a result": Step(
        lambda s, run: s.append(run, 1, "state", {"value": LARGE_RESULT}), _running, leaves_data=True
    ),
    "execution_data.items": Step(lambda s, run: s.store.execution_data.items(s.scope, run.execution_id), _recorded),
    "executions.get": Step(lambda s, run: s.store.executions.get(s.scope, run.execution_id), _running),
    "executions.list": Step(lambda s, _: s.store.executions.list(s.scope, limit=PAGE)),
    "executions.load_result": Step(lambda s, run: s.store.executions.load_result(s.ref(run)), _with_large_result),
    "executions.statistics": Step(
        lambda s, _: s.store.executions.statistics(s.scope, since=s.now() - timedelta(days=1)), grows=True
    ),
    "executions.stuck": Step(lambda s, _: s.store.executions.stuck(now=s.now()), grows=True),
    "executions.purge_expired": Step(lambda s, _: s.store.executions.purge_expired(), grows=True, stand_in="executions.stuck"),
    "config.get": Step(lambda s, _: s.store.config.get(s.scope, s.configuration)),
    "forms.get": Step(lambda s, _: s.store.forms.get(s.scope, s.form.id)),
    "api_keys.validate": Step(lambda s, _: s.store.api_keys.validate(s.key.key, s.key_workflow)),
    "api_keys.validate, use noted": Step(lambda s, key: s.store.api_keys.validate(key.key, s.key_workflow), lambda s: s.new_key()),
    "audit.append": Step(
        lambda s, _: s.store.audit.append(
            s.scope, AuditEventType.FUNCTION_KEY_ACCESS, user_id=USER, endpoint="/api/x", method="POST"
        ),
        stand_in="executions.create",
    ),
    "schedules.due": Step(lambda s, _: s.store.schedules.due(s.now())),
    "schedules.claim": Step(
        lambda s, one: s.store.schedules.claim(one, now=FAR, next_run_at=FAR + timedelta(hours=1)), lambda s: s.new_schedule()
    ),
    RECOUNT: Step(lambda s, _: s.figures.recount()),
    DASHBOARD: Step(lambda s, _: s.figures.read(), lambda s: s.figures.store_days()),
    ROLLUP: Step(lambda s, _: s.figures.roll_up(), stand_in=RECOUNT),
    POLL: Step(lambda s, where: s.poll(where), lambda s: s.tip()),
    METRICS_POLL: Step(lambda s, where: s.poll(where), lambda s: s.tip()),
    # A lease is a small document that is read and replaced, as a configuration value is.
    LEASE: Step(lambda s, _: s.set_configuration()),
}
