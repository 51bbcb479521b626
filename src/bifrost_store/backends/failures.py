"""What failures become that no SDK's own errors tell of: the same words on every backend that is asked over a wire."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bifrost_store.core.operations import WRITES
from bifrost_store.errors import CorruptDocumentError, InvalidRequestError, StoreError, without_text


@contextmanager
def completed(operation: str, key: object, *, backend: str, service: str) -> Iterator[None]:
    """Let errors of the library name where they arose, and turn any other into one of them.

    Args:
        operation, key: What was asked, and of which record or rows.
        backend: Its name.
        service: What people call what it asks.

    Raises:
        InvalidRequestError: A write failed before anything was sent, by this library's doing or the SDK's.
        CorruptDocumentError: The same of a read, whose answer cannot be understood.
    """
    where = None if key is None else str(key)
    try:
        yield
    except StoreError as error:
        error.backend = error.backend or backend
        error.operation = error.operation or operation
        error.key = error.key or where
        raise
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises is an error of ours to callers
        of_what = "" if where is None else f"{where}: "
        name, plea = type(error).__name__, "This may be a defect, please report it"
        if operation in WRITES:
            message = f"{of_what}cannot be written to {service} ({name}); nothing was sent. {plea}"
            raise InvalidRequestError(message, backend=backend, operation=operation, key=where) from without_text(error)
        message = f"{of_what}what {service} holds cannot be read ({name}). {plea}"
        raise CorruptDocumentError(message, backend=backend, operation=operation, key=where) from without_text(error)
