"""The SDK's errors in the library's terms, mapped by HTTP status and substatus."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

from aiohttp import ClientConnectorError
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    DecodeError,
    HttpResponseError,
    ServiceRequestTimeoutError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosClientTimeoutError

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

BACKEND: Final = "cosmos"
_HTTPS_PORT: Final = 443

_BY_STATUS: Final[dict[int, tuple[type[StoreError], str]]] = {
    400: (InvalidRequestError, "Cosmos DB refuses the request as invalid"),
    401: (AccessDeniedError, "Cosmos DB refuses these credentials; check the connection string or the identity"),
    403: (AccessDeniedError, "Cosmos DB denies access; check the key, the role assignments and the firewall"),
    404: (DocumentNotFoundError, "the document does not exist"),
    408: (BackendTimeoutError, "Cosmos DB did not answer in time; try again"),
    409: (DocumentExistsError, "the document exists already"),
    410: (BackendUnavailableError, "Cosmos DB is moving the partition; try again"),
    412: (PreconditionFailedError, "the document has changed since it was read"),
    413: (DocumentTooLargeError, "the document is larger than Cosmos DB takes (2 MB)"),
    429: (ThrottledError, "Cosmos DB asks to slow down: the request units are spent"),
    449: (BackendUnavailableError, "another write to the document is under way; try again"),
    500: (BackendUnavailableError, "Cosmos DB failed; try again"),
    502: (BackendUnavailableError, "a gateway before Cosmos DB failed; try again"),
    503: (ThrottledError, "Cosmos DB is busy; try again later"),
    504: (BackendTimeoutError, "a gateway before Cosmos DB gave up waiting; try again"),
}
_BY_SUB_STATUS: Final[dict[tuple[int, int], tuple[type[StoreError], str]]] = {
    (400, 1001): (
        NotProvisionedError,
        "a container has another partition key than it needs: see `bifrost-store init`; make it again, or name another database",
    ),
    (400, 1024): (BackendUnavailableError, "the container was made again meanwhile; try again"),
    (403, 3): (BackendUnavailableError, "this region takes no writes at the moment; try again"),
    (403, 5300): (
        AccessDeniedError,
        "an identity cannot make or change databases and containers; deploy infra/main.bicep, or use the account's key once",
    ),
    (403, 1014): (BackendError, "the organization's partition has reached the service's 20 GB; nothing more can be written to it"),
    (404, 1002): (BackendUnavailableError, "no replica has seen this session's writes yet; try again"),
}
DEFINITE: Final = frozenset({400, 401, 403, 404, 409, 412, 413, 429, 449})
"""Nothing was written by a request that was answered so."""
_RESOURCE: Final = re.compile(r"/dbs/([^/]+)(?:/colls/([^/]+))?")


def map_error(error: Exception) -> StoreError:
    """Return what *error* means to a caller; the message holds neither addresses with secrets nor content."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return _map_status(error, error.status_code)
    if isinstance(error, CosmosClientTimeoutError | ServiceRequestTimeoutError | ServiceResponseTimeoutError):
        return BackendTimeoutError("Cosmos DB did not answer in time; try again", backend=BACKEND)
    if isinstance(error, ClientAuthenticationError):
        return AccessDeniedError("no credential could be obtained for Cosmos DB; check the identity settings", backend=BACKEND)
    if (unsent := _unsent(error)) is not None:
        message = f"Cosmos DB at {unsent.host}:{unsent.port} cannot be reached; check endpoint and network, then try again"
        return BackendUnavailableError(message, backend=BACKEND)
    return BackendUnavailableError(f"the answer of Cosmos DB was lost ({type(error).__name__}); try again", backend=BACKEND)


def _map_status(error: HttpResponseError, status: int) -> StoreError:
    sub_status = getattr(error, "sub_status", None) or 0
    if status == 404 and not is_absence(error) and sub_status != 1002:
        return NotProvisionedError(f"{_missing(error)}; run `bifrost-store init`", backend=BACKEND)
    fallback = (BackendUnavailableError if status >= 500 else BackendError, f"Cosmos DB answered {status}")
    kind, message = _BY_SUB_STATUS.get((status, sub_status)) or _BY_STATUS.get(status, fallback)
    return kind(message, backend=BACKEND, retry_after_seconds=_retry_after(error))


def is_absence(error: HttpResponseError) -> bool:
    """Return whether *error* says that a document is not there, and not that its container is missing."""
    if error.status_code != 404 or getattr(error, "sub_status", None):
        return False
    if isinstance(error, CosmosBatchOperationError):
        return True
    path = _address(error)
    return "/docs/" in path and not path.endswith("/docs/")


def _address(error: HttpResponseError) -> str:
    return str(getattr(getattr(error.response, "request", None), "url", ""))


def _missing(error: HttpResponseError) -> str:
    """Return which database or container is missing, and where, as the address says that was asked."""
    address = urlsplit(_address(error))
    found = _RESOURCE.search(address.path)
    if found is None:
        return "database or container is missing"
    database, container = found.groups()
    what = (
        f"database {database} is missing" if container is None else f"container {container} or its database {database} is missing"
    )
    return f"{what} in Cosmos DB at {address.hostname}:{address.port or _HTTPS_PORT}"


def _retry_after(error: HttpResponseError) -> float | None:
    headers = getattr(error.response, "headers", None) or getattr(error, "headers", None) or {}
    try:
        return float(headers["x-ms-retry-after-ms"]) / 1000
    except (KeyError, ValueError):
        return None


def is_ambiguous(error: Exception) -> bool:
    """Return whether a write that failed with *error* may have been carried out."""
    if isinstance(error, HttpResponseError) and error.status_code is not None:
        return error.status_code not in DEFINITE
    return not isinstance(error, ClientAuthenticationError | StoreError) and _unsent(error) is None


def _unsent(error: Exception) -> ClientConnectorError | None:
    # The transport calls every failure of aiohttp a request error, a connection lost while waiting for the answer too.
    cause = getattr(error, "inner_exception", None)
    return cause if isinstance(cause, ClientConnectorError) else None


@contextmanager
def wrap_errors(operation: str, key: object = None) -> Iterator[None]:
    """Turn the SDK's errors into the library's, chained, naming *operation* and *key*; complete our own with them."""
    with completed(operation, key, backend=BACKEND, service="Cosmos DB"):
        try:
            yield
        except AzureError as error:
            raise map_error(error) from error


@contextmanager
def understood(sendings: Sendings | None = None) -> Iterator[None]:
    """Turn an answer that is not the service's, a portal's or a broken gateway's, into a lost one.

    Args:
        sendings: Of a write: what fails before any has left is no answer at all, and passes as it is.
    """
    try:
        yield
    except (StoreError, StopAsyncIteration):
        raise
    except Exception as error:
        if (isinstance(error, AzureError) and not isinstance(error, DecodeError)) or (sendings is not None and not sendings.count):
            raise
        if sendings is None and isinstance(error.__context__ if isinstance(error, DecodeError) else error, RecursionError):
            message = "the answer of Cosmos DB holds something that is nested too deeply to be read"
            raise CorruptDocumentError(message, backend=BACKEND) from error
        raise ServiceResponseError("the answer is not that of Cosmos DB") from without_text(error)
