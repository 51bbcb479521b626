"""`StoreSettings`: what it takes from the environment, what it refuses and how it says so."""

from __future__ import annotations

from contextlib import AsyncExitStack

import pytest

from bifrost_store import StoreSettings
from bifrost_store.backends.registry import BackendFactory, configured_backends, place_of
from bifrost_store.core.clock import utc_now
from bifrost_store.documents import SPECS
from bifrost_store.errors import ConfigurationError, MissingDependencyError
from bifrost_store.settings import PREFIX, variable_name

pytestmark = pytest.mark.anyio

COSMOS = "AccountEndpoint=https://acme.documents.azure.com:443/;AccountKey=c2VjcmV0;"
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
        ("BIFROST_STORE_COSMOS_DATABASE", "bifrost/eu"),
        ("BIFROST_STORE_COSMOS_DATABASE", "bifrost "),
        ("BIFROST_STORE_COSMOS_DATABASE", "b" * 256),
        ("BIFROST_STORE_COSMOS_DATABASE", "Zm9vYg=="),
    ],
)
def test_a_wrong_value_is_refused_by_the_variables_name(name: str, value: str) -> None:
    """The message begins with the variable and says what it may be."""
    message = refusal({name: value})

    assert message.startswith(f"{name}: ")
    sentences = (
        "'sqlite', 'table' or 'cosmos'",
        "number of days",
        "than or equal to",
        "must be 1 to 255 characters, none of them /",
    )
    assert any(sentence in message for sentence in sentences)


@pytest.mark.parametrize("name", ["b", "bifrost", "bifrost1", "Größe 2", "b" * 255])
def test_a_database_may_be_called_what_the_service_allows(name: str) -> None:
    """Spaces within and letters of any language are fine."""
    assert name == StoreSettings.from_environment({"BIFROST_STORE_COSMOS_DATABASE": name}).cosmos_database


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


@pytest.mark.parametrize("account", ["BIFROST_STORE_BLOB_CONNECTION_STRING", "BIFROST_STORE_BLOB_ENDPOINT"])
def test_a_folder_beside_an_account_for_payloads_is_refused(account: str) -> None:
    """Payloads lie in one place."""
    message = refusal({account: SECRET, "BIFROST_STORE_BLOB_FOLDER": "blobs"})

    assert f"{account} and BIFROST_STORE_BLOB_FOLDER are both given; give one" == message


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
        (StoreSettings(table_connection_string=SECRET), ["sqlite", "table"]),
        (StoreSettings(backend="table", table_connection_string=SECRET, sqlite_path="a.db"), ["sqlite", "table"]),
        (StoreSettings(cosmos_connection_string=COSMOS), ["sqlite", "cosmos"]),
        (StoreSettings(backend="cosmos", cosmos_endpoint="https://acme.documents.azure.com"), ["cosmos"]),
        (StoreSettings(backend="cosmos", cosmos_database="other"), []),
    ],
)
def test_a_backend_is_configured_if_its_place_is_known(settings: StoreSettings, names: list[str]) -> None:
    """The default SQLite file counts only where SQLite was chosen, and the name of a database without an account never does."""
    assert names == configured_backends(settings)


@pytest.mark.parametrize(
    ("settings", "backend", "message"),
    [
        (StoreSettings(backend="cosmos"), "cosmos", "set BIFROST_STORE_COSMOS_CONNECTION_STRING or BIFROST_STORE_COSMOS_ENDPOINT"),
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
    settings = StoreSettings(backend="table", table_connection_string=text)
    async with AsyncExitStack() as stack:
        factory = BackendFactory(settings, SPECS, utc_now, stack)
        for open_one in (factory.backend, factory.blobs):
            with pytest.raises(ConfigurationError) as caught:
                open_one("table")
            assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "nonsense c2VjcmV0",
        "AccountKey=c2VjcmV0",
        "AccountEndpoint=https://acme.example;",
        "AccountEndpoint=acme.example;AccountKey=c2VjcmV0;",
        "AccountEndpoint=https://acme.example;AccountKey=no c2VjcmV0!;",
        SECRET,
        "",
    ],
)
async def test_a_malformed_connection_string_of_cosmos_is_refused_and_not_shown(text: str) -> None:
    """The message says what is expected, also where the connection string of another service was given."""
    settings = StoreSettings(backend="cosmos", cosmos_connection_string=text)
    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigurationError, match=r"Cosmos DB connection string .* expected AccountEndpoint=") as caught:
            BackendFactory(settings, SPECS, utc_now, stack).backend("cosmos")

    assert "c2VjcmV0" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["http://acme.example", "acme.example", COSMOS])
async def test_an_endpoint_that_cannot_be_used_is_refused_and_not_shown(endpoint: str) -> None:
    """An identity's tokens travel by https alone; a connection string in the wrong variable keeps its key to itself."""
    settings = StoreSettings(backend="cosmos", cosmos_endpoint=endpoint)
    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigurationError, match="https://") as caught:
            BackendFactory(settings, SPECS, utc_now, stack).backend("cosmos")

    assert "c2VjcmV0" not in str(caught.value) + place_of(settings, "cosmos")


async def test_payloads_go_where_the_records_are_or_where_the_settings_say(tmp_path: object) -> None:
    """A folder beside the SQLite file, the table's account, or the account or folder given for blobs, whatever the backend."""
    beside = StoreSettings(sqlite_path=f"{tmp_path}/a.db", table_connection_string=SECRET)
    apart = beside.model_copy(update={"blob_connection_string": beside.table_connection_string})
    in_folder = beside.model_copy(update={"blob_folder": f"{tmp_path}/blobs"})
    async with AsyncExitStack() as stack:
        folder, *others = [
            BackendFactory(settings, SPECS, utc_now, stack).blobs(name)
            for settings in (beside, apart, in_folder)
            for name in ("sqlite", "table", "cosmos")
        ]
        in_memory = BackendFactory(StoreSettings(sqlite_path=":memory:"), SPECS, utc_now, stack).blobs("sqlite")

        assert await folder.ping() == f"folder {tmp_path}/a.db.blobs"
        assert ["AzureBlobStore"] * 5 == [type(blobs).__name__ for blobs in others[:5]]
        assert [f"folder {tmp_path}/blobs"] * 3 == [await blobs.ping() for blobs in others[5:]]
        await in_memory.put("execution-data", "a", b"1")
        assert await in_memory.get("execution-data", "a") == b"1"


@pytest.mark.parametrize(
    ("settings", "backend"),
    [
        (StoreSettings(backend="table", table_endpoint="https://tables.example"), "table"),
        (StoreSettings(backend="cosmos", cosmos_connection_string=COSMOS), "cosmos"),
    ],
)
async def test_payloads_without_a_place_say_what_to_set(settings: StoreSettings, backend: str) -> None:
    """An account of records alone does not tell where blobs belong; the message names each way to say it."""
    names = "BIFROST_STORE_BLOB_CONNECTION_STRING, BIFROST_STORE_BLOB_ENDPOINT or BIFROST_STORE_BLOB_FOLDER"
    async with AsyncExitStack() as stack:
        with pytest.raises(ConfigurationError, match=f"^there is no place for payload blobs; set {names}$"):
            BackendFactory(settings, SPECS, utc_now, stack).blobs(backend)


def test_a_place_is_named_by_what_tells_data_apart() -> None:
    """Two databases of one account are two places; connection string and endpoint of one database are one. No key is shown."""
    by_string = StoreSettings(cosmos_connection_string=COSMOS)
    by_endpoint = StoreSettings(cosmos_endpoint="https://acme.documents.azure.com")
    other = by_string.model_copy(update={"cosmos_database": "other"})
    local = StoreSettings(cosmos_connection_string="AccountEndpoint=http://127.0.0.1:8081/;AccountKey=c2VjcmV0")

    assert "cosmos https://acme.documents.azure.com bifrost" == place_of(by_string, "cosmos") == place_of(by_endpoint, "cosmos")
    assert "cosmos https://acme.documents.azure.com other" == place_of(other, "cosmos")
    assert "cosmos http://127.0.0.1:8081 bifrost" == place_of(local, "cosmos")


TABLE = StoreSettings(backend="table", table_connection_string=SECRET)
TABLE_BY_IDENTITY = StoreSettings(backend="table", table_endpoint="https://acme.table.core.windows.net")
IN_COSMOS = StoreSettings(backend="cosmos", cosmos_connection_string=COSMOS, blob_connection_string=SECRET)
COSMOS_BY_IDENTITY = StoreSettings(backend="cosmos", cosmos_endpoint="https://acme.documents.azure.com")


@pytest.mark.parametrize(
    ("missing", "extra", "settings", "opened"),
    [
        ("azure.data.tables", "table", TABLE, "backend"),
        ("aiohttp", "table", TABLE, "backend"),
        ("azure.storage.blob", "table", TABLE, "blobs"),
        ("azure.identity.aio", "identity", TABLE_BY_IDENTITY, "backend"),
        ("azure.cosmos.aio", "cosmos", IN_COSMOS, "backend"),
        ("aiohttp", "cosmos", IN_COSMOS, "backend"),
        ("azure.storage.blob", "cosmos", IN_COSMOS, "blobs"),
        ("azure.identity.aio", "identity", COSMOS_BY_IDENTITY, "backend"),
    ],
)
async def test_a_missing_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, missing: str, extra: str, settings: StoreSettings, opened: str
) -> None:
    """Without an optional package the error says what to install."""
    import importlib

    real = importlib.import_module
    needed_by = {"azure.data.tables": "bifrost_store.backends.table.backend", "azure.storage.blob": "bifrost_store.blobs.azure"}

    def without(name: str, package: str | None = None) -> object:
        if name in (missing, needed_by.get(missing)):
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)
        return real(name, package)

    monkeypatch.setattr("importlib.import_module", without)
    async with AsyncExitStack() as stack:
        factory = BackendFactory(settings, SPECS, utc_now, stack)
        with pytest.raises(MissingDependencyError, match=rf"{missing} is not installed; pip install 'bifrost-store\[{extra}\]'"):
            getattr(factory, opened)(settings.backend)


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
    settings = TABLE_BY_IDENTITY.model_copy(update={"cosmos_endpoint": COSMOS_BY_IDENTITY.cosmos_endpoint})
    async with AsyncExitStack() as stack:
        factory = BackendFactory(settings, SPECS, utc_now, stack)
        for opened in (factory.backend("table"), factory.blobs("table"), factory.backend("cosmos"), factory.blobs("cosmos")):
            stack.push_async_callback(opened.aclose)

        assert [credential.is_closed for credential in made] == [False]

    assert [credential.is_closed for credential in made] == [True]


@pytest.mark.parametrize(
    "good",
    [
        "Endpoint=https://name.service.signalr.net;AccessKey=a2V5=;Version=1.0;",
        "endpoint=http://localhost;port=8888;accesskey=a2V5==;Version=1.0",
        "Endpoint=https://name.service.signalr.net/;AuthType=azure.msi;Version=1.0;",
    ],
)
def test_a_signalr_service_is_named_as_the_portal_does(good: str) -> None:
    """With a key, or without one for an identity; the hub is called runs where nobody says otherwise."""
    settings = StoreSettings.from_environment({"BIFROST_STORE_SIGNALR_CONNECTION_STRING": good})

    assert settings.signalr_connection_string is not None
    assert (good, "runs") == (settings.signalr_connection_string.get_secret_value(), settings.signalr_hub)
    assert good not in repr(settings)


@pytest.mark.parametrize(
    "bad",
    [
        "UseDevelopmentStorage=true",
        "https://name.service.signalr.net",
        "Endpoint=https://name.service.signalr.net;Version=1.0;",
        "Endpoint=https://name.service.signalr.net;AccessKey=;Version=1.0;",
        "Endpoint=https://name.service.signalr.net;AccessKey=secret;AuthType=azure.msi;",
        "Endpoint=https://name.service.signalr.net;AuthType=mine;",
        "Endpoint=name.service.signalr.net;AccessKey=secret;",
        "Endpoint=ftp://name.service.signalr.net;AccessKey=secret;",
        "Endpoint=https://name.service.signalr.net/hub;AccessKey=secret;",
        "Endpoint=https://user:secret@name.service.signalr.net;AccessKey=secret;",
        "Endpoint=http://localhost;Port=many;AccessKey=secret;",
    ],
)
def test_what_names_no_signalr_service_is_refused_at_the_start(bad: str) -> None:
    """The message says what it should look like, and shows nothing of what was given."""
    with pytest.raises(ConfigurationError) as raised:
        StoreSettings.from_environment({"BIFROST_STORE_SIGNALR_CONNECTION_STRING": bad})

    said = str(raised.value)
    assert said.startswith("BIFROST_STORE_SIGNALR_CONNECTION_STRING: must be as the portal shows it: Endpoint=https://")
    assert "secret" not in said


@pytest.mark.parametrize("bad", ["1runs", "runs-of-acme", "läufe", "runs\n", "r" * 129])
def test_a_hub_has_a_name_that_the_service_takes(bad: str) -> None:
    """A letter, then letters, digits and underscores."""
    with pytest.raises(ConfigurationError, match="BIFROST_STORE_SIGNALR_HUB: must be a letter, then"):
        StoreSettings.from_environment({"BIFROST_STORE_SIGNALR_HUB": bad})
