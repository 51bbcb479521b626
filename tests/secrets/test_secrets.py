"""Secrets behind references: what every place for them keeps, Key Vault by its own SDK, and that nothing is ever shown."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import traceback
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bifrost_store import (
    GLOBAL,
    ConfigType,
    LogLine,
    OAuthConnection,
    OAuthFlowType,
    Scope,
    Store,
    StoreSettings,
    open_store,
    open_store_blocking,
)
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    BackendUnavailableError,
    ConfigurationError,
    CorruptDocumentError,
    DocumentNotFoundError,
    InvalidRequestError,
    SecretNotFoundError,
    ThrottledError,
)
from bifrost_store.opening import secrets as opening
from bifrost_store.secrets.environment import EnvironmentSecrets
from bifrost_store.secrets.key_vault import KeyVaultSecrets
from bifrost_store.secrets.protocol import Secret, SecretStore
from bifrost_store.secrets.remembered import MAX_REMEMBERED, RememberedSecrets
from tests.secrets.vault import TENANT, TOKEN, Credential, Vault, run_vault

pytestmark = pytest.mark.anyio

ACME = Scope.organization("acme")
HIDDEN = "hunter2-hunter2"


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    async with run_vault(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def key_vault(vault: Vault, **options: Any) -> AsyncIterator[tuple[KeyVaultSecrets, Credential]]:
    """Yield the secrets of *vault*, which is on no address of Azure, so that the SDK may not compare them."""
    given = {"verify_challenge_resource": False, "connection_verify": str(vault.certificate), "retry_total": 0}
    credential = Credential()
    secrets = KeyVaultSecrets(vault.url, credential, **{**given, **options})
    try:
        yield secrets, credential
    finally:
        await secrets.aclose()


@dataclass
class Place:
    """A place for secrets under test, and how something gets there."""

    secrets: SecretStore
    put: Callable[[str, str], object]


@pytest.fixture(params=["environment", "key_vault"])
async def place(request: pytest.FixtureRequest, vault: Vault) -> AsyncIterator[Place]:
    if request.param == "key_vault":
        async with key_vault(vault) as (secrets, _):
            yield Place(secrets, vault.put)
        return
    environment: dict[str, str] = {}

    def put(name: str, value: str) -> None:
        environment["BIFROST_SECRET_" + name.upper().replace("-", "_")] = value

    yield Place(EnvironmentSecrets(environment), put)


@pytest.mark.parametrize("value", ["x", "", " ü🙂\n\t", '{"access_token": "a"}', "y" * 25_000])
async def test_a_secret_is_read_as_it_was_put(place: Place, value: str) -> None:
    """A value comes back equal, under its name in any case; put again, the new one is the answer."""
    place.put("Halo-1", "first")
    place.put("Halo-1", value)

    for name in ("Halo-1", "halo-1"):
        found = await place.secrets.get(name)
        assert (name, value) == (found.name, found.value.get_secret_value())


async def test_what_is_not_there(place: Place) -> None:
    """A secret that does not exist, and a version of none, raise SecretNotFoundError; it does not help to try again."""
    place.put("a", "x")
    for arguments in (("b",), ("a", "0" * 32)):
        with pytest.raises(SecretNotFoundError) as caught:
            await place.secrets.get(*arguments)
        assert not caught.value.is_retryable


@pytest.mark.parametrize("name", ["", "a_b", "a/b", "../a", "a" * 128, "é", None, 5, HIDDEN + "!"])
async def test_names_that_no_secret_can_have(place: Place, vault: Vault, name: Any) -> None:
    """They are refused before anybody is asked, and not shown: one may be a secret."""
    with pytest.raises(InvalidRequestError) as caught:
        await place.secrets.get(name)

    assert HIDDEN not in str(caught.value)
    assert [] == vault.requests


async def test_closing_twice(place: Place) -> None:
    """It is harmless."""
    await place.secrets.aclose()
    await place.secrets.aclose()


async def test_the_challenge_is_answered_once(vault: Vault) -> None:
    """The first request goes without a token and learns whom to ask for one; those that follow bring it along."""
    vault.put("a", "x")
    vault.put("b", "y")
    async with key_vault(vault) as (secrets, credential):
        await secrets.get("a")
        await secrets.get("b")

    assert [("/secrets/a/", False), ("/secrets/a/", True), ("/secrets/b/", True)] == vault.requests
    assert {(("https://vault.azure.net/.default",), TENANT)} == set(credential.asked)


async def test_a_version_is_what_it_was(vault: Vault) -> None:
    """A secret tells its version, and asked for by it, its value of then."""
    old = vault.put("a", "old")
    new = vault.put("a", "new")
    async with key_vault(vault) as (secrets, _):
        assert new == (await secrets.get("a")).version
        assert "old" == (await secrets.get("a", old)).value.get_secret_value()


@pytest.mark.parametrize(
    ("broken", "expected", "is_retryable"),
    [
        ((401, "Unauthorized", {}), AccessDeniedError, False),
        ((403, "Forbidden", {}), AccessDeniedError, False),
        ((429, "Throttled", {"Retry-After": "7"}), ThrottledError, True),
        ((429, "Throttled", {}), ThrottledError, True),
        ((500, "InternalServerError", {}), BackendUnavailableError, True),
        ((400, "BadParameter", {}), BackendError, False),
        (b'{"value": "' + HIDDEN.encode(), BackendError, False),
    ],
    ids=str,
)
async def test_what_a_vault_may_say(vault: Vault, broken: Any, expected: type[BackendError], is_retryable: bool) -> None:
    """Each refusal is the error that says what to do, and how long to wait; an answer that cannot be read shows nothing."""
    vault.put("a", HIDDEN)
    vault.broken = broken
    async with key_vault(vault) as (secrets, _):
        with pytest.raises(expected) as caught:
            await secrets.get("a")

    assert expected is type(caught.value)
    assert (is_retryable, "keyvault") == (caught.value.is_retryable, caught.value.backend)
    assert caught.value.retry_after_seconds == (7 if "Retry-After" in str(broken) else None)
    assert HIDDEN not in "".join(traceback.format_exception(caught.value))


async def test_a_disabled_secret(vault: Vault) -> None:
    """It is not there, and the error says why."""
    vault.put("a", "x")
    vault.disabled.add("a")
    async with key_vault(vault) as (secrets, _):
        with pytest.raises(SecretNotFoundError, match="disabled"):
            await secrets.get("a")


async def test_nobody_there_and_nobody_trusted(vault: Vault) -> None:
    """A vault that cannot be reached, or whose certificate nobody vouches for, is unavailable; a foreign challenge gets none."""
    async with key_vault(vault, connection_verify=True) as (secrets, _):
        with pytest.raises(BackendUnavailableError):
            await secrets.get("a")
    async with key_vault(vault, verify_challenge_resource=True) as (secrets, credential):
        with pytest.raises(BackendError, match="none of Key Vault"):
            await secrets.get("a")
        assert [] == credential.asked
    nowhere = Vault(url="https://127.0.0.1:1", certificate=vault.certificate)
    async with key_vault(nowhere) as (secrets, _):
        with pytest.raises(BackendUnavailableError, match=r"127\.0\.0\.1:1"):
            await secrets.get("a")


class Counting(SecretStore):
    """Answers with how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0

    async def get(self, name: str, version: str | None = None) -> Secret:
        self.asked += 1
        number = self.asked
        await asyncio.sleep(0)
        return await EnvironmentSecrets({f"BIFROST_SECRET_{name.upper()}": str(number)}).get(name)

    async def aclose(self) -> None:
        pass


async def test_a_secret_is_remembered_for_a_while() -> None:
    """Until the time is over one answer serves all; another state, `refresh` and the end of the time bring a new one."""
    now = [0.0]
    inner = Counting()
    secrets = RememberedSecrets(inner, seconds=10, time=lambda: now[0])

    async def value(**options: Any) -> int:
        return int((await secrets.get("a", **options)).value.get_secret_value())

    assert [1] * 5 == await asyncio.gather(*(value() for _ in range(5)))
    now[0] = 9.9
    assert 1 == await value()
    now[0] = 10.0
    assert 2 == await value()
    assert (3, 3, 2) == (await value(state=1), await value(state=1), await value())
    now[0] = 11.0
    assert 4 == await value(refresh=True)
    assert 4 == await value()


async def test_few_are_remembered() -> None:
    """However many secrets are read, a bounded number is kept; with 0 seconds none."""
    inner = Counting()
    secrets = RememberedSecrets(inner, seconds=10)
    for number in range(MAX_REMEMBERED + 5):
        await secrets.get("a", state=number)
    nothing = RememberedSecrets(inner, seconds=0)
    await nothing.get("a")

    assert (MAX_REMEMBERED, 0, 0) == (len(secrets._entries), len(secrets._locks), len(nothing._entries))


async def test_what_is_not_used_any_more_is_forgotten() -> None:
    """Once its time is over, a secret does not outlast the next one that is read."""
    now = [0.0]
    secrets = RememberedSecrets(Counting(), seconds=10, time=lambda: now[0])
    for number in range(5):
        now[0] = float(number)
        await secrets.get("a", state=number)
    now[0] = 12.0
    await secrets.get("b")

    assert [("a", 3), ("a", 4), ("b", None)] == list(secrets._entries)


async def connected(store: Store, **more: Any) -> OAuthConnection:
    """Store the connection halo."""
    flow, token_url = OAuthFlowType.CLIENT_CREDENTIALS, "https://x.example/token"
    return await store.oauth.create(
        ACME, "halo", oauth_flow_type=flow, client_id="c", token_url=token_url, created_by="kim@acme.example", **more
    )


@asynccontextmanager
async def opened(secrets: SecretStore, **settings: Any) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(sqlite_path=":memory:", **settings), secrets=secrets) as store:
        await store.provision()
        yield store


async def set_secret(store: Store, name: str, scope: Scope = ACME) -> None:
    await store.config.set(scope, "password", name, config_type=ConfigType.SECRET_REF, updated_by="kim@acme.example")


async def test_a_setting_is_resolved(vault: Vault) -> None:
    """The secret is that of the organization, else of GLOBAL; set again, or asked anew, it is read again at once."""
    vault.put("own", "mine")
    vault.put("shared", "ours")
    async with key_vault(vault) as (secrets, _), opened(secrets) as store:
        await set_secret(store, "shared", GLOBAL)
        assert "ours" == (await store.config.resolve(ACME, "password")).get_secret_value()
        await set_secret(store, "own")
        assert "mine" == (await store.config.resolve(ACME, "password")).get_secret_value()
        vault.put("own", "new")
        before = vault.answered
        assert "mine" == (await store.config.resolve(ACME, "password")).get_secret_value()
        assert before == vault.answered
        assert "new" == (await store.config.resolve(ACME, "password", refresh=True)).get_secret_value()
        vault.put("own", "newest")
        await set_secret(store, "own")
        assert "newest" == (await store.config.resolve(ACME, "password")).get_secret_value()
        await store.config.set(ACME, "text", HIDDEN, config_type=ConfigType.STRING, updated_by="kim@acme.example")
        with pytest.raises(InvalidRequestError, match="names no secret"):
            await store.config.resolve(ACME, "text")
        with pytest.raises(DocumentNotFoundError):
            await store.config.resolve(ACME, "nothing")
        await set_secret(store, "gone")
        with pytest.raises(SecretNotFoundError):
            await store.config.resolve(ACME, "password")


async def test_tokens_of_a_connection(vault: Vault) -> None:
    """Tokens and the client's secret are read behind their references, and anew once another process has set new ones."""
    vault.put("halo-client", "the-client-secret")
    vault.put("halo-tokens", json.dumps({"access_token": "a-1", "refresh_token": "r-1", "token_type": "MAC", "more": 1}))
    async with key_vault(vault) as (secrets, _), opened(secrets) as store:
        connection = await connected(store)
        assert await store.oauth.tokens(ACME, "halo") is None
        assert await store.oauth.client_secret(ACME, "halo") is None
        connection = await store.oauth.update(connection, client_secret_ref="halo-client", updated_by="kim@acme.example")
        connection = await store.oauth.set_tokens(
            connection, oauth_response_ref="halo-tokens", expires_at=None, updated_by="kim@acme.example"
        )
        client_secret = await store.oauth.client_secret(ACME, "halo")
        tokens = await store.oauth.tokens(ACME, "halo")
        assert client_secret is not None
        assert tokens is not None
        assert tokens.refresh_token is not None
        assert ("the-client-secret", "a-1") == (client_secret.get_secret_value(), tokens.access_token.get_secret_value())
        assert ("r-1", "MAC", "halo") == (
            tokens.refresh_token.get_secret_value(),
            tokens.token_type,
            tokens.connection.connection_name,
        )
        vault.put("halo-tokens", json.dumps({"access_token": "a-2"}))
        await store.oauth.set_tokens(
            connection,
            oauth_response_ref="halo-tokens",
            expires_at=None,
            updated_by="other@acme.example",
            last_refresh_at=connection.updated_at and connection.updated_at + timedelta(seconds=1),
        )
        tokens = await store.oauth.tokens(ACME, "halo")
        assert tokens is not None
        assert ("a-2", None, "Bearer") == (tokens.access_token.get_secret_value(), tokens.refresh_token, tokens.token_type)
        with pytest.raises(DocumentNotFoundError):
            await store.oauth.tokens(ACME, "other")


@pytest.mark.parametrize("text", ["", HIDDEN, f'["{HIDDEN}"]', f'{{"token": "{HIDDEN}"}}', '{"access_token": 5}', "[" * 100_000])
async def test_what_is_no_answer_of_a_token_endpoint(text: str) -> None:
    """It is refused by name, and not shown."""
    async with opened(EnvironmentSecrets({"BIFROST_SECRET_T": text})) as store:
        connection = await connected(store)
        await store.oauth.set_tokens(connection, oauth_response_ref="t", expires_at=None, updated_by="kim@acme.example")
        with pytest.raises(CorruptDocumentError, match="secret 't'") as caught:
            await store.oauth.tokens(ACME, "halo")

    assert HIDDEN not in "".join(traceback.format_exception(caught.value))


def everything_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_nothing_of_a_secret_is_shown(vault: Vault, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Neither logs at any level, nor reprs, errors, statistics, recordings, nor anything in the store's file hold it."""
    vault.put("secret", HIDDEN)
    vault.put("answer", json.dumps({"access_token": HIDDEN, "refresh_token": HIDDEN}))
    shown = io.StringIO()
    settings = StoreSettings(sqlite_path=str(tmp_path / "store.db"))
    with caplog.at_level(logging.NOTSET):
        caplog.handler.setLevel(logging.NOTSET)
        async with key_vault(vault) as (secrets, _), open_store(settings, secrets=secrets) as store:
            await store.provision()
            await set_secret(store, "secret")
            connection = await connected(store, client_secret_ref="secret")
            await store.oauth.set_tokens(connection, oauth_response_ref="answer", expires_at=None, updated_by="kim@acme.example")
            password = await store.config.resolve(ACME, "password")
            tokens = await store.oauth.tokens(ACME, "halo")
            client_secret = await store.oauth.client_secret(ACME, "halo")
            run = await store.executions.create(ACME, workflow_name="w", executed_by="u", executed_by_name="U")
            async with store.execution_data.recording(run) as recording:
                recording.mask(password)
                recording.info(f"connects with {password.get_secret_value()}", data={"p": password.get_secret_value()})
                recording.set_variables({"value": password, "text": password.get_secret_value()})
            lines = [item async for item in store.execution_data.iterate(ACME, run.execution_id)]
            vault.broken = (403, "Forbidden", {})
            with pytest.raises(AccessDeniedError) as caught:
                await store.config.resolve(ACME, "password", refresh=True)
            for one in (
                password,
                tokens,
                client_secret,
                lines,
                store,
                store.usage(),
                store.context.secrets,
                vars(store.context.secrets),
            ):
                print(repr(one), str(one), file=shown)
            print(*traceback.format_exception(caught.value), vars(caught.value), file=shown)
    for record in caplog.records:
        print(logging.Formatter().format(record), record.__dict__, file=shown)
    stored = await asyncio.to_thread(everything_in, tmp_path)

    assert HIDDEN == password.get_secret_value()
    assert "connects with ***" == next(line.message for line in lines if isinstance(line, LogLine))
    assert HIDDEN not in shown.getvalue()
    assert TOKEN not in shown.getvalue()
    assert HIDDEN.encode() not in stored


async def test_the_vault_of_the_settings(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store opens the vault that its settings name, by the identity of the environment, and closes both; else the environment."""
    credential = Credential()
    monkeypatch.setattr(opening, "azure_credential", lambda: credential)
    asked: list[str] = []

    class Noted(KeyVaultSecrets):
        def __init__(self, url: str, by: Any) -> None:
            asked.append(url)
            assert by is credential
            super().__init__(vault.url, by, verify_challenge_resource=False, connection_verify=str(vault.certificate))

    monkeypatch.setattr("bifrost_store.secrets.key_vault.KeyVaultSecrets", Noted)
    monkeypatch.setenv("BIFROST_SECRET_A_B", "of the environment")
    vault.put("a-b", "of the vault")
    for url, expected in (("https://x.vault.azure.net", "of the vault"), (None, "of the environment")):
        async with open_store(StoreSettings(sqlite_path=":memory:", keyvault_url=url)) as store:
            await store.provision()
            await set_secret(store, "a-b")
            assert expected == (await store.config.resolve(ACME, "password")).get_secret_value()
    assert ["https://x.vault.azure.net"] == asked
    with pytest.raises(ConfigurationError, match="keyvault_url"):
        StoreSettings(keyvault_url=HIDDEN)


def test_without_await(monkeypatch: pytest.MonkeyPatch) -> None:
    """A blocking store resolves too."""
    monkeypatch.setenv("BIFROST_SECRET_A", "x")
    with open_store_blocking(StoreSettings(sqlite_path=":memory:")) as store:
        store.provision()
        store.config.set(ACME, "password", "a", config_type=ConfigType.SECRET_REF, updated_by="kim@acme.example")
        assert "x" == store.config.resolve(ACME, "password").get_secret_value()
