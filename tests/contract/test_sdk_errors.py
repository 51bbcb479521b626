"""Every exception class of the SDKs has its error: a new one fails here until somebody has decided."""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Iterator
from types import ModuleType, SimpleNamespace
from typing import Any

import azure.core.exceptions
import azure.cosmos
import azure.cosmos.exceptions
import azure.data.tables
import azure.data.tables._error
import azure.identity
import azure.storage.blob
import pytest
from azure.core.exceptions import AzureError, HttpResponseError

from bifrost_store.backends.cosmos import errors as cosmos_errors
from bifrost_store.backends.sqlite.errors import map_error as map_sqlite_error
from bifrost_store.backends.table import errors as table_errors
from bifrost_store.backends.table.errors import map_error
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    DocumentExistsError,
    DocumentNotFoundError,
    DocumentTooLargeError,
    InvalidRequestError,
    NotProvisionedError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
    ThrottledError,
)

SECRET = "s3cr3t"

WITHOUT_STATUS: dict[str, type[StoreError]] = {
    "AzureError": BackendUnavailableError,
    "ServiceRequestError": BackendUnavailableError,
    "ServiceResponseError": BackendUnavailableError,
    "ServiceRequestTimeoutError": BackendTimeoutError,
    "ServiceResponseTimeoutError": BackendTimeoutError,
    "HttpResponseError": BackendUnavailableError,
    "DecodeError": BackendUnavailableError,
    "IncompleteReadError": BackendUnavailableError,
    "ResourceExistsError": BackendUnavailableError,
    "ResourceNotFoundError": BackendUnavailableError,
    "ClientAuthenticationError": AccessDeniedError,
    "CredentialUnavailableError": AccessDeniedError,
    "AuthenticationRequiredError": AccessDeniedError,
    "ResourceModifiedError": BackendUnavailableError,
    "ResourceNotModifiedError": BackendUnavailableError,
    "TooManyRedirectsError": BackendUnavailableError,
    "ODataV4Error": BackendUnavailableError,
    "StreamConsumedError": BackendUnavailableError,
    "StreamClosedError": BackendUnavailableError,
    "ResponseNotReadError": BackendUnavailableError,
    "TableTransactionError": BackendUnavailableError,
    "RequestTooLargeError": DocumentTooLargeError,
    "AzureSigningError": AccessDeniedError,
    "PartialBatchErrorException": BackendUnavailableError,
    "CosmosHttpResponseError": BackendUnavailableError,
    "CosmosResourceNotFoundError": BackendUnavailableError,
    "CosmosResourceExistsError": BackendUnavailableError,
    "CosmosAccessConditionFailedError": BackendUnavailableError,
    "CosmosBatchOperationError": BackendUnavailableError,
    "CosmosClientTimeoutError": BackendTimeoutError,
}
"""What each class becomes where no answer of the service came with it: the answer was lost, unless the class says more."""

BY_STATUS: dict[int, type[StoreError]] = {
    302: BackendError,
    304: BackendError,
    400: InvalidRequestError,
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: DocumentNotFoundError,
    405: BackendError,
    408: BackendTimeoutError,
    409: DocumentExistsError,
    412: PreconditionFailedError,
    413: DocumentTooLargeError,
    418: BackendError,
    429: ThrottledError,
    500: BackendUnavailableError,
    502: BackendUnavailableError,
    503: ThrottledError,
    504: BackendTimeoutError,
    507: BackendUnavailableError,
}

BACKENDS: dict[str, tuple[ModuleType, tuple[str, ...], set[int]]] = {
    "table": (table_errors, ("azure.core", "azure.data.tables", "azure.identity", "azure.storage"), {405}),
    "cosmos": (cosmos_errors, ("azure.core", "azure.cosmos", "azure.identity"), {449}),
}
"""Who maps, what reaches it, and which answers beyond the usual say that nothing was written."""
COSMOS_ONLY: dict[int, type[StoreError]] = {410: BackendUnavailableError, 449: BackendUnavailableError}

SQLITE: dict[str, type[StoreError]] = {
    "SQLITE_ABORT": BackendUnavailableError,
    "SQLITE_AUTH": AccessDeniedError,
    "SQLITE_BUSY": BackendUnavailableError,
    "SQLITE_CANTOPEN": ConfigurationError,
    "SQLITE_CORRUPT": BackendError,
    "SQLITE_FULL": BackendError,
    "SQLITE_INTERRUPT": BackendUnavailableError,
    "SQLITE_IOERR": BackendError,
    "SQLITE_LOCKED": BackendUnavailableError,
    "SQLITE_NOLFS": BackendError,
    "SQLITE_NOMEM": BackendUnavailableError,
    "SQLITE_NOTADB": ConfigurationError,
    "SQLITE_PERM": AccessDeniedError,
    "SQLITE_PROTOCOL": BackendUnavailableError,
    "SQLITE_READONLY": AccessDeniedError,
    "SQLITE_SCHEMA": BackendUnavailableError,
    "SQLITE_TOOBIG": DocumentTooLargeError,
    # What follows would be a defect of this library, or never comes with an exception.
    "SQLITE_CONSTRAINT": BackendError,
    "SQLITE_EMPTY": BackendError,
    "SQLITE_ERROR": BackendError,
    "SQLITE_FORMAT": BackendError,
    "SQLITE_INTERNAL": BackendError,
    "SQLITE_MISMATCH": BackendError,
    "SQLITE_MISUSE": BackendError,
    "SQLITE_NOTFOUND": BackendError,
    "SQLITE_NOTICE": BackendError,
    "SQLITE_RANGE": BackendError,
    "SQLITE_WARNING": BackendError,
}


NO_RESULTS = {
    *("SQLITE_OK", "SQLITE_ROW", "SQLITE_DONE", "SQLITE_DENY", "SQLITE_IGNORE"),
    *("SQLITE_ALTER_TABLE", "SQLITE_ANALYZE", "SQLITE_ATTACH", "SQLITE_DELETE", "SQLITE_DETACH", "SQLITE_FUNCTION"),
    *("SQLITE_INSERT", "SQLITE_PRAGMA", "SQLITE_READ", "SQLITE_RECURSIVE", "SQLITE_REINDEX", "SQLITE_SAVEPOINT"),
    *("SQLITE_SELECT", "SQLITE_TRANSACTION", "SQLITE_UPDATE"),
    *(f"SQLITE_{verb}_{what}" for verb in ("CREATE", "DROP") for what in ("INDEX", "TABLE", "TRIGGER", "VIEW", "VTABLE")),
    *(f"SQLITE_{verb}_TEMP_{what}" for verb in ("CREATE", "DROP") for what in ("INDEX", "TABLE", "TRIGGER", "VIEW")),
}
"""What an authorizer may answer and be asked, whose numbers are those of results, and outcomes that are none of these."""


def azure_classes() -> Iterator[type[AzureError]]:
    """Yield every subclass of AzureError that the imported SDKs define."""
    waiting, seen = [AzureError], set()
    while waiting:
        one = waiting.pop()
        if one not in seen:
            seen.add(one)
            waiting += one.__subclasses__()
            yield one


def raised_to(backend: str, base: type[AzureError] = AzureError) -> list[type[AzureError]]:
    """Return the classes under *base* that may reach a backend."""
    packages = BACKENDS[backend][1]
    return [kind for kind in azure_classes() if issubclass(kind, base) and kind.__module__.startswith(packages)]


def pairs(base: type[AzureError] = AzureError) -> list[Any]:
    """Return each backend with each class that may reach it."""
    return [pytest.param(name, kind, id=f"{name}-{kind.__name__}") for name in BACKENDS for kind in raised_to(name, base)]


def made(kind: type[AzureError], **attributes: Any) -> AzureError:
    """Return an error of *kind* without calling its own constructor, which differs from class to class."""
    error = kind.__new__(kind)
    AzureError.__init__(error, SECRET)
    for name, value in {"response": None, "status_code": None, "reason": None, "error_code": None, **attributes}.items():
        setattr(error, name, value)
    return error


def exported_exceptions(module: ModuleType) -> list[type[BaseException]]:
    """Return the exception classes among a module's public names."""
    found = [getattr(module, name) for name in getattr(module, "__all__", dir(module))]
    return [one for one in found if inspect.isclass(one) and issubclass(one, BaseException)]


def test_every_azure_class_is_known() -> None:
    """The table above names exactly the classes that there are."""
    names = {kind.__name__ for kind in azure_classes() if kind.__module__.startswith("azure.")}

    assert names <= WITHOUT_STATUS.keys()


@pytest.mark.parametrize(
    "module",
    [azure.core.exceptions, azure.cosmos, azure.cosmos.exceptions, azure.data.tables, azure.storage.blob],
    ids=lambda module: module.__name__,
)
def test_what_the_sdks_export_is_caught(module: ModuleType) -> None:
    """Every exported exception is an AzureError, and so caught; but for two of the code that reads our own arguments."""
    strange = {kind.__name__ for kind in exported_exceptions(module) if not issubclass(kind, AzureError)}

    assert strange <= {"SerializationError", "DeserializationError"}


@pytest.mark.parametrize(("backend", "kind"), pairs())
def test_each_azure_class_is_mapped(backend: str, kind: type[AzureError]) -> None:
    """An error without an answer becomes what the table says, chained, and shows nothing of its text."""
    expected = WITHOUT_STATUS[kind.__name__]
    with pytest.raises(StoreError) as caught, BACKENDS[backend][0].wrap_errors("create", "config GLOBAL 'x'"):
        raise made(kind)

    assert type(caught.value) is expected
    assert SECRET not in str(caught.value) + repr(caught.value)
    assert (caught.value.backend, caught.value.operation) == (backend, "create")
    assert (caught.value.key, type(caught.value.__cause__)) == ("config GLOBAL 'x'", kind)


@pytest.mark.parametrize("status", BY_STATUS)
@pytest.mark.parametrize(("backend", "kind"), pairs(HttpResponseError))
def test_each_status_is_mapped(backend: str, kind: type[HttpResponseError], status: int) -> None:
    """An answer is judged by its status, whatever class the SDK gives it; the class says more only where one is too large."""
    request = SimpleNamespace(url="https://x/dbs/d/colls/c/docs/id/")
    response = SimpleNamespace(headers={"Retry-After": "3"}, status_code=status, request=request)
    mapped = BACKENDS[backend][0].map_error(made(kind, status_code=status, response=response))

    assert type(mapped) is (DocumentTooLargeError if kind.__name__ == "RequestTooLargeError" else BY_STATUS[status])
    assert mapped.backend == backend
    assert SECRET not in str(mapped)


@pytest.mark.parametrize("status", COSMOS_ONLY)
def test_each_status_of_cosmos_alone_is_mapped(status: int) -> None:
    """A partition that moves, and a write that meets another, are worth another try."""
    error = made(azure.cosmos.exceptions.CosmosHttpResponseError, status_code=status, response=SimpleNamespace(headers={}))

    assert type(cosmos_errors.map_error(error)) is COSMOS_ONLY[status]


@pytest.mark.parametrize("headers", [{"x-ms-retry-after-ms": "1500"}, {"retry-after-ms": "1500"}, {"retry-after": "1.5"}])
def test_every_retry_after_header_counts(headers: dict[str, str]) -> None:
    """The wait that a service asks for arrives in seconds; one that is a date, or missing, is None."""
    response = SimpleNamespace(headers=headers)
    assert map_error(made(HttpResponseError, status_code=429, response=response)).retry_after_seconds == 1.5
    for other in ({}, {"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}):
        assert (
            map_error(made(HttpResponseError, status_code=429, response=SimpleNamespace(headers=other))).retry_after_seconds is None
        )


def test_the_wait_that_cosmos_asks_for() -> None:
    """It comes in one header, in milliseconds."""
    kind = azure.cosmos.exceptions.CosmosHttpResponseError
    for headers, seconds in (({"x-ms-retry-after-ms": "286"}, 0.286), ({}, None), ({"x-ms-retry-after-ms": "soon"}, None)):
        error = made(kind, status_code=429, response=SimpleNamespace(headers=headers))
        assert cosmos_errors.map_error(error).retry_after_seconds == seconds


def test_a_missing_table_is_no_missing_row() -> None:
    """404 with TableNotFound, in code or text, means that nothing was provisioned."""
    for more in ({"error_code": "TableNotFound"}, {"message": "x TableNotFound x"}):
        error = made(azure.core.exceptions.ResourceNotFoundError, status_code=404, **more)
        assert type(map_error(error)) is NotProvisionedError


@pytest.mark.parametrize("path", ["/", "/dbs/d/", "/dbs/d/colls/c/", "/dbs/d/colls/c/docs/", "/dbs/d/colls/c/pkranges/"])
def test_a_missing_container_is_no_missing_document(path: str) -> None:
    """404 for anything but one document means that nothing was provisioned; so does substatus 1003."""
    kind = azure.cosmos.exceptions.CosmosResourceNotFoundError
    response = SimpleNamespace(headers={}, request=SimpleNamespace(url=f"https://x{path}"))
    assert type(cosmos_errors.map_error(made(kind, status_code=404, response=response))) is NotProvisionedError
    response.request.url = "https://x/dbs/d/colls/c/docs/id/"
    assert type(cosmos_errors.map_error(made(kind, status_code=404, response=response))) is DocumentNotFoundError
    error = made(kind, status_code=404, sub_status=1003, response=response)
    assert type(cosmos_errors.map_error(error)) is NotProvisionedError


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("status", [*BY_STATUS, *COSMOS_ONLY])
def test_which_answers_leave_a_write_open(backend: str, status: int) -> None:
    """A refusal says that nothing was written; anything a gateway or a failing service says does not."""
    module, _, more = BACKENDS[backend]
    error = made(HttpResponseError, status_code=status, response=SimpleNamespace(headers={}))

    assert module.is_ambiguous(error) is (status not in {400, 401, 403, 404, 409, 412, 413, 429} | more)


def test_every_sqlite_code_is_known() -> None:
    """The table above names every primary result code that Python's sqlite3 knows."""
    names = {name for name in dir(sqlite3) if name.startswith("SQLITE_")} - NO_RESULTS
    primary = {
        name for name in names if not name.startswith(("SQLITE_LIMIT_", "SQLITE_DBCONFIG_")) and getattr(sqlite3, name) < 256
    }

    assert primary <= SQLITE.keys()


@pytest.mark.parametrize("name", [name for name in SQLITE if hasattr(sqlite3, name)])
def test_each_sqlite_code_is_mapped(name: str) -> None:
    """Each result code, extended ones too, becomes what the table says; a failing disk leaves a write open."""
    code = getattr(sqlite3, name)
    for extension in (0, 1 << 8, 9 << 8):
        error = sqlite3.OperationalError(SECRET)
        error.sqlite_errorcode, error.sqlite_errorname = code | extension, name
        read, write = map_sqlite_error(error, "x.db", "get"), map_sqlite_error(error, "x.db", "create", is_write=True)

        assert type(read) is SQLITE[name]
        assert type(write) is (OutcomeUnknownError if name == "SQLITE_IOERR" else SQLITE[name])
        assert SECRET not in str(read) + str(write)


@pytest.mark.parametrize("kind", [one for one in exported_exceptions(sqlite3) if issubclass(one, sqlite3.Error)])
def test_each_sqlite_class_is_mapped(kind: type[sqlite3.Error]) -> None:
    """An exception without a code is a BackendError that names its class."""
    mapped = map_sqlite_error(kind(SECRET), "x.db", "get")

    assert type(mapped) is BackendError
    assert kind.__name__ in str(mapped)
    assert SECRET not in str(mapped)
