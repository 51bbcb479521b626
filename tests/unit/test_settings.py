"""`StoreSettings`: what it takes from the environment, what it refuses and how it says so."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from bifrost_store import StoreSettings
from bifrost_store.backends.registry import BackendFactory, configured_backends
from bifrost_store.core.clock import utc_now
from bifrost_store.documents import SPECS
from bifrost_store.errors import ConfigurationError, MissingDependencyError
from bifrost_store.settings import PREFIX, variable_name

pytestmark = pytest.mark.anyio

SECRET = "DefaultEndpointsProtocol=https;AccountName=acme;AccountKey=c2VjcmV0;EndpointSuffix=core.windows.net"


def refusal(environment: dict[str, str]) -> str:
    with pytest.raises(ConfigurationError) as caught:
        StoreSettings.from_environment(environment)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_empty_environment_means_sqlite() -> None:
    """Without any variable the store is a SQLite file in the working directory, and executions are kept for 14 days."""
    settings = StoreSettings.from_environment({"PATH": "/bin"})

    assert ("sqlite", "bifrost.db", 14) == (settings.backend, settings.sqlite_path, settings.execution_retention_days)
    assert settings.cosmos_database == "bifrost"
    assert configured_backends(settings) == ["sqlite"]


def test_the_environment_of_the_process_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an argument the process's own variables are read."""
    monkeypatch.setenv("BIFROST_STORE_SQLITE_PATH", ":memory:")

    assert ":memory:" == StoreSettings.from_environment().sqlite_path


def test_direct_construction_reads_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Settings made in code hold what was given and nothing else."""
    monkeypatch.setenv("BIFROST_STORE_SQLITE_PATH", "elsewhere.db")
    monkeypatch.setenv("AzureWebJobsStorage", SECRET)

    settings = StoreSettings(backend="table")

    assert ("bifrost.db", None) == (settings.sqlite_path, settings.table_connection_string)


def test_every_setting_has_a_variable_a_description_and_an_example() -> None:
    """The documentation's table can be made from the fields."""
    for name, field in StoreSettings.model_fields.items():
        assert variable_name(name) == PREFIX + name.upper()
        assert field.description, name
        assert field.examples, name


@pytest.mark.parametrize(
    ("ours", "theirs", "field"),
    [
        ("BIFROST_STORE_TABLE_CONNECTION_STRING", "AzureWebJobsStorage", "table_connection_string"),
        ("BIFROST_STORE_COSMOS_CONNECTION_STRING", "CosmosDBConnection", "cosmos_connection_string"),
    ],
)
def test_the_applications_own_variables_stand_in_for_ours(ours: str, theirs: str, field: str) -> None:
    """Theirs counts where neither our connection string nor our endpoint is given; an empty one of ours is absent."""
    endpoint = ours.replace("CONNECTION_STRING", "ENDPOINT")

    def found(environment: dict[str, str]) -> str | None:
        secret = getattr(StoreSettings.from_environment(environment), field)
        return None if secret is None else str(secret.get_secret_value())

    assert found({theirs: "theirs"}) == "theirs"
    assert found({theirs: "theirs", ours: ""}) == "theirs"
    assert found({theirs: "theirs", ours: "ours"}) == "ours"
    assert found({theirs: "theirs", endpoint: "https://acme.example"}) is None
    assert found({theirs: ""}) is None


@pytest.mark.parametrize(("text", "days"), [("30", 30), ("none", None), ("None", None), ("", 14)])
def test_retention_is_days_or_none(text: str, days: int | None) -> None:
    """``none`` keeps executions for ever; an empty variable is an absent one."""
    settings = StoreSettings.from_environment({"BIFROST_STORE_EXECUTION_RETENTION_DAYS": text})

    assert days == settings.execution_retention_days


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("BIFROST_STORE_BACKENDS", "BIFROST_STORE_BACKEND"),
        ("BIFROST_STORE_TABLE_CONNECTIONSTRING", "BIFROST_STORE_TABLE_CONNECTION_STRING"),
        ("BIFROST_STORE_sqlite_path", "BIFROST_STORE_SQLITE_PATH"),
        ("BIFROST_STORE_RETENTION_DAYS", "BIFROST_STORE_EXECUTION_RETENTION_DAYS"),
    ],
)
def test_an_unknown_variable_is_refused_with_the_nearest_name(given: str, meant: str) -> None:
    """A misspelt variable names itself and the one that was probably meant; its value is not shown."""
    message = refusal({given: "hidden"})

    assert f"unknown setting {given}; did you mean {meant}?" == message


def test_an_unknown_variable_like_no_other_is_refused_with_all_names() -> None:
    """Where no name is near, all known ones are listed."""
    message = refusal({"BIFROST_STORE_QQQ": "1"})

    assert all(variable_name(field) in message for field in StoreSettings.model_fields)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("BIFROST_STORE_BACKEND", "mongo"),
        ("BIFROST_STORE_BACKEND", "SQLite "),
        ("BIFROST_STORE_EXECUTION_RETENTION_DAYS", "ten"),
        ("BIFROST_STORE_EXECUTION_RETENTION_DAYS", "1.5"),
        ("BIFROST_STORE_EXECUTION_RETENTION_DAYS", "0"),
        ("BIFROST_STORE_EXECUTION_RETENTION_DAYS", "36501"),
        ("BIFROST_STORE_EXECUTION_RETENTION_DAYS", "9" * 5000),
    ],
)
def test_a_wrong_value_is_refused_by_the_variables_name(name: str, value: str) -> None:
    """The message begins with the variable and says what it may be."""
    message = refusal({name: value})

    assert message.startswith(f"{name}: ")
    assert "'sqlite', 'table' or 'cosmos'" in message or "number of days" in message or "than or equal to" in message


def test_all_wrong_values_are_named_at_once() -> None:
    """Two mistakes are told together, on one line."""
    message = refusal({"BIFROST_STORE_BACKEND": "x", "BIFROST_STORE_EXECUTION_RETENTION_DAYS": "y"})

    assert "BIFROST_STORE_BACKEND: " in message
    assert "BIFROST_STORE_EXECUTION_RETENTION_DAYS: " in message


@pytest.mark.parametrize("service", ["table", "blob", "cosmos"])
def test_connection_string_and_endpoint_together_are_refused(service: str) -> None:
    """One account is named one way; the message names both variables, or both fields in code, and no secret."""
    fields = (f"{service}_connection_string", f"{service}_endpoint")

    message = refusal({variable_name(fields[0]): SECRET, variable_name(fields[1]): "https://acme.example"})
    with pytest.raises(ConfigurationError) as in_code:
        StoreSettings(**dict(zip(fields, (SECRET, "https://acme.example"), strict=True)))

    assert f"{variable_name(fields[0])} and {variable_name(fields[1])} are both given; give one" == message
    assert f"{fields[0]} and {fields[1]} are both given; give one" == str(in_code.value)


@pytest.mark.parametrize("wrong", [{"backend": "mongo"}, {"colour": "blue"}, {"table_connection_string": 5}])
def test_wrong_settings_in_code_are_refused_by_the_fields_name(wrong: dict[str, object]) -> None:
    """Direct construction raises the same class, with the field's name."""
    with pytest.raises(ConfigurationError, match=f"^{next(iter(wrong))}: "):
        StoreSettings(**wrong)


def test_no_secret_is_shown() -> None:
    """Neither repr, str, a dump of the settings nor an error beside them holds a connection string."""
    settings = StoreSettings.from_environment({"AzureWebJobsStorage": SECRET, "CosmosDBConnection": SECRET})
    shown = f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
    message = refusal({"AzureWebJobsStorage": SECRET, "BIFROST_STORE_BACKEND": "x"})

    assert "c2VjcmV0" not in shown + message


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        (StoreSettings(backend="table"), []),
        (StoreSettings(backend="table", table_endpoint="https://acme.table.core.windows.net"), ["table"]),
        (StoreSettings(table_connection_string=SECRET), ["sqlite", "table"]),  # type: ignore[arg-type]
        (StoreSettings(backend="table", table_connection_string=SECRET, sqlite_path="a.db"), ["sqlite", "table"]),  # type: ignore[arg-type]
        (StoreSettings(cosmos_connection_string=SECRET), ["sqlite"]),  # type: ignore[arg-type]
    ],
)
def test_a_backend_is_configured_if_its_place_is_known(settings: StoreSettings, names: list[str]) -> None:
    """The default SQLite file counts only where SQLite was chosen; a backend of a later version never does."""
    assert names == configured_backends(settings)


@pytest.mark.parametrize(
    ("settings", "backend", "message"),
    [
        (StoreSettings(backend="cosmos"), "cosmos", "later version"),
        (StoreSettings(backend="table"), "table", "set BIFROST_STORE_TABLE_CONNECTION_STRING or BIFROST_STORE_TABLE_ENDPOINT"),
        (StoreSettings(backend="table"), "sqlite", "set BIFROST_STORE_SQLITE_PATH"),
        (StoreSettings(), "mongo", "unknown backend 'mongo'"),
    ],
)
async def test_a_backend_that_cannot_be_opened_says_what_to_set(settings: StoreSettings, backend: str, message: str) -> None:
    """Opening names the variable that is missing, before anything is connected to."""
    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigurationError, match=message):
            BackendFactory(settings, SPECS, utc_now, stack).backend(backend)


@pytest.mark.parametrize("text", ["nonsense c2VjcmV0", "AccountKey=c2VjcmV0", ""])
async def test_a_malformed_connection_string_is_refused_and_not_shown(text: str) -> None:
    """Both the table backend and the blob store refuse it when they are opened."""
    settings = StoreSettings(backend="table", table_connection_string=text)  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        factory = BackendFactory(settings, SPECS, utc_now, stack)
        for open_one in (factory.backend, factory.blobs):
            with pytest.raises(ConfigurationError) as caught:
                open_one("table")
            assert "c2VjcmV0" not in str(caught.value)


async def test_payloads_go_where_the_records_are_or_where_the_settings_say(tmp_path: object) -> None:
    """A folder beside the SQLite file, the table's account, or the account given for blobs, whatever the backend."""
    beside = StoreSettings(sqlite_path=f"{tmp_path}/a.db", table_connection_string=SECRET)  # type: ignore[arg-type]
    apart = beside.model_copy(update={"blob_connection_string": beside.table_connection_string})
    elsewhere = StoreSettings(backend="table", table_endpoint="https://tables.example")
    async with AsyncExitStack() as stack:
        folder = BackendFactory(beside, SPECS, utc_now, stack).blobs("sqlite")
        kinds = [
            type(BackendFactory(settings, SPECS, utc_now, stack).blobs(name)).__name__ for settings, name in _places(beside, apart)
        ]
        in_memory = BackendFactory(StoreSettings(sqlite_path=":memory:"), SPECS, utc_now, stack).blobs("sqlite")
        with pytest.raises(ConfigurationError, match="BIFROST_STORE_BLOB_CONNECTION_STRING or BIFROST_STORE_BLOB_ENDPOINT"):
            BackendFactory(elsewhere, SPECS, utc_now, stack).blobs("table")

        assert await folder.ping() == f"folder {tmp_path}/a.db.blobs"
        assert kinds == ["FolderBlobStore", "AzureBlobStore", "AzureBlobStore"]
        await in_memory.put("execution-data", "a", b"1")
        assert await in_memory.get("execution-data", "a") == b"1"


def _places(beside: StoreSettings, apart: StoreSettings) -> list[tuple[StoreSettings, str]]:
    return [(beside, "sqlite"), (beside, "table"), (apart, "sqlite")]


@pytest.mark.parametrize(
    ("missing", "extra", "settings"),
    [
        ("azure.data.tables", "table", StoreSettings(backend="table", table_connection_string=SECRET)),  # type: ignore[arg-type]
        ("aiohttp", "table", StoreSettings(backend="table", table_connection_string=SECRET)),  # type: ignore[arg-type]
        ("azure.identity.aio", "identity", StoreSettings(backend="table", table_endpoint="https://acme.table.core.windows.net")),
    ],
)
async def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, missing: str, extra: str, settings: StoreSettings) -> None:
    """Without an optional package the error says what to install."""
    import importlib

    real = importlib.import_module

    def without(name: str, package: str | None = None) -> object:
        if name == missing or (missing == "azure.data.tables" and name == "bifrost_store.backends.table.backend"):
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return real(name, package)

    monkeypatch.setattr("importlib.import_module", without)
    async with AsyncExitStack() as stack:
        with pytest.raises(MissingDependencyError, match=rf"{missing} is not installed; pip install 'bifrost-store\[{extra}\]'"):
            BackendFactory(settings, SPECS, utc_now, stack).backend("table")


async def test_one_credential_serves_all_and_is_closed_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Endpoints share one identity, made when first needed and closed with the store."""
    import azure.identity.aio

    made: list[Credential] = []

    class Credential:
        is_closed = False

        def __init__(self) -> None:
            made.append(self)

        async def get_token(self, *scopes: str, **options: object) -> None:
            raise AssertionError("nothing is asked of it before the first request")

        async def close(self) -> None:
            self.is_closed = True

    monkeypatch.setattr(azure.identity.aio, "DefaultAzureCredential", Credential)
    settings = StoreSettings(backend="table", table_endpoint="https://acme.table.core.windows.net")
    async with AsyncExitStack() as stack:
        factory = BackendFactory(settings, SPECS, utc_now, stack)
        backend, blobs = factory.backend("table"), factory.blobs("table")
        stack.push_async_callback(backend.aclose)
        stack.push_async_callback(blobs.aclose)

        assert [credential.is_closed for credential in made] == [False]

    assert [credential.is_closed for credential in made] == [True]
