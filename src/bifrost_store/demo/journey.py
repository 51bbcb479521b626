"""The same calls on each backend, side by side, with the flag flipped in between."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, fields
from importlib import resources
from pathlib import Path
from typing import Any, Final

from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata
from pydantic import SecretStr
from typing_extensions import override

from bifrost_store.backends.registry import EMBEDDED, PRICED, RAW_ROWS, SOURCE, TARGET
from bifrost_store.core.meter import metering
from bifrost_store.core.page import Page
from bifrost_store.core.scope import GLOBAL
from bifrost_store.demo.azurite import find_command, run_azurite
from bifrost_store.demo.calls import CALLS, NOW, Answer
from bifrost_store.demo.cosmos import EXTRAS, missing_package, run_cosmos
from bifrost_store.demo.moving import Leg, move
from bifrost_store.demo.watching import Sight, watch
from bifrost_store.documents import ConfigType, Document
from bifrost_store.opening.store import open_store
from bifrost_store.probe import probe
from bifrost_store.protocols import ExecutionStatistics
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store
from bifrost_store.transfer.records import dump_records, load_records
from bifrost_store.transfer.rows import load_rows

_DOMAIN = "bifrost-store-demo"
_BACKENDS: Final[Sequence[str]] = (SOURCE, EMBEDDED, TARGET)
_NO_AZURITE = "Azurite is not here (no Node, or no network to install it): "
_ALONE = "SQLite answers alone, so there is nothing to compare with"


@dataclass(slots=True)
class Answers:
    """One call: what each backend answered, in short and whole, how many requests it took of that backend, and their charge."""

    call: str
    answers: dict[str, str] = field(default_factory=dict)
    wholes: dict[str, str] = field(default_factory=dict)
    requests: dict[str, int] = field(default_factory=dict)
    request_units: dict[str, float] = field(default_factory=dict)

    @property
    def is_identical(self) -> bool:
        """Whether all answers are equal in every field, not only in what is shown."""
        return len(set(self.wholes.values())) == 1


@dataclass(slots=True)
class Journey:
    """What the demo saw: call by call, of a run that was watched, step by step of a migration; and what stood in its way."""

    backends: list[str]
    calls: list[Answers]
    notes: list[str]
    legs: list[Leg] = field(default_factory=list)
    sights: list[Sight] = field(default_factory=list)

    @property
    def is_identical(self) -> bool:
        """Whether every call was answered alike."""
        return all(call.is_identical for call in self.calls)

    @property
    def ok(self) -> bool:
        """Whether every call was answered alike, and the run that was watched and the migration went as they should."""
        return self.is_identical and all(sight.ok for sight in self.sights) and all(leg.ok for leg in self.legs)


class SwitchProvider(AbstractProvider):  # type: ignore[misc, unused-ignore]
    """A flag provider whose answer can be changed while a store is open."""

    def __init__(self, backend: str) -> None:
        super().__init__()
        self.backend = backend

    @override
    def get_metadata(self) -> Metadata:
        return Metadata(name="demo switch")

    @override
    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return FlagResolutionDetails(self.backend)

    @override
    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        return FlagResolutionDetails(default_value)

    @override
    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return FlagResolutionDetails(default_value)

    @override
    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        return FlagResolutionDetails(default_value)

    @override
    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        return FlagResolutionDetails(default_value)


async def travel(afterwards: Callable[[Journey, StoreSettings], Awaitable[None]] | None = None) -> Journey:
    """Bring up what there is, load the data set, make the same calls on each backend, watch a run, and migrate there and back.

    Args:
        afterwards: Is given what was seen, and where the embedded backend has the data, while all of it is still there.
    """
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bifrost-store-demo-")))
        settings, notes = await _bring_up(stack, folder)
        backends = [name for name in _BACKENDS if settings.is_configured(name)]
        await _fill(settings, folder)
        for target in backends[1:]:
            await _load(settings, target, folder)
        calls = await _call_each(settings, backends)
        sights = await watch(settings, backends)
        legs = await move(settings, folder / "reports", lambda: NOW) if {SOURCE, TARGET} <= set(backends) else []
        journey = Journey(backends, calls, notes, legs, sights)
        if afterwards is not None:
            await afterwards(journey, settings.model_copy(update={"backend": EMBEDDED}))
        return journey


async def _bring_up(stack: AsyncExitStack, folder: Path) -> tuple[StoreSettings, list[str]]:
    """Return settings that name every backend that can be had here, and say why others cannot."""
    values: dict[str, Any] = {"sqlite_path": str(folder / "demo.db"), "execution_retention_days": None}
    notes: list[str] = []
    missing = missing_package()
    if missing is None:
        values["cosmos_connection_string"] = SecretStr(await stack.enter_async_context(run_cosmos()))
    else:
        notes.append(f"{missing} is not installed: Cosmos DB is left out; pip install '{EXTRAS}'")
    if find_command() is None:
        notes.append(_NO_AZURITE + (_ALONE if missing else "Table Storage and its data set are left out"))
        return StoreSettings(backend=EMBEDDED, blob_folder=str(folder / "blobs"), **values), notes
    azurite = await stack.enter_async_context(run_azurite())
    return StoreSettings(backend=SOURCE, table_connection_string=SecretStr(azurite.connection_string), **values), notes


async def _fill(settings: StoreSettings, folder: Path) -> None:
    """Put data into the first backend: today's rows, where there are tables for them; dump them for the others."""
    if settings.backend == RAW_ROWS:
        with resources.as_file(resources.files("bifrost_store.demo") / "data") as data:
            await load_rows(settings, data)
    async with open_store(settings, clock=lambda: NOW) as store:
        await store.provision()
        if settings.backend != RAW_ROWS:
            await store.organizations.create(
                "Juniper Clinics", created_by="ada@msp.example", domain="juniper.example", id="juniper"
            )
            await store.users.create("kim.lee@juniper.example", organization_id="juniper")
            await store.config.set(GLOBAL, "time_zone", "UTC", config_type=ConfigType.STRING, updated_by="ada@msp.example")
        await dump_records(store, folder / "dump")


async def _load(settings: StoreSettings, target: str, folder: Path) -> None:
    async with open_store(settings.model_copy(update={"backend": target})) as store:
        await load_records(store, folder / "dump")


async def _call_each(settings: StoreSettings, backends: list[str]) -> list[Answers]:
    """Make the same calls on each backend through one store, with the flag flipped in between."""
    calls = [Answers(name) for name in CALLS]
    switch = SwitchProvider(backends[0])
    api.set_provider(switch, _DOMAIN)
    async with open_store(settings, flags=api.get_client(_DOMAIN), clock=lambda: NOW) as store:
        for backend in backends:
            switch.backend = backend
            await _make_calls(store, backend, calls)
    return calls


async def _make_calls(store: Store, backend: str, calls: list[Answers]) -> None:
    await probe(store, GLOBAL)  # Connects, and asks what the SDKs want to know once, so that the calls show their own cost.
    found: dict[str, str] = {}
    for call in calls:
        with metering() as meter:
            answer = await CALLS[call.call](store, found)
        compare(call, backend, answer)
        # A call without a scope asks the other backends too, which may hold data: that is not this one's cost.
        others = tuple(name for name in _BACKENDS if name != backend)
        call.requests[backend] = sum(
            count for what, count in meter.requests.items() if not what.startswith(others) and not what.endswith("_metadata")
        )
        call.request_units[backend] = round(meter.request_units, 2) if backend == PRICED else 0.0


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
