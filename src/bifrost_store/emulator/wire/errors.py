"""`ServiceError`: an answer of the service that is not a success."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

CODES: Final[Mapping[int, str]] = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    408: "RequestTimeout",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "RequestEntityTooLarge",
    424: "FailedDependency",
    429: "TooManyRequests",
    431: "RequestHeaderFieldsTooLarge",
    449: "RetryWith",
    500: "InternalServerError",
    503: "ServiceUnavailable",
    507: "InsufficientStorage",
}
"""What the service calls its statuses, in the ``code`` of a body."""


class ServiceError(Exception):
    """A request that the service refuses, with its status, substatus, message and what else the answer carries."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        sub_status: int = 0,
        charge: float | None = None,
        headers: Mapping[str, str] | None = None,
        more: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.sub_status = sub_status
        self.charge = charge
        self.headers = dict(headers or {})
        self.more = dict(more or {})

    @property
    def code(self) -> str:
        """The word for the status."""
        return CODES.get(self.status) or _phrase(self.status)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase.replace(" ", "")
    except ValueError:
        return "Error"


def bad_request(message: str, *, sub_status: int = 0) -> ServiceError:
    """Return the error of a request that is not well formed."""
    return ServiceError(400, message, sub_status=sub_status)


def not_found(message: str = "Entity with the specified id does not exist in the system.", *, sub_status: int = 0) -> ServiceError:
    """Return the error of something that is not there."""
    return ServiceError(404, message, sub_status=sub_status)


def conflict() -> ServiceError:
    """Return the error of something that is there already."""
    return ServiceError(409, "Entity with the specified id already exists in the system.")


def precondition_failed() -> ServiceError:
    """Return the error of a condition that does not hold."""
    return ServiceError(412, "Operation cannot be performed because one of the specified precondition is not met.")


def too_large() -> ServiceError:
    """Return the error of a request or an item beyond 2 MB."""
    return ServiceError(413, "Request size is too large")
