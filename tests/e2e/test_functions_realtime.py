"""Real time in the example application: triggers on the change feed, Azure SignalR Service, and who is told of what."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import Mock

import azure.functions as func
import pytest
from azure.cosmos.aio import CosmosClient
from azure.functions import meta
from azure.functions.cosmosdb import CosmosDBConverter
from pydantic import SecretStr
from starlette.requests import Request
from starlette.responses import Response

from bifrost_store import Execution, ExecutionStatus, Scope, Store, StoreSettings, open_store
from bifrost_store.changefeed import DeadLetters
from bifrost_store.emulator import CosmosEmulator
from bifrost_store.errors import StoreError
from bifrost_store.opening.azure_realtime import open_azure_realtime
from bifrost_store.realtime import platform_rules
from bifrost_store.signalr import LocalService
from tests.e2e.functions_app.browser import Functions, browser, post
from tests.e2e.functions_app.replay import APP, registered
from tests.signalr.serving import serving
from tests.signalr.stock import StockClients

pytestmark = pytest.mark.anyio
ACME = Scope.organization("acme")
KIM = {"X-Organization-Id": "acme", "X-User-Id": "kim@acme.example"}
LEE = {**KIM, "X-User-Id": "lee@acme.example"}
ADMIN = {"X-User-Id": "ada@msp.example", "X-Platform-Admin": "true"}
NOWHERE = "Endpoint=http://127.0.0.1:9;AccessKey=" + "k" * 40
ACCOUNT = "AccountEndpoint=https://name.documents.azure.com:443/;AccountKey=a2V5"
TRIGGERS = ["tell_of_execution_data", "tell_of_executions"]
ROUTES = ["join", "leave", "negotiate"]


def functions_of(settings: StoreSettings) -> list[Any]:
    """Return the functions that the worker finds with these settings, without those that are always there."""
    always = {one.get_function_name() for one in registered()}
    from bifrost_functions.registered import blueprints

    app = func.FunctionApp()
    for blueprint in blueprints(settings):
        app.register_functions(blueprint)
    found = [one for one in app.get_functions() if one.get_function_name() not in always]
    return sorted(found, key=lambda one: str(one.get_function_name()))


def settings_of(**fields: Any) -> StoreSettings:
    return StoreSettings(backend="cosmos", cosmos_connection_string=SecretStr(ACCOUNT), **fields)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"signalr_connection_string": NOWHERE}, sorted([*ROUTES, *TRIGGERS])),
        ({"signalr_connection_string": NOWHERE, "realtime": "off"}, []),
        ({}, []),
    ],
    ids=["on", "off", "no service"],
)
def test_off_means_that_nothing_is_registered(fields: dict[str, Any], expected: list[str]) -> None:
    """Real time off, or no service: no route, and no trigger whose polls would be paid for."""
    assert expected == [one.get_function_name() for one in functions_of(settings_of(**fields))]


def test_without_cosmos_there_is_nothing_to_trigger_on() -> None:
    """On another backend the routes are there, and what this process records is told of."""
    found = functions_of(StoreSettings(backend="sqlite", signalr_connection_string=SecretStr(NOWHERE)))

    assert ROUTES == [one.get_function_name() for one in found]


def test_triggers_are_bound_as_the_host_needs_them() -> None:
    """Each has leases of its own in the container that `init` makes, reads from now on, and tries for ever."""
    found = functions_of(settings_of(signalr_connection_string=NOWHERE, cosmos_database="platform"))
    triggers = {one.get_function_name(): one for one in found if one.get_function_name() in TRIGGERS}

    for name, container, poll in (("tell_of_execution_data", "execution_data", 500), ("tell_of_executions", "executions", 1000)):
        assert [
            {
                "direction": "IN",
                "type": "cosmosDBTrigger",
                "name": "documents",
                "connection": "CosmosDBConnection",
                "databaseName": "platform",
                "containerName": container,
                "leaseContainerName": "leases",
                "createLeaseContainerIfNotExists": False,
                "leaseContainerPrefix": f"realtime-{container}-",
                "feedPollDelay": poll,
                "maxItemsPerInvocation": 100,
            }
        ] == json.loads(triggers[name].get_function_json())["bindings"]
        assert {
            "setting_name": "retry_policy",
            "strategy": "exponential_backoff",
            "max_retry_count": "-1",
            "minimum_interval": "00:00:01",
            "maximum_interval": "00:01:00",
        } == triggers[name].get_settings_dict("retry_policy")


class World(NamedTuple):
    """The application with everything on.

    Attributes:
        functions: As the worker calls them.
        raw: Returns the documents of a container as the service stores them.
    """

    store: Store
    functions: Functions
    settings: StoreSettings
    emulator: CosmosEmulator
    service: LocalService

    async def raw(self, container: str) -> list[dict[str, Any]]:
        async with CosmosClient.from_connection_string(self.emulator.connection_string) as client:
            found = client.get_database_client("bifrost").get_container_client(container)
            return [document async for document in found.query_items_change_feed(start_time="Beginning")]

    async def trigger(self, name: str, documents: list[dict[str, Any]]) -> None:
        """Call a trigger as the host does, which sends JSON."""
        await self.functions[name](CosmosDBConverter.decode(meta.Datum(json.dumps(documents), "json"), trigger_metadata={}))

    async def run(self, execution_id: str = "run-1") -> Execution:
        who: dict[str, Any] = {"executed_by": "kim@acme.example", "executed_by_name": "Kim"}
        return await self.store.executions.create(ACME, workflow_name="w", execution_id=execution_id, **who)

    async def letters(self) -> list[str]:
        letters = DeadLetters(self.store.backend.backend("cosmos"), "azure-functions")
        return [row.state.id async for row in letters.all()]


@pytest.fixture
async def world(
    empty_cosmos: CosmosEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> AsyncIterator[World]:
    """Documents are told of by triggers alone, unless a test takes that over."""
    service = LocalService()
    with serving(service, service) as url:
        settings = StoreSettings(
            backend="cosmos",
            cosmos_connection_string=SecretStr(empty_cosmos.connection_string),
            blob_folder=str(tmp_path / "blobs"),
            signalr_connection_string=SecretStr(service.connection_string(url)),
        )
        functions = {one.get_function_name(): one.get_user_function() for one in functions_of(settings)}
        async with open_azure_realtime(settings, may_watch=platform_rules, publishes=False) as realtime:
            await realtime.store.provision()
            monkeypatch.setattr("bifrost_functions.opened._store", realtime.store)
            monkeypatch.setattr("bifrost_functions.opened._realtime", realtime)
            yield World(realtime.store, functions, settings, empty_cosmos, service)


async def record(world: World, run: Execution) -> None:
    async with world.store.execution_data.recording(run, capture=False) as recording:
        recording.debug("a hidden way")
        recording.info("one")
        recording.set_variables({"inner": "a hidden value"})
        recording.error("two")


async def test_a_run_is_told_of_from_its_documents_to_a_browser(world: World) -> None:
    """Through the triggers alone, each line once though documents come again; who may not see all is not sent it."""
    run = await world.run()
    async with browser(world.functions, KIM) as kims, browser(world.functions, ADMIN) as adas:
        wanted = {"scope": str(ACME), "executionId": "run-1"}
        status, watch = await post(world.functions, "join", KIM, {**wanted, "connectionId": kims.connection_id})
        assert (status, watch) == (200, {"scope": "org-acme", "view": "lines", "isLive": True, "grant": None})
        status, watch = await post(world.functions, "join", ADMIN, {**wanted, "connectionId": adas.connection_id})
        assert (status, watch["view"]) == (200, "details")

        await record(world, run)
        await world.store.executions.complete(run, ExecutionStatus.SUCCESS)
        documents = await world.raw("execution_data")
        for _ in range(2):
            await world.trigger("tell_of_execution_data", documents)
        await world.trigger("tell_of_executions", await world.raw("executions"))
        for watching in (kims, adas):
            await watching.until(lambda: watching.told("executionStatus"))  # noqa: B023 - awaited at once

        assert ["one", "two"] == kims.lines()
        assert ["a hidden way", "one", "two"] == adas.lines()
        assert "hidden" not in "".join(kims.frames)
        assert ["Success"] == [body["status"] for body in kims.told("executionStatus")]
        assert {"inner": "a hidden value"} == adas.told("executionVariables")[-1]["variables"]

        status, _ = await post(world.functions, "leave", KIM, {**wanted, "connectionId": kims.connection_id})
        assert status == 204
        frames = len(kims.frames)
        await world.trigger("tell_of_execution_data", documents)
        await adas.until(lambda: len(adas.told("executionVariables")) > 2)
        assert frames == len(kims.frames)


def in_front(functions: Functions) -> Any:
    """Return what stands before the functions, as the host and whatever authenticates do: a bearer is a user of acme."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            return
        request = Request(scope, receive)
        headers = {**KIM, "X-User-Id": request.headers["authorization"].removeprefix("Bearer ")}
        asked = func.HttpRequest("POST", str(request.url), headers=headers, body=await request.body())
        answer = await functions[request.url.path.removeprefix("/api/signalr/")](asked)
        await Response(answer.get_body(), answer.status_code, media_type=answer.mimetype)(scope, receive, send)

    return app


async def test_the_stock_client_watches_through_the_application(world: World, stock: StockClients) -> None:
    """`withUrl("/api/signalr")` is all that a page says: negotiating sends it to the service, and joining lets it hear of a run."""
    run = await world.run()
    with serving(in_front(world.functions), lifespan="off") as url:
        connection_id = await stock.start(
            "kim", f"{url}/api/signalr", token="kim@acme.example", targets=["executionLog", "executionStatus"]
        )
    wanted = {"scope": str(ACME), "executionId": "run-1", "connectionId": connection_id}
    assert (await post(world.functions, "join", KIM, wanted))[0] == 200
    await record(world, run)
    await world.trigger("tell_of_execution_data", await world.raw("execution_data"))
    await world.trigger("tell_of_executions", await world.raw("executions"))
    await stock.until(lambda: "executionStatus" in [target for target, _ in stock.messages("kim")])

    lines = [line["message"] for target, (body,) in stock.messages("kim") if target == "executionLog" for line in body["lines"]]
    assert ["one", "two"] == lines


async def test_nobody_watches_what_is_not_theirs(world: World) -> None:
    """Another's run, another's connection and what is not there look the same; what cannot be understood is a bad request."""
    await world.run()
    async with browser(world.functions, KIM) as kims, browser(world.functions, LEE) as lees:
        wanted = {"scope": "org-acme", "executionId": "run-1", "connectionId": kims.connection_id}
        other = {**LEE, "X-Organization-Id": "other"}
        refused: list[tuple[dict[str, str], dict[str, Any]]] = [
            (LEE, {**wanted, "connectionId": lees.connection_id}),
            (LEE, wanted),
            (KIM, {**wanted, "connectionId": lees.connection_id}),
            (KIM, {**wanted, "executionId": "run-2"}),
            (KIM, {**wanted, "connectionId": "nothing"}),
            (other, {"scope": "org-acme", "connectionId": lees.connection_id}),
        ]
        answers = [await post(world.functions, "join", headers, body) for headers, body in refused]
        assert [404] * len(refused) == [status for status, _ in answers]
        assert 1 == len({json.dumps(body) for _, body in answers})

        bad: list[Any] = [
            b"{",
            b"[" * 100_000,
            [],
            {},
            {**wanted, "group": "runs:GLOBAL"},
            {**wanted, "scope": "acme:details"},
            {**wanted, "scope": 1},
            {**wanted, "executionId": ["run-1"]},
            {**wanted, "executionId": "run-1:details"},
            {**wanted, "connectionId": ".."},
            {**wanted, "connectionId": None},
        ]
        for body in bad:
            for name in ("join", "leave"):
                status, answer = await post(world.functions, name, KIM, body)
                assert (status, answer["error"]["isRetryable"]) == (400, False), (name, body)
        for name in ROUTES:
            assert (await post(world.functions, name, {"X-Organization-Id": "acme"}, wanted))[0] == 401


async def test_what_cannot_be_read_is_a_dead_letter_and_the_rest_is_told(world: World) -> None:
    """Poison in the middle of what the host hands over stops nothing, and is kept before the function returns."""
    run = await world.run()
    async with browser(world.functions, KIM) as kims:
        wanted = {"scope": str(ACME), "executionId": "run-1", "connectionId": kims.connection_id}
        assert (await post(world.functions, "join", KIM, wanted))[0] == 200
        await record(world, run)
        good = await world.raw("execution_data")
        bad = [{**good[0], "id": f"bad-{number}", **worse} for number, worse in enumerate([{"covers": "all"}, {"type": "x"}, {}])]
        del bad[2]["executionId"]
        await world.trigger("tell_of_execution_data", [bad[0], *good, *bad[1:]])
        await kims.until(lambda: kims.lines() == ["one", "two"])

    assert 3 == len(await world.letters())
    await world.trigger("tell_of_execution_data", bad)
    assert 3 == len(await world.letters())


async def test_where_a_dead_letter_cannot_be_kept_the_documents_come_again(world: World) -> None:
    """The function fails, which the host answers by handing over the same documents, for ever."""
    await world.run()
    world.emulator.stop()

    with pytest.raises(StoreError) as raised:
        await world.trigger("tell_of_execution_data", [{"id": "bad"}])
    assert raised.value.is_retryable


async def test_a_service_that_is_away_holds_nothing_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be sent is dropped and read instead: the function returns, nothing is a dead letter, and requests are told."""
    run = await world.run()
    await record(world, run)
    away = world.settings.model_copy(update={"signalr_connection_string": SecretStr(NOWHERE)})
    async with open_azure_realtime(away, may_watch=platform_rules) as realtime:
        monkeypatch.setattr("bifrost_functions.opened._realtime", realtime)
        await world.trigger("tell_of_execution_data", await world.raw("execution_data"))
        await world.trigger("tell_of_executions", await world.raw("executions"))

        wanted = {"scope": str(ACME), "executionId": "run-1", "connectionId": "c"}
        status, answer = await post(world.functions, "join", KIM, wanted)
        assert (status, answer["error"]["code"], answer["error"]["isRetryable"]) == (503, "UnavailableError", True)
    assert [] == await world.letters()


async def test_the_console_is_served_as_the_readme_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page comes from a function; its API lets in whom the proxy names, and nobody without the proxy's secret."""
    code = (APP / "README.md").read_text("utf-8").partition('```python title="function_app.py"\n')[2].partition("```")[0]
    monkeypatch.setenv("WEBSITE_HOSTNAME", "platform.example")
    monkeypatch.setenv("CONSOLE_PROXY_SECRET", "a secret of the proxy")
    names: dict[str, Any] = {"app": func.FunctionApp(), "func": func}
    registered()
    exec(code, names)
    (console,) = [one.get_user_function() for one in names["app"].get_functions()]

    async def status_of(path: str, **headers: str) -> int:
        told = {"Host": "platform.example", **headers}
        request = func.HttpRequest("GET", f"https://platform.example/api/console/{path}", headers=told, body=b"")
        return int((await console(request, Mock())).status_code)

    async with open_store(StoreSettings(sqlite_path=":memory:")) as store:
        monkeypatch.setattr("bifrost_functions.opened._store", store)
        assert 200 == await status_of("")
        assert 401 == await status_of("api/scopes", **ADMIN)
        assert 401 == await status_of("api/scopes", **ADMIN, **{"X-Bifrost-Proxy-Secret": "another secret"})
        assert 200 == await status_of("api/scopes", **ADMIN, **{"X-Bifrost-Proxy-Secret": "a secret of the proxy"})
