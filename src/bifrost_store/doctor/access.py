"""Whether a store answers, and lets this process read and write."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar
from uuid import uuid4

import anyio

from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.registry import BACKENDS
from bifrost_store.blobs.protocol import UPLOADS, BlobStore
from bifrost_store.core.clock import Clock
from bifrost_store.core.meter import metering
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import SYSTEM
from bifrost_store.doctor.findings import Finding, State
from bifrost_store.documents import CONTROL
from bifrost_store.errors import (
    AccessDeniedError,
    BackendTimeoutError,
    ConfigurationError,
    NotProvisionedError,
    StoreError,
)

T = TypeVar("T")
PATIENCE_SECONDS: Final = 30.0
"""A store that says nothing for so long does not answer."""
_SKEW_WARNS: Final = 30.0
_SKEW_BREAKS: Final = 900.0
"""What is signed by a clock that is further off, the services refuse."""
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)
_PROBE: Final = "doctor-probe"
_PROBE_LASTS: Final = timedelta(hours=1)


async def in_time(work: Callable[[], Awaitable[T]], seconds: float = PATIENCE_SECONDS) -> T:
    """Return what *work* does.

    Raises:
        BackendTimeoutError: It took longer.
    """
    try:
        with anyio.fail_after(seconds):
            return await work()
    except TimeoutError:
        raise BackendTimeoutError(f"nothing was heard for {seconds:g} seconds") from None


async def check_reach(backend: Backend, clock: Clock) -> list[Finding]:
    """Return whether *backend* answers, and how far its clock is from this machine's, where it tells the time."""
    name = backend.name
    with metering() as meter:
        try:
            line = await in_time(backend.ping)
            finding = Finding("reach", name, State.OK, line)
        except StoreError as error:
            finding = Finding("reach", name, State.WRONG, str(error), remedy_of(error, name))
        now = clock()
    return [finding] if meter.answered_at is None else [finding, _clock_finding(name, (now - meter.answered_at).total_seconds())]


def _clock_finding(name: str, seconds: float) -> Finding:
    """Return how far this machine's clock is ahead; the service tells whole seconds, and an answer takes its time."""
    if abs(seconds) < _SKEW_WARNS:
        return Finding("clock", name, State.OK, "agrees with this machine's")
    told = f"this machine's clock is {abs(seconds):.0f} seconds {'ahead' if seconds > 0 else 'behind'}"
    why = "requests are refused" if abs(seconds) >= _SKEW_BREAKS else "what expires does so too early or too late"
    state = State.WRONG if abs(seconds) >= _SKEW_BREAKS else State.WARNING
    return Finding("clock", name, state, f"{told}: {why}", "let the machine take its time from a time server (NTP)")


async def check_access(backend: Backend, clock: Clock) -> Finding:
    """Return whether *backend* lets this process read and write: a record of the library's own is made, read and removed.

    One that cannot be removed expires in an hour; the next examination after that removes it.
    """
    key = Key(CONTROL.kind, SYSTEM, f"{_PROBE}-{uuid4().hex}")
    probe = Record(key, {"probe": True}, expires_at=clock() + _PROBE_LASTS)
    can_read = False
    try:
        await in_time(lambda: backend.get(key))
        can_read = True
        made = await in_time(lambda: backend.create(probe))
        await in_time(lambda: backend.replace(replace(made, expires_at=_LONG_AGO), made.etag))
        await in_time(lambda: backend.purge_expired(kind=CONTROL.kind))
    except StoreError as error:
        told = "can read, and cannot write" if can_read else "cannot read"
        return Finding("access", backend.name, State.WRONG, f"{told}: {error}", remedy_of(error, backend.name))
    return Finding("access", backend.name, State.OK, "can read and write")


async def check_blobs(blobs: BlobStore, name: str) -> Finding:
    """Return whether the payloads' place answers, and lets this process read and write: a blob is made, read and removed."""
    probe, place = f"{_PROBE}/{uuid4().hex}", f"{name}'s payloads"
    try:
        line = await in_time(blobs.ping)
        await in_time(lambda: blobs.put(UPLOADS, probe, b"probe"))
        found = await in_time(lambda: blobs.get(UPLOADS, probe))
        await in_time(lambda: blobs.delete(UPLOADS, probe))
    except StoreError as error:
        return Finding("payloads", place, State.WRONG, str(error), remedy_of(error, name, role="Storage Blob Data Contributor"))
    if found != b"probe":
        return Finding("payloads", place, State.WRONG, f"{line}: what was written is not read", "look for who removes blobs there")
    return Finding("payloads", place, State.OK, f"{line}; can read and write")


def remedy_of(error: StoreError, name: str, *, role: str | None = None) -> str:
    """Return what to do about *error* of the backend *name*."""
    match error:
        case NotProvisionedError():
            return f"bifrost-store init, with BIFROST_STORE_BACKEND={name}"
        case ConfigurationError():
            return "correct the settings"
        case AccessDeniedError():
            role = role or (BACKENDS[name].role if name in BACKENDS else None)
            return "let this process read and write there" + (f": the role {role}, or the right key" if role else "")
        case _ if error.is_retryable:
            return "see that it runs, that its address is right and that the network lets this machine reach it; then try again"
    return "see what the message names"
