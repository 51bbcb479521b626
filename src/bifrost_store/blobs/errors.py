"""Azure Blob Storage's errors as this library's, by HTTP status."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Final

from bifrost_store.core.attempts import Sendings, current_sendings, sending, staying_unknown
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    DocumentNotFoundError,
    DocumentTooLargeError,
    InvalidRequestError,
    MissingDependencyError,
    NotProvisionedError,
    PreconditionFailedError,
    StoreError,
    ThrottledError,
    without_text,
)

try:
    from aiohttp import ClientConnectorError  # Of what the SDK sends its requests with: else it would be missed at the first one.

    import_module("azure.storage.blob.aio")
    from azure.core.exceptions import (
        AzureError,
        ClientAuthenticationError,
        HttpResponseError,
        ServiceRequestError,
        ServiceRequestTimeoutError,
        ServiceResponseTimeoutError,
    )
except ImportError as error:
    raise MissingDependencyError("Azure Blob Storage needs an extra: pip install 'bifrost-store[table]'") from error

NAME: Final = "blob"

_BY_STATUS: Final[dict[int, tuple[type[StoreError], str]]] = {
    400: (InvalidRequestError, "refuses the request as invalid"),
    401: (AccessDeniedError, "refuses these credentials; check the connection string or the identity"),
    403: (AccessDeniedError, "denies access; check the key, its expiry, the role assignments and the account's firewall"),
    404: (DocumentNotFoundError, "has no such blob"),
    408: (BackendTimeoutError, "did not answer in time; try again"),
    409: (PreconditionFailedError, "refuses the change: a lease, a snapshot, a copy or a retention policy holds the blob"),
    412: (PreconditionFailedError, "refuses the change: the blob is leased, or was changed meanwhile"),
    413: (DocumentTooLargeError, "takes no blob of this size"),
    429: (ThrottledError, "asks to slow down"),
    500: (BackendUnavailableError, "failed; try again"),
    502: (BackendUnavailableError, "cannot be reached by a gateway before it; try again"),
    503: (ThrottledError, "is busy; try again later"),
    504: (BackendTimeoutError, "did not answer a gateway before it in time; try again"),
}
_BUSY: Final = (503, "ServerBusy")
"""This comes before anything is begun ("Common REST API error codes", Microsoft); a gateway's 503 need not."""
_BY_CODE: Final[dict[str, tuple[type[StoreError], str]]] = {
    "ContainerNotFound": (NotProvisionedError, "has no such container"),
    "ContainerBeingDeleted": (BackendUnavailableError, "is still deleting the container; try again later"),
    "OperationTimedOut": (BackendTimeoutError, "did not answer in time; try again"),
    "PendingCopyOperation": (BackendUnavailableError, "is still copying to the blob; try again"),
}
_RETRY_AFTER_HEADERS: Final = (("x-ms-retry-after-ms", 0.001), ("retry-after-ms", 0.001), ("retry-after", 1.0))


@dataclass(frozen=True, slots=True)
class Place:
    """What is asked: the account's name and endpoint (host and port), and a container where one is concerned."""

    account: str
    endpoint: str
    container: str | None = None


@contextmanager
def mapped_errors(place: Place, operation: str, name: str | None = None) -> Generator[None, None, None]:
    """Turn the SDK's errors inside the block into this library's, chained, naming the operation and the blob."""
    try:
        yield
    except AzureError as error:
        mapped = map_error(error, place)
        mapped.operation, mapped.key = operation, name
        raise mapped from error
    except StoreError as error:
        error.operation, error.key = operation, name
        raise
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises is an error of ours to callers
        meaning = f"Azure Blob Storage gave no answer that can be read ({type(error).__name__}); try again"
        raise BackendUnavailableError(meaning, backend=NAME, operation=operation, key=name) from without_text(error)


@contextmanager
def mapped_write_errors(place: Place, operation: str, name: str) -> Generator[Sendings, None, None]:
    """As `mapped_errors`, for a block that writes; `noting` lets it know of what the SDK sends again by itself.

    Raises:
        OutcomeUnknownError: A sending may have been carried out, or may be yet, whatever a later one was answered.
    """
    with mapped_errors(place, operation, name), sending() as sendings, staying_unknown(sendings, name, NAME):
        try:
            yield sendings
        except AzureError as error:
            sendings.is_unknown = sendings.is_unknown or _is_ambiguous(error)
            raise
        except StoreError:
            raise
        except Exception:
            sendings.is_unknown = sendings.is_unknown or sendings.count > 0
            raise


def noting() -> Mapping[str, Any]:
    """Return the SDK's options for a request inside `mapped_write_errors`, so that its sendings are known."""
    sendings = current_sendings()
    if sendings is None:
        return {}

    def note(*, response: Any = None, error: AzureError | None = None, **_: Any) -> None:
        if error is not None:
            is_ambiguous = _is_ambiguous(error)
        else:
            is_ambiguous = _may_be_done(response.status_code, response.headers.get("x-ms-error-code"))
        sendings.is_unknown = sendings.is_unknown or is_ambiguous

    return {"retry_hook": note}


def _is_ambiguous(error: AzureError) -> bool:
    """Return whether a write that failed with *error* may have been carried out."""
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return _may_be_done(error.status_code, error_code(error))
    if isinstance(error, ClientAuthenticationError | ServiceRequestTimeoutError):
        return False
    return not isinstance(error.inner_exception, ClientConnectorError)


def _may_be_done(status: int, code: str | None) -> bool:
    return (status == 408 or not 400 <= status < 500) and (status, code) != _BUSY


def map_error(error: AzureError, place: Place) -> StoreError:
    """Return what *error* means to a caller. Its own text is left out: it may quote addresses that hold a signature."""
    kind, meaning = _meaning(error)
    where = ""
    if kind is NotProvisionedError:
        where = f", account {place.account} at {place.endpoint},"
        meaning = f"has no container {place.container}; run `bifrost-store init`"
    elif _is_unreached(error):
        where = f" at {place.endpoint}"
    return kind(f"Azure Blob Storage{where} {meaning}", backend=NAME, retry_after_seconds=_retry_after(error))


def _meaning(error: AzureError) -> tuple[type[StoreError], str]:
    if isinstance(error, HttpResponseError) and error.status_code is not None and error.status_code >= 300:
        return _BY_CODE.get(error_code(error)) or _by_status(error.status_code)
    if isinstance(error, ServiceRequestTimeoutError | ServiceResponseTimeoutError):
        return BackendTimeoutError, "did not answer in time; try again"
    if isinstance(error, ClientAuthenticationError):
        return AccessDeniedError, "cannot be asked: no usable credential was found; check the identity settings"
    if _is_unreached(error):
        return BackendUnavailableError, "cannot be reached; check the endpoint and the network, then try again"
    return BackendUnavailableError, f"gave no complete answer ({type(error).__name__}); try again"


def _is_unreached(error: AzureError) -> bool:
    return isinstance(error, ServiceRequestError) and not isinstance(error, ServiceRequestTimeoutError)


def _by_status(status: int) -> tuple[type[StoreError], str]:
    default = BackendUnavailableError if status >= 500 else BackendError
    return _BY_STATUS.get(status, (default, f"answered with status {status}"))


def error_code(error: HttpResponseError) -> str:
    """Return the service's own name for what happened, or an empty text."""
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code) or "")


def _retry_after(error: AzureError) -> float | None:
    headers: Mapping[str, str] = getattr(getattr(error, "response", None), "headers", None) or {}
    for name, factor in _RETRY_AFTER_HEADERS:
        try:
            return float(headers[name]) * factor
        except (KeyError, ValueError):
            continue
    return None
