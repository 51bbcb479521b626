"""Azure's errors in the library's terms, mapped by HTTP status."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import ClientConnectorError
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.data.tables import RequestTooLargeError

from bifrost_store.backends.failures import completed
from bifrost_store.core.attempts import Sendings
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    CorruptDocumentError,
    DocumentExistsError,
    DocumentNotFoundError,
    DocumentTooLargeError,
    InvalidRequestError,
    NotProvisionedError,
    PreconditionFailedError,
    StoreError,
    ThrottledError,
    without_text,
)

BACKEND = "table"

_BY_STATUS: dict[int, tuple[type[StoreError], str]] = {
    400: (InvalidRequestError, "Table Storage refuses the request as invalid"),
    401: (AccessDeniedError, "Table Storage refuses these credentials; check the connection string or the identity"),
    403: (AccessDeniedError, "Table Storage denies access; check the key, its expiry and the role assignments"),
    404: (DocumentNotFoundError, "the row does not exist"),
    405: (BackendError, "the endpoint is no Table Storage: it does not know the method"),
    408: (BackendTimeoutError, "Table Storage did not answer in time; try again"),
    409: (DocumentExistsError, "the row exists already"),
    412: (PreconditionFailedError, "the row has changed since it was read"),
    413: (DocumentTooLargeError, "the request is larger than Table Storage takes"),
    429: (ThrottledError, "Table Storage asks to slow down"),
    500: (BackendUnavailableError, "Table Storage failed; try again"),
    502: (BackendUnavailableError, "a gateway before Table Storage failed; try again"),
    503: (ThrottledError, "Table Storage is busy; try again later"),
    504: (BackendTimeoutError, "a gateway before Table Storage gave up waiting; try again"),
}
_TABLE_CODES = {"TableNotFound", "TableBeingDeleted"}
_DEFINITE = frozenset({400, 401, 403, 404, 405, 409, 412, 413, 429})
_BUSY = "ServerBusy"
"""503 by this name comes before anything is begun ("Common REST API error codes", Microsoft); a gateway's need not."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was asked: the account's name and endpoint (host and port), and a table where one is concerned."""

    account: str
    endpoint: str
    table: str | None = None


_PLACE: Final = "bifrost_store_place"
"""The attribute of an error of the SDK that holds its place."""


def _place(error: AzureError) -> Place:
    found = vars(error).get(_PLACE)
    return found if isinstance(found, Place) else Place("?", "an unknown endpoint")


def map_error(error: AzureError) -> StoreError:
    """Return what *error* means to a caller; the message holds neither addresses with secrets nor content."""
    status = _status(error)
    if isinstance(error, HttpResponseError) and status is not None:
        return _map_status(error, status)
    if isinstance(error, ServiceRequestTimeoutError | ServiceResponseTimeoutError):
        return BackendTimeoutError("Table Storage did not answer in time; try again", backend=BACKEND)
    if isinstance(error, ClientAuthenticationError):
        return AccessDeniedError("no credential could be obtained for Table Storage; check the identity settings", backend=BACKEND)
    if isinstance(error, ServiceRequestError):
        return BackendUnavailableError(
            f"Table Storage at {_place(error).endpoint} cannot be reached; check endpoint and network, then try again",
            backend=BACKEND,
        )
    return BackendUnavailableError(f"the answer of Table Storage was lost ({type(error).__name__}); try again", backend=BACKEND)


def _status(error: AzureError) -> int | None:
    if isinstance(error, RequestTooLargeError):
        return 413  # Where a part of a transaction was too large, the SDK gives the status of the whole, 202.
    return error.status_code if isinstance(error, HttpResponseError) else None


def _map_status(error: HttpResponseError, status: int) -> StoreError:
    code = _code(error)
    if any(name in code or name in error.message for name in _TABLE_CODES) or "TABLE_NOT_FOUND" in code:
        place = _place(error)
        missing = f"table {place.table} is missing" if place.table else "a table is missing"
        message = f"{missing} in Table Storage account {place.account} at {place.endpoint}; run `bifrost-store init`"
        return NotProvisionedError(message, backend=BACKEND)
    kind, message = _BY_STATUS.get(
        status, (BackendUnavailableError if status >= 500 else BackendError, f"Table Storage answered {status}")
    )
    return kind(message, backend=BACKEND, retry_after_seconds=_retry_after(error))


def _code(error: AzureError) -> str:
    """Return the service's own name for what happened."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _retry_after(error: HttpResponseError) -> float | None:
    headers = getattr(error.response, "headers", None) or {}
    for name, factor in (("x-ms-retry-after-ms", 0.001), ("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return float(headers[name]) * factor
        except (KeyError, ValueError):
            continue
    return None


def is_ambiguous(error: AzureError) -> bool:
    """Return whether a write that failed with *error* may have been carried out."""
    status = _status(error)
    if status is not None:
        return status not in _DEFINITE and not (status == 503 and _code(error) == _BUSY)
    if isinstance(error, ClientAuthenticationError | ServiceRequestTimeoutError):
        return False
    # The transport calls every failure of aiohttp a request error, a connection lost while waiting for the answer too.
    return not isinstance(error.inner_exception, ClientConnectorError)


@contextmanager
def wrap_errors(operation: str, key: object = None) -> Iterator[None]:
    """Turn Azure's errors into the library's, chained, naming *operation* and *key*; complete our own with them."""
    with completed(operation, key, backend=BACKEND, service="Table Storage"):
        try:
            yield
        except AzureError as error:
            raise map_error(error) from error


@contextmanager
def understood(place: Place, sendings: Sendings | None = None) -> Iterator[None]:
    """Turn an answer that is not the service's, a portal's or a broken gateway's, into a lost one; let errors know their place.

    Args:
        place: What was asked.
        sendings: Of a write: what fails before any has left is no answer at all, and passes as it is.
    """
    try:
        yield
    except (StoreError, StopAsyncIteration):
        raise
    except Exception as error:
        if (isinstance(error, AzureError) and not isinstance(error, DecodeError)) or (sendings is not None and not sendings.count):
            vars(error)[_PLACE] = place
            raise
        if sendings is None and isinstance(error.__context__ if isinstance(error, DecodeError) else error, RecursionError):
            message = "the answer of Table Storage holds something that is nested too deeply to be read"
            raise CorruptDocumentError(message, backend=BACKEND) from error
        raise ServiceResponseError("the answer is not that of Table Storage") from without_text(error)
