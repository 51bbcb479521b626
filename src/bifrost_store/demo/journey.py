"""The same calls on each backend, side by side, with the flag flipped in between."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata
from pydantic import SecretStr

from bifrost_store.core.meter import count_requests
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.demo.azurite import find_command, run_azurite
from bifrost_store.documents import ConfigType, ExecutionStatus
from bifrost_store.protocols import ExecutionFilter
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store, open_store
from bifrost_store.transfer.records import dump_records, load_records
from bifrost_store.transfer.rows import load_rows

_NOW = datetime(2025, 11, 20, 12, tzinfo=UTC)
_DOMAIN = "bifrost-store-demo"

Call = Callable[[Store, dict[str, str]], Awaitable[object]]


@dataclass(slots=True)
class Answers:
    """One call: what each backend answered, and how many requests it took."""

    call: str
    answers: dict[str, str] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)

    @property
    def is_identical(self) -> bool:
        """Whether all answers are equal."""
        return len(set(self.answers.values())) == 1


@dataclass(slots=True)
class Journey:
    """What the demo saw, call by call, and what stood in its way."""

    backends: list[str]
    calls: list[Answers]
    notes: list[str]

    @property
    def is_identical(self) -> bool:
        """Whether every call was answered alike."""
        return all(call.is_identical for call in self.calls)


class SwitchProvider(AbstractProvider):  # type: ignore[misc, unused-ignore]
    """A flag provider whose answer can be changed while a store is open."""

    def __init__(self, backend: str) -> None:
        super().__init__()
        self.backend = backend

    def get_metadata(self) -> Metadata:
        return Metadata(name="demo switch")

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return FlagResolutionDetails(self.backend)

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        return FlagResolutionDetails(default_value)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return FlagResolutionDetails(default_value)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        return FlagResolutionDetails(default_value)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        return FlagResolutionDetails(default_value)


async def travel() -> Journey:
    """Bring up what there is, load the data set, and make the same calls on each backend."""
    with tempfile.TemporaryDirectory(prefix="bifrost-store-demo-") as name:
        folder = Path(name)
        if find_command() is None:
            return await _on_sqlite_alone(folder)
        async with run_azurite() as azurite:
            secret = SecretStr(azurite.connection_string)
            settings = StoreSettings(
                backend="table",
                table_connection_string=secret,
                sqlite_path=str(folder / "demo.db"),
                execution_retention_days=None,
            )
            with resources.as_file(resources.files("bifrost_store.demo") / "data") as data:
                await load_rows(settings, data)
            return await _on_both(settings, folder)


async def _on_both(settings: StoreSettings, folder: Path) -> Journey:
    switch = SwitchProvider("table")
    async with _flagged(settings, switch) as store:
        await store.provision()
        await _carry(settings, folder)
        calls = [Answers(name) for name in CALLS]
        for backend in ("table", "sqlite"):
            switch.backend = backend
            await _make_calls(store, backend, calls)
    return Journey(["table", "sqlite"], calls, [])


async def _on_sqlite_alone(folder: Path) -> Journey:
    settings = StoreSettings(backend="sqlite", sqlite_path=str(folder / "demo.db"), execution_retention_days=None)
    calls = [Answers(name) for name in CALLS]
    async with open_store(settings, clock=lambda: _NOW) as store:
        await store.organizations.create("Juniper Clinics", created_by="ada@msp.example", domain="juniper.example", id="juniper")
        await store.users.create("kim.lee@juniper.example", organization_id="juniper")
        await store.config.set(GLOBAL, "time_zone", "UTC", config_type=ConfigType.STRING, updated_by="ada@msp.example")
        await _make_calls(store, "sqlite", calls)
    note = "Azurite is not here (no Node, or no network to install it): SQLite answers alone, so there is nothing to compare with"
    return Journey(["sqlite"], calls, [note])


@asynccontextmanager
async def _flagged(settings: StoreSettings, switch: SwitchProvider) -> AsyncIterator[Store]:
    api.set_provider(switch, _DOMAIN)
    async with open_store(settings, flags=api.get_client(_DOMAIN), clock=lambda: _NOW) as store:
        yield store


async def _carry(settings: StoreSettings, folder: Path) -> None:
    """Dump from Table Storage, load into SQLite."""
    async with open_store(settings) as table:
        await dump_records(table, folder / "dump")
    async with open_store(settings.model_copy(update={"backend": "sqlite", "table_connection_string": None})) as sqlite:
        await load_records(sqlite, folder / "dump")


async def _make_calls(store: Store, backend: str, calls: list[Answers]) -> None:
    found: dict[str, str] = {}
    for call in calls:
        with count_requests() as counted:
            answer = await CALLS[call.call](store, found)
        call.answers[backend] = str(answer)
        call.requests[backend] = sum(counted.values())


async def _organizations(store: Store, found: dict[str, str]) -> object:
    page = await store.organizations.list()
    found["organization"] = page[0].id
    return ", ".join(organization.name for organization in page)


async def _by_domain(store: Store, found: dict[str, str]) -> object:
    organization = await store.organizations.find_by_domain("Juniper.Example")
    found["organization"] = organization.id if organization is not None else found["organization"]
    return organization and organization.name


async def _users(store: Store, found: dict[str, str]) -> object:
    users = await store.users.list_organization(found["organization"], by_last_login=True)
    found["user"] = users[0].email
    return ", ".join(user.email for user in users)


async def _config(store: Store, found: dict[str, str]) -> object:
    merged = await store.config.list(Scope.organization(found["organization"]))
    return ", ".join(f"{config.key}={config.value}" for config in merged if config.config_type != ConfigType.SECRET_REF)


async def _create(store: Store, found: dict[str, str]) -> object:
    run = await store.executions.create(
        Scope.organization(found["organization"]),
        workflow_name="license_report",
        executed_by=found["user"],
        executed_by_name="Demo",
        input_data={"pi": 3.0, "big": 2**70, "names": ["Zoë", "李"]},
        execution_id="demo-1",
        form_id="demo-form",
    )
    return f"{run.status} revision {run.record.version.revision} {run.input_data}"


async def _complete(store: Store, found: dict[str, str]) -> object:
    run = await store.executions.get(Scope.organization(found["organization"]), "demo-1")
    assert run is not None
    done = await store.executions.complete(run, ExecutionStatus.SUCCESS, duration_ms=1234, result={"rows": list(range(400))})
    return f"{done.status} revision {done.record.version.revision}, result in a blob: {done.result_in_blob}"


async def _load_result(store: Store, found: dict[str, str]) -> object:
    run = await store.executions.get(Scope.organization(found["organization"]), "demo-1")
    assert run is not None
    result = await store.executions.load_result(run)
    return result and f"{result.type}, {len(str(result.value))} characters"


async def _by_user(store: Store, found: dict[str, str]) -> object:
    scope = Scope.organization(found["organization"])
    page = await store.executions.list(scope, ExecutionFilter(user=found["user"]), limit=3)
    return ", ".join(f"{run.workflow_name} {run.status} {run.started_at:%d.%m. %H:%M:%S.%f}" for run in page)


async def _stuck(store: Store, found: dict[str, str]) -> object:
    page = await store.executions.stuck(now=_NOW + timedelta(hours=1))
    return ", ".join(f"{run.status} since {run.started_at:%H:%M}" for run in page) or "none"


async def _statistics(store: Store, found: dict[str, str]) -> object:
    figures = await store.executions.statistics(GLOBAL, since=_NOW - timedelta(days=30))
    counts = ", ".join(f"{status} {count}" for status, count in sorted(figures.by_status.items()))
    return f"{figures.total} runs, {figures.success_rate} % success ({counts})"


async def _delete(store: Store, found: dict[str, str]) -> object:
    scope = Scope.organization(found["organization"])
    deleted = await store.executions.delete(scope, "demo-1")
    return f"{deleted}, then {await store.executions.get(scope, 'demo-1')}"


async def _legacy_rows(store: Store, found: dict[str, str]) -> object:
    return ", ".join(row.table for row in await store.legacy_rows.list(GLOBAL)) or "none"


CALLS: dict[str, Call] = {
    "organizations.list": _organizations,
    "organizations.find_by_domain": _by_domain,
    "users.list_organization": _users,
    "config.list, merged": _config,
    "executions.create, with a form": _create,
    "executions.get and complete": _complete,
    "executions.get and load_result": _load_result,
    "executions.list by user": _by_user,
    "executions.stuck": _stuck,
    "executions.statistics": _statistics,
    "executions.delete and get": _delete,
    "legacy_rows.list": _legacy_rows,
}
