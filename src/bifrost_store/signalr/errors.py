"""What can go wrong with sending to clients, and whether trying again helps.

SignalRError
├── InvalidMessageError         cannot be sent at all; change it
│   └── MessageTooLargeError
├── ConnectionNotFoundError     the client is gone, or is another process's
├── AccessDeniedError           key, identity or signature is not accepted
├── LimitReachedError           a limit of the hub
├── ThrottledError              try again after ``retry_after_seconds``
├── UnavailableError            try again
├── InvocationError             a client answered a call of ours with an error
└── HubError                    raised by a method, to tell its caller what went wrong
"""

from __future__ import annotations


class SignalRError(Exception):
    """The base of all errors of this package."""

    is_retryable = False
    """Whether the same call may succeed later without anything being changed."""


class InvalidMessageError(SignalRError, ValueError):
    """A message, name or id that cannot be sent: not JSON, NaN or Infinity, an empty name. Nothing was sent."""


class MessageTooLargeError(InvalidMessageError):
    """A message is larger than the hub or the service takes. Nothing was sent; send less, or where to read it."""


class ConnectionNotFoundError(SignalRError):
    """No such connection: it ended, never was, or is held by another process of the hub."""


class AccessDeniedError(SignalRError):
    """The service does not accept the key or identity, or takes this machine's clock to be wrong."""


class LimitReachedError(SignalRError):
    """A limit of the hub would be passed, such as groups of one connection."""


class ThrottledError(SignalRError):
    """The service asks to be asked less often."""

    is_retryable = True

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds
        """How long the service asked to wait, if it said so."""


class UnavailableError(SignalRError):
    """The service failed, did not answer, or could not be reached; what was sent may have arrived all the same."""

    is_retryable = True


class InvocationError(SignalRError):
    """A client that was asked for a result answered with an error, or ended before it answered."""


class HubError(SignalRError):
    """Raise it in a method of a hub: its text is what the client is told. Of any other error clients hear nothing but that."""
