"""Files that people upload into forms."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Upload:
    """An uploaded file.

    Attributes:
        name: What `Uploads` knows it by: 32 random hex digits, ``_``, and the file name as far as a blob may be called so.
        file_name: As the person's own machine called it.
        content_type: As it was given.
        size: In bytes.
    """

    name: str
    file_name: str
    content_type: str
    size: int


@dataclass(frozen=True, slots=True)
class UploadContent:
    """An uploaded file and what is in it."""

    upload: Upload
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Link:
    """A URL that opens one file to anybody until *expires_at*. It is as good as the file itself: keep it out of logs."""

    url: str = field(repr=False)
    expires_at: datetime


class Uploads(Protocol):
    """Uploaded files. They belong to no scope: who knows a name may read it, and names cannot be guessed."""

    async def save(self, file_name: str, content: bytes, content_type: str) -> Upload:
        """Store a file under a name of its own; nothing is ever overwritten.

        Args:
            file_name: 1 to 300 characters of any kind. It decides nothing: neither a folder nor a type.
            content: At most 100 MiB.
            content_type: ``type/subtype``, maybe with one parameter.

        Raises:
            InvalidRequestError: An argument breaks its rule.
            DocumentTooLargeError: There is too much content.
        """
        ...

    async def read(self, name: str) -> UploadContent | None:
        """Return a file by its name, or None if there is none.

        Raises:
            InvalidKeyError: *name* is not one that `save` gives.
        """
        ...

    async def link(self, name: str, *, valid_for: timedelta) -> Link:
        """Return a link to the file, whether it exists or not. No request, but now and then one where an identity signs.

        Args:
            valid_for: From a second to six days; the end is cut to a whole second.

        Raises:
            InvalidKeyError: *name* is not one that `save` gives.
            InvalidRequestError: *valid_for* is too short or too long.
        """
        ...

    async def read_link(self, url: str) -> UploadContent | None:
        """Return the file that a link leads to, or None if it has been removed.

        Raises:
            InvalidLinkError: The link's time is over, it was altered, or it leads to anything but an upload.
        """
        ...
