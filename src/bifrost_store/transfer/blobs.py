"""Blobs as files in a folder: ``blobs/<container>/<name>``, listed in ``blobs.jsonl`` with their content types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from bifrost_store.errors import ConfigurationError

_PLAIN = " !$&'()+,-.=@_{}~"


class BlobFiles:
    """The blobs below one folder. Names are kept as they are where a file system allows, else percent-encoded."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._list = folder / "blobs.jsonl"

    def begin(self) -> None:
        """Start an empty list."""
        self._list.write_bytes(b"")

    def write(self, container: str, name: str, content_type: str, data: bytes) -> None:
        """Add one blob."""
        path = self._path(container, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        line = {"container": container, "name": name, "size": len(data), "content_type": content_type}
        with self._list.open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n")

    def read(self) -> Iterator[tuple[str, str, str, bytes]]:
        """Go through container, name, content type and bytes of each blob.

        Raises:
            ConfigurationError: A listed blob is missing or has another size.
        """
        if not self._list.exists():
            return
        with self._list.open(encoding="utf-8") as lines:
            for line in lines:
                blob = json.loads(line)
                path = self._path(blob["container"], blob["name"])
                data = path.read_bytes() if path.exists() else b""
                if len(data) != blob["size"]:
                    raise ConfigurationError(f"{path} is missing or not of the {blob['size']} bytes that blobs.jsonl lists")
                yield blob["container"], blob["name"], blob["content_type"], data

    def _path(self, container: str, name: str) -> Path:
        parts = [quote(part, safe=_PLAIN) if part not in ("", ".", "..") else f"%{part.encode().hex()}" for part in name.split("/")]
        return self._folder.joinpath("blobs", container, *parts)
