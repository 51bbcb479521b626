"""The blob store as this library needs it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, Protocol, runtime_checkable

EXECUTION_DATA = "execution-data"
BRANDING = "branding"
UPLOADS = "uploads"
CONTAINERS = (EXECUTION_DATA, BRANDING, UPLOADS)
"""Containers of today's layout."""
LINK_REFUSED: Final = "the link has expired, was altered, or leads elsewhere; ask for a new one"
"""Said of every link that does not open: which of these it is helps only who forges one."""


class Holder(StrEnum):
    """Whose bytes lie under a name that several owners could use."""

    NOBODY = "nobody"
    """There is no such blob."""
    OWNER = "owner"
    """The one who asks."""
    UNKNOWN = "unknown"
    """The blob names no owner: another program wrote it."""
    ANOTHER = "another"
    """Someone else."""


@dataclass(frozen=True, slots=True)
class Blob:
    """A blob as it is stored. *owner* is None where whoever wrote it named none."""

    name: str
    data: bytes = field(repr=False)
    content_type: str
    owner: str | None = None


@dataclass(frozen=True, slots=True)
class BlobInfo:
    """What a listing tells of a blob: its name, its size in bytes, its content type, its owner if it names one.

    Attributes:
        changed_at: When it was stored, by the store's own clock, where that is known; no part of what makes two equal.
    """

    name: str
    size: int
    content_type: str
    owner: str | None = None
    changed_at: datetime | None = field(default=None, compare=False)


def holder_of(blob: Blob | BlobInfo | None, owner: str) -> Holder:
    """Return who holds *blob*, asked by *owner*."""
    if blob is None:
        return Holder.NOBODY
    if blob.owner is None:
        return Holder.UNKNOWN
    return Holder.OWNER if blob.owner == owner else Holder.ANOTHER


@runtime_checkable
class BlobStore(Protocol):
    """Named byte strings in containers. Safe for concurrent use within one event loop.

    Names are text as Azure Blob Storage allows it: 1 to 1,024 characters, ``/`` separating folders ("Naming and Referencing
    Containers, Blobs, and Metadata", Microsoft). A name that would leave its container is refused with InvalidKeyError.
    """

    async def put(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        owner: str | None = None,
    ) -> None:
        """Store *data* as *owner*'s, replacing what was there. Readers see the old or the new bytes, never a part."""
        ...

    async def get(self, container: str, name: str) -> bytes | None:
        """Return the bytes, or None if there is no such blob (or container)."""
        ...

    async def read(self, container: str, name: str) -> Blob | None:
        """Return the bytes with their content type, or None if there is no such blob (or container)."""
        ...

    async def describe(self, container: str, name: str) -> BlobInfo | None:
        """Return what a listing tells of one blob, or None if there is no such blob (or container)."""
        ...

    async def copy(self, container: str, source: str, target: str) -> None:
        """Store the bytes of *source* under *target* too, content type included.

        Raises:
            DocumentNotFoundError: There is no *source*.
        """
        ...

    async def delete(self, container: str, name: str) -> bool:
        """Remove the blob; return whether it was there."""
        ...

    async def copy_for(self, owner: str, container: str, source: str, target: str, *, over_unknown: bool = False) -> Holder:
        """Store the bytes of *source* under *target* as *owner*'s, unless they would replace what is not *owner*'s.

        Args:
            owner: ASCII text that names whose copy it is.
            container, source, target: As in `copy`.
            over_unknown: Replace a blob that names no owner too.

        Returns:
            Who held *target*: of `Holder.ANOTHER`, and of `Holder.UNKNOWN` without *over_unknown*, nothing was changed.

        Raises:
            DocumentNotFoundError: There is no *source*.
        """
        ...

    async def delete_for(self, owner: str, container: str, name: str, *, over_unknown: bool = False) -> Holder:
        """Remove the blob if it is *owner*'s; arguments and result are those of `copy_for`."""
        ...

    def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        """Go through the blobs whose names begin with *prefix*, in name order; nothing if there is no such container."""
        ...

    async def address(self, container: str, name: str) -> str:
        """Return the absolute URL of a blob, whether it exists or not; it opens nothing by itself. No request."""
        ...

    async def link(self, container: str, name: str, *, now: datetime, expires_at: datetime) -> str:
        """Return a URL with which anybody can read this one blob until *expires_at*, whether it exists or not.

        Args:
            container, name: The blob.
            now: The present moment.
            expires_at: A whole second at most six days from *now*: what signs it may itself last only seven days.

        Raises:
            ConfigurationError: These credentials cannot sign links.
        """
        ...

    async def read_link(self, container: str, url: str, *, now: datetime) -> Blob | None:
        """Return the blob that a link leads to, or None if it has been deleted.

        Raises:
            InvalidLinkError: The link is none that this store gave out for *container*, was altered, or has expired.
        """
        ...

    async def provision(self) -> None:
        """Make the containers of today's layout where missing."""
        ...

    async def ping(self) -> str:
        """Return one line about the store that answered.

        Raises:
            StoreError: It cannot be used; the message says why and what to do.
        """
        ...

    async def aclose(self) -> None:
        """Close what this store opened. Calling it twice is harmless."""
        ...
