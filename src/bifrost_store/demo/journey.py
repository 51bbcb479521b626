"""The same calls on each backend, side by side, with the flag flipped in between."""

from __future__ import annotations

import json
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata
from pydantic import SecretStr

from bifrost_store.core.meter import count_requests
from bifrost_store.core.page import Page
from bifrost_store.core.scope import GLOBAL
from bifrost_store.demo.azurite import find_command, run_azurite
from bifrost_store.demo.calls import CALLS, NOW, Answer
from bifrost_store.documents import ConfigType, Document
from bifrost_store.protocols import ExecutionStatistics
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store, open_store
from bifrost_store.transfer.records import dump_records, load_records
from bifrost_store.transfer.rows import load_rows

_DOMAIN = "bifrost-store-demo"


@dataclass(slots=True)
class Answers:
    """One call: what each backend answered, in short and whole, and how many requests it took."""

    call: str
    answers: dict[str, str] = field(default_factory=dict)
    wholes: dict[str, str] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)

    @property
    def is_identical(self) -> bool:
        """Whether all answers are equal in every field, not only in what is shown."""
        return len(set(self.wholes.values())) == 1


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
    async with open_store(settings, clock=lambda: NOW) as store:
        await store.organizations.create("Juniper Clinics", created_by="ada@msp.example", domain="juniper.example", id="juniper")
        await store.users.create("kim.lee@juniper.example", organization_id="juniper")
        await store.config.set(GLOBAL, "time_zone", "UTC", config_type=ConfigType.STRING, updated_by="ada@msp.example")
        await _make_calls(store, "sqlite", calls)
    note = "Azurite is not here (no Node, or no network to install it): SQLite answers alone, so there is nothing to compare with"
    return Journey(["sqlite"], calls, [note])


@asynccontextmanager
async def _flagged(settings: StoreSettings, switch: SwitchProvider) -> AsyncIterator[Store]:
    api.set_provider(switch, _DOMAIN)
    async with open_store(settings, flags=api.get_client(_DOMAIN), clock=lambda: NOW) as store:
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
        compare(call, backend, answer)
        call.requests[backend] = sum(counted.values())


def compare(call: Answers, backend: str, answer: Answer) -> None:
    """Add what *backend* answered to *call*."""
    call.answers[backend] = str(answer.shown)
    call.wholes[backend] = json.dumps(_plain(answer.whole), default=str)


def _plain(whole: object) -> object:
    """Return an answer as JSON would have it. An etag names its backend and write: it differs by nature, and is left out."""
    match whole:
        case Document():
            return whole.model_dump(mode="json", exclude={"etag"})
        case Page():
            return {"items": [_plain(item) for item in whole], "unreadable": [str(error) for error in whole.unreadable]}
        case list() | tuple():
            return [_plain(item) for item in whole]
        case ExecutionStatistics():
            return {name: _plain(getattr(whole, name)) for name in (field.name for field in fields(whole))}
    return whole
