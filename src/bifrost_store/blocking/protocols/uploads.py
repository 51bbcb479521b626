"""Files that people upload into forms. Without await; written by tools/blocking.py."""

from __future__ import annotations

from datetime import timedelta
from typing import Protocol

from bifrost_store.repository_protocols.uploads import Link, Upload, UploadContent


class BlockingUploads(Protocol):
    """Uploaded files. They belong to no scope: who knows a name may read it, and names cannot be guessed."""

    def save(self, file_name: str, content: bytes, content_type: str) -> Upload:
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

    def read(self, name: str) -> UploadContent | None:
        """Return a file by its name, or None if there is none.

        Raises:
            InvalidKeyError: *name* is not one that `save` gives.
        """
        ...

    def link(self, name: str, *, valid_for: timedelta) -> Link:
        """Return a link to the file, whether it exists or not. No request, but now and then one where an identity signs.

        Args:
            valid_for: From a second to six days; the end is cut to a whole second.

        Raises:
            InvalidKeyError: *name* is not one that `save` gives.
            InvalidRequestError: *valid_for* is too short or too long.
        """
        ...

    def read_link(self, url: str) -> UploadContent | None:
        """Return the file that a link leads to, or None if it has been removed.

        Raises:
            InvalidLinkError: The link's time is over, it was altered, or it leads to anything but an upload.
        """
        ...
