"""Where the data is: the only reader of the environment."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    SecretStr,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bifrost_store.core.installed import installed_backends
from bifrost_store.core.retention import MAX_RETENTION
from bifrost_store.errors import ConfigurationError

PREFIX = "BIFROST_STORE_"
_FALLBACKS = {"table_connection_string": "AzureWebJobsStorage", "cosmos_connection_string": "CosmosDBConnection"}
"""The application's own variables, honoured where ours are absent."""
_ONE_OF = (
    ("table_connection_string", "table_endpoint"),
    ("blob_connection_string", "blob_endpoint", "blob_folder"),
    ("cosmos_connection_string", "cosmos_endpoint"),
)
"""Settings that name one place, each in its own way."""
_HUB_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,127}")
_PORT = re.compile(r"[0-9]{1,5}")
_ADDRESS = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?")

_DAYS = "must be a whole number of days, or none"
_DATABASE_NAME = r"^[^/\\#?=\x00-\x1f]{0,254}[^/\\#?=\x00-\x1f ]$"
"""What the service takes, but for ``=``: of a name that ends with it, the SDK may think that it is the service's own id."""
_SIGNALR = "must be as the portal shows it: Endpoint=https://<name>.service.signalr.net;AccessKey=<key>;Version=1.0;"
_NAME = "must be 1 to 255 characters, none of them / \\ # ? = or a control character, and end with no space"
_RULES = {
    "extra_forbidden": "there is no such setting",
    "int_parsing": _DAYS,
    "int_parsing_size": _DAYS,
    "string_pattern_mismatch": _NAME,
}
"""What pydantic's message leaves open, by its type of error."""

_Naming = Callable[[str], str]
"""What a field is called where it was given."""
OWN_BACKENDS = ("sqlite", "table", "cosmos")


def _days(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() == "none" else value


def _backend(value: str) -> str:
    if value not in (*OWN_BACKENDS, *installed_backends()):
        raise PydanticCustomError("backend", "Input should be {names}", {"names": _backend_names()})
    return value


def _backend_names() -> str:
    *names, last = map(repr, (*OWN_BACKENDS, *sorted(installed_backends())))
    return f"{', '.join(names)} or {last}"


def _signalr(value: SecretStr) -> SecretStr:
    """Refuse what names no Azure SignalR Service, or nothing to get in with."""
    parts = [part.partition("=") for part in value.get_secret_value().split(";")]
    named = {name.strip().lower(): text.strip() for name, _, text in parts}
    by_identity = named.get("authtype", "").lower().startswith("azure")
    has_entry = "accesskey" not in named if by_identity else bool(named.get("accesskey"))
    port = named.get("port", "1")
    has_place = _ADDRESS.fullmatch(named.get("endpoint", "")) and _PORT.fullmatch(port) and 0 < int(port) < 65_536
    if not (has_entry and has_place):
        raise PydanticCustomError("signalr", "{rule}", {"rule": _SIGNALR})
    return value


def _vault(value: str) -> str:
    if not _ADDRESS.fullmatch(value) or not value.startswith("https:"):
        raise PydanticCustomError("vault", "must be the vault's address, as the portal shows it: https://<name>.vault.azure.net")
    return value


def _hub(value: str) -> str:
    if not _HUB_NAME.fullmatch(value):
        raise PydanticCustomError("hub", "must be a letter, then letters, digits and _, 128 at most")
    return value


class StoreSettings(BaseModel):
    """What `open_store` needs to know. From the environment each is ``BIFROST_STORE_`` and its name in capitals."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    backend: Annotated[str, AfterValidator(_backend)] = Field(
        default="sqlite", description="Which backend answers, where no flag provider says otherwise.", examples=["table"]
    )
    sqlite_path: str = Field(
        default="bifrost.db",
        min_length=1,
        description="File of the SQLite backend, or `:memory:`.",
        examples=["/var/lib/bifrost.db"],
    )
    table_connection_string: SecretStr | None = Field(
        default=None,
        description="Account of the Table Storage backend. `AzureWebJobsStorage` is used where this is absent.",
        examples=["DefaultEndpointsProtocol=https;AccountName=...;AccountKey=..."],
    )
    table_endpoint: str | None = Field(
        default=None, description="The same for access by identity.", examples=["https://account.table.core.windows.net"]
    )
    blob_connection_string: SecretStr | None = Field(
        default=None,
        description="Account of the payload blobs, for every backend. By default the table's; for SQLite a folder beside the file.",
        examples=["DefaultEndpointsProtocol=https;AccountName=...;AccountKey=..."],
    )
    blob_endpoint: str | None = Field(
        default=None, description="The same for access by identity.", examples=["https://account.blob.core.windows.net"]
    )
    blob_folder: str | None = Field(
        default=None,
        min_length=1,
        description="Folder of the payload blobs, for every backend, in place of an account: where there is none, as on a laptop.",
        examples=["/var/lib/bifrost.blobs"],
    )
    cosmos_connection_string: SecretStr | None = Field(
        default=None,
        description="Account of the Cosmos DB backend. `CosmosDBConnection` is used where this is absent.",
        examples=["AccountEndpoint=https://account.documents.azure.com:443/;AccountKey=..."],
    )
    cosmos_endpoint: str | None = Field(
        default=None, description="The same for access by identity.", examples=["https://account.documents.azure.com"]
    )
    cosmos_database: str = Field(
        default="bifrost", pattern=_DATABASE_NAME, description="Database of the Cosmos DB backend.", examples=["bifrost"]
    )
    execution_retention_days: Annotated[int | None, BeforeValidator(_days)] = Field(
        default=14,
        ge=1,
        le=MAX_RETENTION.days,
        description="Days that an execution is kept after its last change; `none`: for ever.",
        examples=["30", "none"],
    )
    shadow_reads: float = Field(
        default=0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        description="Share of reads that are repeated on the other store while writes go to both, and compared.",
        examples=["0.05"],
    )
    realtime: Literal["on", "off"] = Field(
        default="on",
        description="Whether what runs leave is stored while they go on, where the backend can: `on` or `off`. Off, it is stored "
        "with the run at its end.",
        examples=["off"],
    )
    masked_names: str = Field(
        default="password,passwd,secret,token,apikey,api_key,authorization,credential,connectionstring,connection_string,"
        "privatekey,private_key",
        pattern=r"^(?:none|[^,\s]{3,}(?:,[^,\s]{3,})*)$",
        description="What recordings replace by `***` in data, variables and states: values under a name that holds one of these, "
        "whatever its case; commas between them; `none`: nothing.",
        examples=["password,secret,token,pin_code"],
    )
    signalr_connection_string: Annotated[SecretStr, AfterValidator(_signalr)] | None = Field(
        default=None,
        description="Azure SignalR Service that tells browsers of runs as they go on; with `AuthType=azure.msi` by identity.",
        examples=["Endpoint=https://name.service.signalr.net;AccessKey=...;Version=1.0;"],
    )
    signalr_hub: Annotated[str, AfterValidator(_hub)] = Field(
        default="runs",
        description="Hub of that service: a letter, then letters, digits and `_`.",
        examples=["runs"],
    )
    metrics: Literal["aggregated", "live", "both"] = Field(
        default="live",
        description="Where the figures of dashboards come from: `live` counts runs at every call, `aggregated` reads what "
        "was counted before, `both` does the same and logs where a count differs.",
        examples=["aggregated"],
    )
    lease_seconds: float = Field(
        default=30,
        ge=2,
        le=300,
        allow_inf_nan=False,
        description="How long a process may serve without renewing its lease; the same in all processes of a migration.",
        examples=["30"],
    )

    keyvault_url: Annotated[str, AfterValidator(_vault)] | None = Field(
        default=None,
        description="Azure Key Vault with the secrets that settings and OAuth connections name, for access by identity; without "
        "one they are variables of the environment, `BIFROST_SECRET_...`.",
        examples=["https://name.vault.azure.net"],
    )
    secret_cache_seconds: float = Field(
        default=300,
        ge=0,
        le=86_400,
        allow_inf_nan=False,
        description="How long a secret is used before it is read anew; `0`: it is read at every call.",
        examples=["60"],
    )
    console_proxy_secret: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="What a proxy in front of `bifrost-store console --trust-proxy` sends in the header "
        "`X-Bifrost-Proxy-Secret`, so that its headers are believed.",
        examples=["32 random characters"],
    )

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_clearly(cls, values: Any, handler: ModelWrapValidatorHandler[Self], info: ValidationInfo) -> Self:
        """Raise ConfigurationError, which pydantic lets through, with the names that the caller knows: fields or variables."""
        name_of: _Naming = info.context or str
        try:
            settings = handler(values)
        except ValidationError as error:
            raise ConfigurationError(_explain(error, name_of)) from None
        for fields in _ONE_OF:
            given = [name_of(field) for field in fields if getattr(settings, field) is not None]
            if len(given) > 1:
                raise ConfigurationError(f"{' and '.join(given[:2])} are both given; give one")
        return settings

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Self:
        """Return the settings that the environment gives.

        Args:
            environment: By default that of the process.

        Raises:
            ConfigurationError: A ``BIFROST_STORE_`` variable is unknown, or a value is wrong. Each is named; no secret is shown.
        """
        environment = os.environ if environment is None else environment
        given = {name.removeprefix(PREFIX): value for name, value in environment.items() if name.startswith(PREFIX)}
        given = {name: value for name, value in given.items() if not _is_of_installed(name)}
        for name in given:
            _check_known(name)
        values: dict[str, str] = {name.lower(): value for name, value in given.items() if value != ""}
        for field, variable in _FALLBACKS.items():
            endpoint = field.replace("connection_string", "endpoint")
            if field not in values and endpoint not in values and environment.get(variable):
                values[field] = environment[variable]
        return cls.model_validate(values, context=variable_name)

    def is_in_memory(self, backend: str) -> bool:
        """Return whether *backend* keeps its data in this process only."""
        return backend == "sqlite" and self.sqlite_path == ":memory:"

    def is_configured(self, backend: str) -> bool:
        """Return whether these settings say where *backend* keeps its data."""
        if backend == "sqlite":
            return self.backend == "sqlite" or "sqlite_path" in self.model_fields_set
        if backend not in OWN_BACKENDS:
            return backend == self.backend
        return bool(getattr(self, f"{backend}_connection_string") or getattr(self, f"{backend}_endpoint"))


def variable_name(field: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + field.upper()


def _is_of_installed(name: str) -> bool:
    """Return whether a variable is a setting of another package's backend, which reads it when it is opened; never one of ours."""
    if name.lower() in StoreSettings.model_fields:
        return False
    return any(name.startswith(f"{backend.upper()}_") for backend in installed_backends() if backend not in OWN_BACKENDS)


def _check_known(name: str) -> None:
    known = [field.upper() for field in StoreSettings.model_fields]
    if name not in known:
        near = difflib.get_close_matches(name.upper(), known, 1)
        hint = f"; did you mean {PREFIX}{near[0]}?" if near else f"; known are {', '.join(PREFIX + k for k in known)}"
        raise ConfigurationError(f"unknown setting {PREFIX}{name}{hint}")


def _explain(error: ValidationError, name_of: _Naming) -> str:
    problems = error.errors(include_input=False, include_url=False, include_context=False)
    return "; ".join(f"{name_of(str(problem['loc'][0]))}: {_RULES.get(problem['type'], problem['msg'])}" for problem in problems)
