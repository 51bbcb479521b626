"""What is answered when something is not given."""

from __future__ import annotations

from bifrost_store.errors import (
    BackendError,
    DocumentNotFoundError,
    InvalidRequestError,
    PreconditionFailedError,
    StoreError,
    ThrottledError,
)


class RefusalError(Exception):
    """A request is not answered with what it asked for.

    Attributes:
        status: Of HTTP.
        message: What happened and what to do; no content of anybody's.
        is_retryable: Whether the same request may succeed later.
    """

    def __init__(self, status: int, message: str, *, is_retryable: bool = False, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.is_retryable = is_retryable
        self.retry_after_seconds = retry_after_seconds


def unauthorized(message: str) -> RefusalError:
    """Nobody who is known asks."""
    return RefusalError(401, message)


def refused(message: str) -> RefusalError:
    """The way a request came is not allowed."""
    return RefusalError(403, message)


def bad_request(message: str) -> RefusalError:
    """What was asked makes no sense."""
    return RefusalError(400, message)


def not_found() -> RefusalError:
    """There is no such thing, or it is somebody else's: whoever may not see it cannot tell which."""
    return RefusalError(404, "there is nothing here, or you may not see it")


def refusal_of(error: StoreError) -> RefusalError:
    """Return how an error of the store is told."""
    match error:
        case DocumentNotFoundError():
            return not_found()
        case InvalidRequestError():
            return bad_request(str(error))
        case PreconditionFailedError():
            return RefusalError(409, str(error))
        case ThrottledError():
            return RefusalError(503, "the database is busy", is_retryable=True, retry_after_seconds=error.retry_after_seconds)
        case BackendError():
            return RefusalError(503, "the database did not answer", is_retryable=error.is_retryable)
        case _:
            return RefusalError(500, str(error), is_retryable=error.is_retryable)
