"""The example application answers the same bytes on each backend, also when the backend changes under it."""

from __future__ import annotations

import ast
import json
import os
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryProvider

from bifrost_store import Store, StoreSettings, open_store
from bifrost_store import __all__ as public
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.testing.clock import SettableClock
from bifrost_store.transfer.records import dump_records, load_records
from tests.e2e.functions_app.replay import APP, CALLS, HERE, Replay, registered, routes

pytestmark = pytest.mark.anyio
RECORDED = HERE / "answers.jsonl"
BACKENDS = ("sqlite", "table", "cosmos")
MOVES = [("sqlite", "table"), ("table", "sqlite"), ("table", "cosmos"), ("cosmos", "table")]
MIDDLE = len(CALLS) // 2


class Switch(InMemoryProvider):
    """Sends everything to one backend, until told otherwise."""

    def __init__(self, backend: str) -> None:
        super().__init__({})
        self.backend = backend

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return FlagResolutionDetails(self.backend)

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return FlagResolutionDetails(self.backend)


@pytest.fixture
def settings(tmp_path: Path, empty_azurite: Azurite, empty_cosmos: CosmosEmulator) -> StoreSettings:
    """A place for every backend. Payloads of Cosmos DB lie in the account of the tables, as those of Table Storage do."""
    return StoreSettings(
        backend="sqlite",
        sqlite_path=str(tmp_path / "platform.db"),
        table_connection_string=empty_azurite.connection_string,
        cosmos_connection_string=empty_cosmos.connection_string,
    )


@pytest.fixture(autouse=True)
def no_providers_stay() -> Iterator[None]:
    yield
    api.clear_providers()


@asynccontextmanager
async def opened(settings: StoreSettings, switch: Switch, clock: SettableClock) -> AsyncIterator[Store]:
    """Open a store that may use any backend, and follows *switch*."""
    api.set_provider(switch, "test_functions_app")
    async with open_store(settings, flags=api.get_client("test_functions_app"), clock=clock) as store:
        await store.provision()
        yield store


def recorded() -> list[dict[str, Any]]:
    return [json.loads(line) for line in RECORDED.read_text("utf-8").splitlines()]


def differing(answers: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any], dict[str, Any]]]:
    """Return where *answers* are not those recorded; with ``BIFROST_RECORD=1`` they are recorded instead."""
    if os.environ.get("BIFROST_RECORD"):
        lines = [json.dumps(answer, ensure_ascii=False) for answer in answers]
        RECORDED.write_text("\n".join(lines) + "\n", "utf-8")
    expected = recorded()
    assert len(answers) == len(expected)
    return [(number, *pair) for number, pair in enumerate(zip(answers, expected, strict=True), 1) if pair[0] != pair[1]]


@pytest.mark.parametrize("backend", BACKENDS)
async def test_every_backend_gives_the_recorded_answers(
    backend: str, settings: StoreSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Status, headers and body of each answer are those in the recording; etags and links are only there or not."""
    clock = SettableClock()
    async with opened(settings, Switch(backend), clock) as store:
        answers = await Replay(store, clock, monkeypatch).answers(CALLS)

    assert [] == differing(answers)


@pytest.mark.parametrize(("first", "second"), MOVES, ids=[f"{first}-to-{second}" for first, second in MOVES])
async def test_nobody_notices_the_move(
    first: str, second: str, settings: StoreSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of the calls on one backend, then dump, flip and load, then the rest: etags and tokens from before go on working."""
    clock, switch = SettableClock(), Switch(first)
    async with opened(settings, switch, clock) as store:
        replay = Replay(store, clock, monkeypatch)
        answers = await replay.answers(CALLS[:MIDDLE])
        await dump_records(store, tmp_path / "dump")
        switch.backend = second
        await load_records(store, tmp_path / "dump")
        answers += await replay.answers(CALLS[MIDDLE:])

    assert [] == differing(answers)


def test_the_recording_reaches_every_function() -> None:
    """No endpoint and no timer is left out, and every status that clients must know occurs."""
    called = {(call["method"], f"/api/{call['path'].partition('?')[0]}") for call in CALLS if "path" in call}
    missed = [
        route.pattern.pattern
        for route in routes(registered())
        if not any(method == route.method and route.pattern.fullmatch(path) for method, path in called)
    ]

    assert [] == missed
    assert {"end_stuck_executions", "run_schedules"} <= {call.get("timer") for call in CALLS}
    assert {200, 201, 202, 204, 400, 401, 403, 404, 409, 412, 413} <= {answer.get("status") for answer in recorded()}
    assert len(CALLS) > 250


def test_the_example_holds_no_storage_code() -> None:
    """It imports Azure Functions, a cron library, public names of this library, and of the standard library nothing that stores."""
    packages = {"errors", "changefeed", "opening.azure_realtime", "opening.metrics", "protocols", "realtime", "signalr"}
    allowed = {"azure.functions", "cronsim", "anyio"} | {f"bifrost_store.{name}" for name in packages.union(public)}
    stores = {"sqlite3", "dbm", "shelve", "pickle", "marshal", "http", "socket", "ctypes", "importlib", "subprocess"}
    nodes = [node for path in APP.rglob("*.py") for node in ast.walk(ast.parse(path.read_text("utf-8")))]
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    for node in nodes:
        if isinstance(node, ast.ImportFrom):
            assert node.module is not None
            found |= {f"{node.module}.{one.name}" for one in node.names} if node.module == "bifrost_store" else {node.module}

    assert set() == {name for name in found if is_foreign(name)} - allowed
    assert set() == {name.partition(".")[0] for name in found} & stores
    assert set() == {node.attr for node in nodes if isinstance(node, ast.Attribute)} & {"backend", "record", "legacy_rows"}


def is_foreign(module: str) -> bool:
    """Return whether a module is neither of the standard library nor of the example."""
    return module.partition(".")[0] not in sys.stdlib_module_names | {"bifrost_functions"}
