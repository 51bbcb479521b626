"""Links into a blob folder, signed with a key that lies in it."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote

from bifrost_store.blobs.protocol import LINK_REFUSED
from bifrost_store.core.clock import as_utc, parse_time
from bifrost_store.core.files import make_private_folder, open_private
from bifrost_store.errors import InvalidLinkError

KEY_FILE: Final = "+link-key"
"""Beside the containers: no container's name has a plus."""
_KEY_BYTES: Final = 32


def address(container: str, name: str) -> str:
    """Return the URL that names a blob of any folder, wherever it lies."""
    return f"folder:///{container}/{quote(name, safe='/')}"


class LinkSigner:
    """Makes and checks the links of one folder. What it makes, every process that has the folder accepts.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def link(self, container: str, name: str, expires_at: datetime) -> str:
        """Return a link to a blob that is good until *expires_at*."""
        text = f"{as_utc(expires_at):%Y-%m-%dT%H:%M:%SZ}"
        signed = f"{container}\n{name}\n{text}".encode()
        signature = hmac.new(self._key(), signed, hashlib.sha256).hexdigest()
        return f"{address(container, name)}?se={text}&sig={signature}"

    def check(self, container: str, url: str, now: datetime) -> str:
        """Return the name of the blob that *url* leads to.

        Raises:
            InvalidLinkError: This folder never gave it out, or its time is over.
        """
        path, _, query = url.partition("?")
        name = unquote(path.removeprefix(address(container, "")), errors="surrogateescape")
        try:
            expires_at = parse_time(query.partition("&")[0].removeprefix("se="))
            expected = self.link(container, name, expires_at)
        except (ValueError, OverflowError):
            raise InvalidLinkError(LINK_REFUSED) from None
        if not hmac.compare_digest(expected.encode(), url.encode()) or as_utc(now) >= expires_at:
            raise InvalidLinkError(LINK_REFUSED)
        return name

    def _key(self) -> bytes:
        """Return the folder's key, made if there is none; of two processes that make one, both use the first."""
        path = self._root / KEY_FILE
        with contextlib.suppress(FileNotFoundError):
            return path.read_bytes()
        make_private_folder(self._root)
        temporary = path.with_name(f"+{secrets.token_hex(16)}")
        try:
            with open_private(temporary, "xb") as file:
                file.write(secrets.token_bytes(_KEY_BYTES))
                file.flush()
                os.fsync(file.fileno())
            with contextlib.suppress(FileExistsError):
                os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        return path.read_bytes()
