"""Versions of a record, and the etag that callers pass back as a precondition."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from typing_extensions import override

from bifrost_store.errors import InvalidRequestError, StaleRouteError

MAX_REVISION: Final = 9_999_999_999
"""The highest revision, and epoch, that a record may come with: an etag has room for as many digits, every backend for more."""
_ETAG = re.compile(
    r"(?P<revision>[1-9][0-9]{0,9})\.(?P<write_id>[0-9a-f]{32})(?:;(?P<backend>[a-z0-9_]+)=(?P<native>[A-Za-z0-9_-]+))?"
)


def new_write_id() -> str:
    """Return an id for one write: 32 hex digits, never used before."""
    return uuid.uuid4().hex


def new_writer() -> str:
    """Return a name for one who writes, never used before: 16 hex digits."""
    return secrets.token_hex(8)


def writer_of(version: Version) -> str:
    """Return the `Attempt.writer` that made *version*; of a row that the old application wrote, a text that names nobody."""
    return version.write_id[:16]


@dataclass(slots=True, eq=False)
class Version:
    """One state of a record, the same on every backend. Immutable.

    Attributes:
        revision: Number of writes so far, from 1; a delete counts.
        write_id: 32 hex digits naming the write; on a row that the old application wrote last, the digest of its content.
        epoch: Of the route it was written under; 0 before any migration.
    """

    revision: Final[int]
    write_id: Final[str]
    epoch: Final[int] = 0

    @override
    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Version):
            return NotImplemented
        return (self.revision, self.write_id, self.epoch) == (other.revision, other.write_id, other.epoch)

    @override
    def __hash__(self) -> int:
        return hash((self.revision, self.write_id, self.epoch))

    @staticmethod
    def late(tell: Callable[[], Version]) -> Version:
        """Return the version that *tell* returns, which is asked once, when something of it is looked at."""
        version = _LateVersion.__new__(_LateVersion)
        version._tell = tell  # noqa: SLF001 - its own class
        return version

    @property
    def age(self) -> tuple[int, int]:
        """Newer means a higher (epoch, revision)."""
        return (self.epoch, self.revision)

    def is_same_state(self, other: Version) -> bool:
        """Return whether both name the same write. The epoch is no part of a precondition."""
        return (self.revision, self.write_id) == (other.revision, other.write_id)

    def next(self, epoch: int = 0, *, write_id: str | None = None) -> Version:
        """Return the version of a write that follows; `Attempt.follow` does it for writes that are sent.

        Args:
            epoch: Of the route that the write is made under; 0 where there is none: then the epoch stays as it is.
            write_id: Of the write; by default a new one.

        Raises:
            StaleRouteError: This state was written under a later route.
        """
        if 0 < epoch < self.epoch:
            raise stale_route(self.epoch, epoch)
        return Version(self.revision + 1, write_id or new_write_id(), epoch or self.epoch)


def stale_route(found: int, epoch: int) -> StaleRouteError:
    """Return what a write under *epoch* raises that finds its base at the higher epoch *found*."""
    return StaleRouteError(f"the record was written under epoch {found}, this process's route is of epoch {epoch}; try again")


class _LateVersion(Version):
    """A version of what was read, where only a digest of the content tells which: most readers never ask."""

    __slots__ = ("_tell",)

    _tell: Callable[[], Version]

    def __getattr__(self, name: str) -> Any:
        # Python asks here for what has no value yet.
        if name not in _PARTS:
            raise AttributeError(name)
        told = self._tell()
        for part in _PARTS:
            object.__setattr__(self, part, getattr(told, part))
        return getattr(told, name)

    @override
    def __reduce__(self) -> tuple[type[Version], tuple[int, str, int]]:
        return Version, (self.revision, self.write_id, self.epoch)


_PARTS: Final = ("revision", "write_id", "epoch")
NO_VERSION = Version(0, "0" * 32)
"""Stands before the first write."""


@dataclass(frozen=True, slots=True)
class Etag:
    """A precondition: the version that the caller saw, and as a hint what its backend calls that state.

    As text it is what clients send back, so that all of it may be forged: it is compared, and nothing of it is stored. Only
    the hint of an etag that came from a record as it was read, unchanged and in this process, may spare a write its own read.

    Attributes:
        version: What is compared. Its epoch is always 0 here.
        backend: Name of the backend that gave the hint, or None.
        native: That backend's own etag, or None.
        read: The three above as they were read from the store; None where they were not. Set by `of_record` alone.
    """

    version: Version
    backend: str | None = None
    native: str | None = None
    read: tuple[Version, str | None, str | None] | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of_record(cls, version: Version, backend: str | None, native: str | None) -> Etag:
        """Return the etag of a record that was read from *backend*."""
        return cls(version, backend, native, (version, backend, native))

    def encode(self) -> str:
        """Return the opaque text that models carry."""
        text = f"{self.version.revision}.{self.version.write_id}"
        if self.backend is None or self.native is None:
            return text
        return f"{text};{self.backend}={base64.urlsafe_b64encode(self.native.encode()).decode().rstrip('=')}"

    @classmethod
    def parse(cls, text: str) -> Etag:
        """Return the etag that *text* encodes.

        Raises:
            InvalidRequestError: *text* is not an etag of this library.
        """
        match = _ETAG.fullmatch(text)
        if match is None:
            raise InvalidRequestError("etag: not one that this library gave out")
        version = Version(int(match["revision"]), match["write_id"])
        if match["native"] is None:
            return cls(version)
        try:
            native = base64.urlsafe_b64decode(match["native"] + "=" * (-len(match["native"]) % 4)).decode()
        except (binascii.Error, UnicodeDecodeError):
            raise InvalidRequestError("etag: not one that this library gave out") from None
        return cls(version, match["backend"], native)

    def native_for(self, backend: str) -> str | None:
        """Return the hint if *backend* gave it to this process, for this very state."""
        is_read = self.read == (self.version, self.backend, self.native)
        return self.native if is_read and self.backend == backend else None
