"""The flags, by providers that others wrote: what `docs/howto/feature-flags.md` says of each."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.contrib.provider.envvar import EnvVarProvider
from openfeature.contrib.provider.flagd import FlagdProvider
from openfeature.contrib.provider.flagd.config import ResolverType
from openfeature.contrib.provider.ofrep import OFREPProvider
from openfeature.exception import ProviderNotReadyError

from bifrost_store import GLOBAL, Scope
from bifrost_store.errors import BackendUnavailableError, ConfigurationError
from bifrost_store.routing.flag import FLAG_KEY, METRICS_KEY, REALTIME_KEY, BackendFlag, MetricsFlag, RealtimeFlag

pytestmark = pytest.mark.anyio
PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "feature-flags.md").read_text("utf-8")
(FLAGS,) = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
register = getattr(api, "set_provider_and_wait", api.set_provider)
"""The oldest SDK that is allowed always waits, and has no name of its own for that."""
_LISTED, _FURTHER = Scope.organization("acme"), Scope.organization("other")


@pytest.fixture(autouse=True)
def no_providers_stay() -> Iterator[None]:
    """Providers are registered for the whole process."""
    yield
    api.clear_providers()


async def answers(scope: Scope = GLOBAL) -> tuple[str, bool, str]:
    """Return what the three flags say of *scope*; the settings say sqlite, yes, and both."""
    client = api.get_client("flags")
    return (
        await BackendFlag("sqlite", client).backend_of(scope),
        await RealtimeFlag(True, client).is_on(scope),
        await MetricsFlag("both", client).mode_of(scope),
    )


class FlagFile:
    """The page's file, read by flagd's provider whenever the test says so."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.flags: dict[str, Any] = json.loads(json.dumps(FLAGS["flags"]))
        self.write(json.dumps({"flags": self.flags}))
        # It looks by itself too; never while a test runs.
        self._provider = FlagdProvider(resolver_type=ResolverType.FILE, offline_flag_source_path=str(path), deadline_ms=3_600_000)

    def register(self) -> None:
        register(self._provider, "flags")

    def write(self, text: str) -> None:
        seen = self.path.stat().st_mtime if self.path.exists() else 0.0
        self.path.write_text(text)
        os.utime(self.path, (seen + 5, seen + 5))

    def look(self, text: str | None = None) -> None:
        """Let the provider look at the file, changed to *text* or by default to `flags`."""
        self.write(json.dumps({"flags": self.flags}) if text is None else text)
        self._provider.resolver.connector.safe_load_data()  # type: ignore[attr-defined, unused-ignore]


@pytest.fixture
def file(tmp_path: Path) -> FlagFile:
    return FlagFile(tmp_path / "flags.json")


async def test_a_file_decides_by_scope(file: FlagFile) -> None:
    """Organizations that are listed go first; shares of them are the same at every call."""
    file.register()

    assert ("table", "cosmos", "table") == tuple([(await answers(scope))[0] for scope in (GLOBAL, _LISTED, _FURTHER)])
    assert "live" == (await answers())[2]
    scopes = [Scope.organization(f"o-{number}") for number in range(200)]
    first, second = [[(await answers(scope))[1] for scope in scopes] for _ in range(2)]
    assert first == second
    assert 0 < sum(first) < 60


async def test_a_changed_file_counts_without_a_restart(file: FlagFile) -> None:
    """Also flags that are disabled or gone: the settings decide then."""
    file.register()
    file.flags[FLAG_KEY]["targeting"] = {}
    file.flags[REALTIME_KEY] |= {"targeting": {}, "defaultVariant": "on"}
    file.flags[METRICS_KEY]["defaultVariant"] = "aggregated"
    file.look()
    assert ("table", True, "aggregated") == await answers(_LISTED)

    file.flags[FLAG_KEY]["state"] = "DISABLED"
    del file.flags[REALTIME_KEY], file.flags[METRICS_KEY]
    file.look()
    assert ("sqlite", True, "both") == await answers(_LISTED)


async def test_a_damaged_file_leaves_what_was_read(file: FlagFile) -> None:
    """What counted goes on to count."""
    file.register()
    before = await answers(_LISTED)
    file.look("{half")

    assert before == await answers(_LISTED)


@pytest.mark.skipif(not hasattr(api, "set_provider_and_wait"), reason="this SDK tells nobody that a provider is not ready")
async def test_a_file_that_is_missing_at_the_start(tmp_path: Path) -> None:
    """Whoever waits for the provider is told; whoever goes on all the same has what is set."""
    provider = FlagdProvider(
        resolver_type=ResolverType.FILE, offline_flag_source_path=str(tmp_path / "none.json"), deadline_ms=3_600_000
    )
    with pytest.raises(ProviderNotReadyError):
        register(provider, "flags")

    assert ("sqlite", True, "both") == await answers()


class FlagService:
    """Evaluates flags as the OpenFeature Remote Evaluation Protocol (version 0.2) has it.

    Attributes:
        values: By flag and targeting key, or by flag alone.
        refusal: Status of every answer, where it is none of success; with its headers.
        seen: Flag and context of every request.
    """

    def __init__(self) -> None:
        self.values: dict[tuple[str, str] | str, object] = {}
        self.refusal: tuple[int, dict[str, str]] | None = None
        self.seen: list[tuple[str, dict[str, Any]]] = []

    def answer(self, path: str, body: dict[str, Any]) -> tuple[int, dict[str, str], dict[str, Any]]:
        prefix, _, key = path.rpartition("/")
        assert prefix == "/ofrep/v1/evaluate/flags"
        context = body["context"]
        self.seen.append((key, context))
        if self.refusal is not None:
            status, headers = self.refusal
            return status, headers, {"key": key, "errorCode": "GENERAL", "errorDetails": "refused"}
        value = self.values.get((key, context["targetingKey"]), self.values.get(key))
        if value is None:
            return 404, {}, {"key": key, "errorCode": "FLAG_NOT_FOUND", "errorDetails": f"flag {key} was not found"}
        return 200, {}, {"key": key, "reason": "TARGETING_MATCH", "variant": str(value), "value": value, "metadata": {}}


@contextmanager
def serving(service: FlagService) -> Iterator[str]:
    """Serve *service*, and return its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status, headers, values = service.answer(self.path, body)
            payload = json.dumps(values).encode()
            self.send_response(status)
            for name, value in {"Content-Type": "application/json", "Content-Length": str(len(payload)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *arguments: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def remembering(address: str) -> OFREPProvider:
    """Return the provider of the page, as it stands there."""
    (code,) = [text for text in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "class Remembering" in text]
    names: dict[str, Any] = {}
    exec(compile(code, "feature-flags.md", "exec"), names)
    provider: OFREPProvider = names["RememberingOFREPProvider"](address)
    return provider


async def test_a_flag_service_decides_by_scope() -> None:
    """It is told the scope, asked once for each flag and scope, and not known flags leave it to the settings."""
    service = FlagService()
    service.values = {FLAG_KEY: "table", (FLAG_KEY, "org-acme"): "cosmos", REALTIME_KEY: False, METRICS_KEY: "aggregated"}
    with serving(service) as address:
        register(remembering(address), "flags")
        found = [await answers(scope) for scope in (GLOBAL, _LISTED, GLOBAL, _LISTED)]
        asked = len(service.seen)
        del service.values[REALTIME_KEY]
        unknown = (await answers(_FURTHER))[1]

    assert [("table", False, "aggregated"), ("cosmos", False, "aggregated")] * 2 == found
    assert 6 == asked
    assert unknown
    assert (FLAG_KEY, {"targetingKey": "org-acme", "organizationId": "acme"}) in service.seen


@pytest.mark.parametrize("refusal", [(401, {}), (403, {}), (429, {"Retry-After": "60"}), (500, {}), (503, {})])
async def test_a_flag_service_that_refuses(refusal: tuple[int, dict[str, str]]) -> None:
    """Nothing is guessed about the backend, and trying again may help; the other flags are as set."""
    service = FlagService()
    service.refusal = refusal
    with serving(service) as address:
        register(remembering(address), "flags")
        client = api.get_client("flags")
        with pytest.raises(BackendUnavailableError) as caught:
            await BackendFlag("sqlite", client).backend_of(GLOBAL)
        others = (await RealtimeFlag(True, client).is_on(GLOBAL), await MetricsFlag("both", client).mode_of(GLOBAL))

    assert caught.value.is_retryable
    assert (True, "both") == others


async def test_a_flag_service_that_is_away_or_names_nothing_known() -> None:
    """The one is an outage, the other a mistake in its flags."""
    service = FlagService()
    service.values = {FLAG_KEY: "oracle"}
    with serving(service) as address:
        register(remembering(address), "flags")
        with pytest.raises(ConfigurationError, match="oracle"):
            await answers()
    register(remembering(address), "flags")
    with pytest.raises(BackendUnavailableError):
        await answers()


async def test_the_bare_provider_asks_at_every_call() -> None:
    """Which is why the page lets it remember."""
    service = FlagService()
    service.values = {FLAG_KEY: "table"}
    with serving(service) as address:
        register(OFREPProvider(address), "flags")
        for _ in range(3):
            assert "table" == await BackendFlag("sqlite", api.get_client("flags")).backend_of(GLOBAL)

    assert 3 == len(service.seen)


async def test_variables_that_are_called_as_the_flags_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """They decide for every scope; any text is a yes, and nothing a no."""
    monkeypatch.setenv(FLAG_KEY, "table")
    monkeypatch.setenv(METRICS_KEY, "live")
    monkeypatch.setenv(REALTIME_KEY, "false")
    register(EnvVarProvider(), "flags")
    assert ("table", True, "live") == await answers(_LISTED)

    monkeypatch.setenv(REALTIME_KEY, "")
    monkeypatch.delenv(FLAG_KEY)
    assert ("sqlite", False, "live") == await answers(_LISTED)
