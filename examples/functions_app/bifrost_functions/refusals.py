"""What a handler refuses by itself, and which HTTP status each error of the library is."""

from __future__ import annotations

from bifrost_store import errors
from bifrost_store.realtime import WatchRefusedError
from bifrost_store.signalr import InvalidMessageError, SignalRError, ThrottledError, UnavailableError

STATUSES: tuple[tuple[type[errors.StoreError], int], ...] = (
    (errors.EventLoopError, 500),
    (WatchRefusedError, 404),
    (errors.DocumentTooLargeError, 413),
    (errors.InvalidRequestError, 400),
    (errors.DocumentNotFoundError, 404),
    (errors.DocumentExistsError, 409),
    (errors.MigrationRefusedError, 409),
    (errors.PreconditionFailedError, 412),
    (errors.ThrottledError, 429),
    (errors.OutcomeUnknownError, 503),
    (errors.StaleRouteError, 503),
    (errors.AccessDeniedError, 500),
    (errors.NotProvisionedError, 500),
    (errors.BackendError, 503),
    (errors.StoreError, 500),
)
"""The most specific first. Access denied and a second event loop are the application's own doing, not its caller's."""
SIGNALR_STATUSES: tuple[tuple[type[SignalRError], int], ...] = (
    (InvalidMessageError, 400),
    (ThrottledError, 503),
    (UnavailableError, 503),
    (SignalRError, 503),
)


class RefusedError(Exception):
    """The handler will not do it: the status and a code that clients can rely on."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def bad_request(message: str) -> RefusedError:
    """Return the refusal of a request that cannot be understood."""
    return RefusedError(400, "BadRequest", message)


def unauthorized(message: str) -> RefusedError:
    """Return the refusal of a caller who has not said who it is, or not convincingly."""
    return RefusedError(401, "Unauthorized", message)


def forbidden(message: str) -> RefusedError:
    """Return the refusal of a caller who may not."""
    return RefusedError(403, "Forbidden", message)


def not_found(what: str) -> RefusedError:
    """Return the refusal that names what is not there."""
    return RefusedError(404, "NotFound", f"{what} does not exist")


def status_of(error: errors.StoreError) -> int:
    """Return the HTTP status of one of the library's errors."""
    return next(status for kind, status in STATUSES if isinstance(error, kind))


def signalr_status_of(error: SignalRError) -> tuple[int, str]:
    """Return the HTTP status and the code of an error of Azure SignalR Service: who watches then reads instead."""
    return next((status, kind.__name__) for kind, status in SIGNALR_STATUSES if isinstance(error, kind))
