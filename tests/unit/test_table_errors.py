"""Every error of the SDK has its counterpart, and none lets a secret or a guess through."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

import azure.core.exceptions
import azure.data.tables
import pytest
from aiohttp import ClientConnectorError
from azure.core.exceptions import AzureError, HttpResponseError, ServiceRequestError, ServiceResponseError

from bifrost_store.backends.table.errors import is_ambiguous, map_error
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    DocumentExistsError,
    DocumentNotFoundError,
    DocumentTooLargeError,
    InvalidRequestError,
    NotProvisionedError,
    PreconditionFailedError,
    StoreError,
    ThrottledError,
)

BY_STATUS: dict[int, type[StoreError]] = {
    400: InvalidRequestError,
    401: AccessDeniedError,
    403: AccessDeniedError,
    404: DocumentNotFoundError,
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
    599: BackendUnavailableError,
}
SDK_CLASSES = {
    found
    for module in (azure.core.exceptions, azure.data.tables)
    for _, found in inspect.getmembers(module, inspect.isclass)
    if issubclass(found, AzureError)
}


def answer(status: int, headers: dict[str, str] | None = None, message: str = "secret-text") -> HttpResponseError:
    response: Any = SimpleNamespace(status_code=status, reason="why", headers=headers or {})
    return HttpResponseError(message=message, response=response)


@pytest.mark.parametrize("status", BY_STATUS)
def test_a_status_has_its_error(status: int) -> None:
    """The status decides; what the service said is chained, not repeated."""
    error = map_error(answer(status))

    assert BY_STATUS[status] is type(error)
    assert "secret-text" not in str(error)


def test_how_long_to_wait_is_passed_on() -> None:
    """Both forms of the header are read; nonsense is ignored."""
    assert map_error(answer(429, {"retry-after": "7"})).retry_after_seconds == 7
    assert map_error(answer(503, {"x-ms-retry-after-ms": "250"})).retry_after_seconds == 0.25
    assert map_error(answer(429, {"retry-after": "soon"})).retry_after_seconds is None


def test_a_missing_table_is_no_missing_document() -> None:
    """Both are 404; the code tells them apart."""
    assert type(map_error(answer(404, message="x\nErrorCode:TableNotFound"))) is NotProvisionedError


@pytest.mark.parametrize("kind", sorted(SDK_CLASSES, key=str), ids=lambda kind: kind.__name__)
def test_every_class_of_the_sdk_is_mapped(kind: type[AzureError]) -> None:
    """Each exception class of azure-core and azure-data-tables becomes one of ours that is more than the base."""
    error = kind.__new__(kind)
    AzureError.__init__(error, "secret-text")
    error.__dict__.setdefault("status_code", None)
    error.__dict__.setdefault("response", None)
    mapped = map_error(error)

    assert isinstance(mapped, StoreError)
    assert type(mapped) is not StoreError
    assert "secret-text" not in str(mapped)


def test_only_a_connection_that_never_came_about_is_sure_to_have_written_nothing() -> None:
    """The transport reports lost answers as request errors too."""
    refused = ClientConnectorError(SimpleNamespace(host="h", port=1, ssl=True), OSError())  # type: ignore[arg-type]

    assert not is_ambiguous(ServiceRequestError("x", error=refused))
    assert is_ambiguous(ServiceRequestError("x", error=ConnectionResetError()))
    assert is_ambiguous(ServiceResponseError("x"))
    assert is_ambiguous(answer(500))
    assert not is_ambiguous(answer(429))
