"""Everything this library raises, in one small hierarchy.

    StoreError
    ├── ConfigurationError            fix the settings, then start again
    │   └── MissingDependencyError    install the named extra
    ├── InvalidRequestError           fix the call; nothing was written
    │   ├── InvalidKeyError
    │   ├── InvalidContinuationTokenError
    │   ├── InvalidLinkError
    │   ├── EventLoopError
    │   └── DocumentTooLargeError
    ├── DocumentNotFoundError         there is no such document (or it has expired)
    ├── SecretNotFoundError           what a reference names is not there; store the secret, or correct the reference
    ├── DocumentExistsError           a document with this identity is already there
    ├── PreconditionFailedError       someone else won: read again, decide again
    ├── CorruptDocumentError          what is stored cannot be read
    ├── OutcomeUnknownError           the write may or may not have happened
    ├── StaleRouteError               the other store answers by now; routing begins again, and nothing was sent
    ├── MigrationRefusedError         a phase of a migration cannot be done now; ``next_steps`` say what can
    └── BackendError                  the database did not do it
        ├── ThrottledError            try again after ``retry_after_seconds``
        ├── BackendTimeoutError       try again
        ├── BackendUnavailableError   try again
        ├── AccessDeniedError         fix credentials or permissions
        └── NotProvisionedError       run ``bifrost-store init``

Every error says whether trying the same call again can help (``is_retryable``). The database's own error is chained as
``__cause__``. No message, attribute or repr holds a credential or the content of a document.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar


class StoreError(Exception):
    """Base of every error of this library.

    Attributes:
        backend: Name of the backend that answered, if one did.
        operation: Method of the waist that failed (``get``, ``create``, ...), if known.
        key: ``kind scope id`` of the document concerned, if one is.
        is_retryable: Whether the same call may succeed later, unchanged.
        retry_after_seconds: How long the database asked to wait, if it did.
    """

    is_retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        backend: str | None = None,
        operation: str | None = None,
        key: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.backend = backend
        self.operation = operation
        self.key = key
        self.retry_after_seconds = retry_after_seconds


class ConfigurationError(StoreError):
    """A setting is missing, malformed or names something unknown. Correct it and open the store again."""


class MissingDependencyError(ConfigurationError):
    """An optional dependency is not installed. The message names the extra to install."""


class InvalidRequestError(StoreError):
    """The call cannot be carried out as given; nothing was written. The message names the field and the rule."""


class InvalidKeyError(InvalidRequestError):
    """A scope, an id or another identifier breaks its rule."""


class InvalidContinuationTokenError(InvalidRequestError):
    """A continuation token was altered, or belongs to another query. Start again from the first page."""


class InvalidLinkError(InvalidRequestError):
    """A link to an upload has expired, was altered, or leads elsewhere. Ask for a new one."""


class EventLoopError(InvalidRequestError):
    """A store was used on another event loop than the one that it was first used on; nothing was sent.

    Of a blocking store: it is closed, was opened before a fork, or would keep the caller's event loop waiting.
    """


class DocumentTooLargeError(InvalidRequestError):
    """A value is longer than every backend can keep. The message names the field, its size and the limit."""


class DocumentNotFoundError(StoreError):
    """The document to change does not exist, was deleted, or has expired."""


class SecretNotFoundError(StoreError):
    """The secret that a reference names does not exist, or is disabled. Store it, or correct the reference."""


class DocumentExistsError(StoreError):
    """A document with this identity exists already. Read it, or choose another id."""


class PreconditionFailedError(StoreError):
    """Someone else changed the document since it was read, or its state forbids the change. Read it again and decide again."""


class CorruptDocumentError(StoreError):
    """What is stored cannot be read. The message names the row and field, and what would fix it.

    Attributes:
        document: Kind, scope and id of what cannot be read, where its key tells them.
        etag: Names exactly the state that cannot be read, so that it can be deleted or written over; None where nothing does.
        partial: The record with those fields that can be read, for who needs no more than them. No part of any text.
    """

    def __init__(
        self,
        message: str,
        *,
        backend: str | None = None,
        operation: str | None = None,
        key: str | None = None,
        document: tuple[str, str, str] | None = None,
        etag: str | None = None,
        partial: object = None,
    ) -> None:
        super().__init__(message, backend=backend, operation=operation, key=key)
        self.document = document
        self.etag = etag
        self.partial = partial


class OutcomeUnknownError(StoreError):
    """The answer to a write was lost and what happened cannot be told. Read the document before trying again."""


class StaleRouteError(StoreError):
    """The write was not sent: what it builds on was written under a later route, or the lease has ended. Begin again.

    Routing does so by itself, with the route as the control documents have it.
    """

    is_retryable = True


@dataclass(frozen=True, slots=True)
class NextStep:
    """What an operator may do next about a migration, as data: a command line spells it in its way, and a console in another.

    Attributes:
        text: Without a *step*, what to do, as a sentence without its full stop; with one, when or what for, if that is not plain.
        step: A step of the migration; ``status``, ``init`` or ``repair``; None: something that no command does.
        options: The arguments of the step, by name; without a *step*, those that the step just given needs besides.
    """

    text: str = ""
    step: str | None = None
    options: Mapping[str, object] = field(default_factory=dict)


class MigrationRefusedError(StoreError):
    """A phase of a migration was not begun, or was stopped, and nothing was lost: the state is saved.

    Attributes:
        reasons: One sentence for each thing that stands in the way.
        next_steps: What to do about it, the first choice first; nothing where only the reasons tell.
    """

    def __init__(
        self,
        message: str,
        *,
        reasons: Sequence[str] = (),
        next_steps: Sequence[NextStep] = (),
        backend: str | None = None,
        key: str | None = None,
    ) -> None:
        super().__init__("; ".join([message, *reasons]), backend=backend, key=key)
        self.reasons = tuple(reasons) or (message,)
        self.next_steps = tuple(next_steps)


class BackendError(StoreError):
    """The database failed or refused for a reason that is not in the call itself."""


class ThrottledError(BackendError):
    """The database asks to slow down. Nothing was written; try again after ``retry_after_seconds``."""

    is_retryable = True


class BackendTimeoutError(BackendError):
    """The database did not answer in time. A write was found not to have happened; try again."""

    is_retryable = True


class BackendUnavailableError(BackendError):
    """The database cannot be reached or is out of service. A write was found not to have happened; try again."""

    is_retryable = True


class AccessDeniedError(BackendError):
    """The database refuses these credentials, or they lack a permission. Correct them; trying again does not help."""


class NotProvisionedError(BackendError):
    """A table, container or schema is missing. Run ``bifrost-store init`` (or ``Store.provision``) once."""


def without_text(error: BaseException) -> BaseException:
    """Return what may be chained in place of *error*: its class and traceback, without a text that may quote content."""
    return RuntimeError(f"{type(error).__name__}; its text is left out, as it may quote content").with_traceback(
        error.__traceback__
    )
