"""Blobs as files in a folder: ``blobs/<container>/<name>``, listed in ``blobs.jsonl`` with their content types."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bifrost_store.blobs.names import check_names
from bifrost_store.core.files import make_private_folder, open_private
from bifrost_store.core.json import load_json
from bifrost_store.errors import CorruptDocumentError, InvalidKeyError

_PLAIN = " !$&'()+,-.=@_{}~"
_LONG = "%long"
"""A folder that no escaped name begins with."""
_MAX_PART_BYTES = 200
"""File systems allow 255."""
_MAX_PATH_BYTES = 600
"""macOS allows 1,024; the rest is room for the folder."""


@dataclass(frozen=True, slots=True)
class BlobLine:
    """What ``blobs.jsonl`` says of a blob; *owner* only where the blob names one."""

    container: str
    name: str
    size: int
    content_type: str
    owner: str | None = None


class BlobFiles:
    """The blobs below one folder.

    Names are kept as they are where a file system allows, else percent-encoded. A blob whose path is too long, or taken by a
    folder or file of others, is ``%long/<SHA-256 of its name>``.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._list = folder / "blobs.jsonl"

    def begin(self, size: int = 0) -> set[tuple[str, str]]:
        """Go on after *size* bytes of the list; return container and name of the blobs that those bytes list.

        Raises:
            CorruptDocumentError: The list is shorter, or cannot be read.
        """
        if self.size < size:
            raise CorruptDocumentError(f"{self._list} is shorter than it was; start again with --restart")
        with open_private(self._list, "r+b" if size else "wb") as lines:
            lines.truncate(size)
        return {(blob.container, blob.name) for _, blob in self.lines() if isinstance(blob, BlobLine)}

    @property
    def size(self) -> int:
        """Bytes of the list; 0 if there is none."""
        return self._list.stat().st_size if self._list.exists() else 0

    def write(self, container: str, name: str, content_type: str, data: bytes, owner: str | None = None) -> None:
        """Add one blob: its file, then its line."""
        plain = self._plain_path(container, name)
        try:
            _write(plain, data)
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            _write(self._long_path(container, name), data)
        line = {"container": container, "name": name, "size": len(data), "content_type": content_type}
        if owner is not None:
            line["owner"] = owner
        with open_private(self._list, "ab") as lines:
            lines.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")

    def lines(self) -> Iterator[tuple[int, BlobLine | CorruptDocumentError]]:
        """Go through the list, by line number from 1; nothing if there is none."""
        if not self._list.exists():
            return
        with self._list.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    yield number, _parse(line)
                except (ValueError, KeyError, TypeError, InvalidKeyError):
                    yield number, CorruptDocumentError(f"{self._list}, line {number}: names no blob; dump again")

    def data(self, blob: BlobLine) -> bytes:
        """Return the bytes of a listed blob.

        Raises:
            CorruptDocumentError: Its file is missing or of another size.
        """
        plain = self._plain_path(blob.container, blob.name)
        path = plain if plain.is_file() else self._long_path(blob.container, blob.name)
        data = path.read_bytes() if path.is_file() else b""
        if len(data) != blob.size or not path.is_file():
            raise CorruptDocumentError(f"{plain} is missing or not of the {blob.size} bytes that blobs.jsonl lists; dump again")
        return data

    def _plain_path(self, container: str, name: str) -> Path:
        parts = [quote(part, safe=_PLAIN) if part not in ("", ".", "..") else f"%{part.encode().hex()}" for part in name.split("/")]
        if max(map(len, parts)) > _MAX_PART_BYTES or sum(map(len, parts)) + len(parts) > _MAX_PATH_BYTES:
            return self._long_path(container, name)
        return self._folder.joinpath("blobs", container, *parts)

    def _long_path(self, container: str, name: str) -> Path:
        return self._folder / "blobs" / container / _LONG / hashlib.sha256(name.encode()).hexdigest()


def _write(path: Path, data: bytes) -> None:
    make_private_folder(path.parent)
    with open_private(path, "wb") as file:
        file.write(data)


def _parse(line: bytes) -> BlobLine:
    values = load_json(line)
    blob = BlobLine(values["container"], values["name"], values["size"], values["content_type"], values.get("owner"))
    types = [type(blob.container), type(blob.name), type(blob.size), type(blob.content_type)]
    if types != [str, str, int, str] or not isinstance(blob.owner, str | None):
        raise TypeError
    check_names(blob.container, blob.name)
    return blob
