"""What a blob folder keeps beside a blob's file: what the file itself cannot tell."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bifrost_store.core.json import load_json

DEFAULT_CONTENT_TYPE: Final = "application/octet-stream"
_DETAILS: Final = "+details"


@dataclass(frozen=True, slots=True)
class Details:
    """Content type, owner, and the name where the path does not hold it."""

    content_type: str = DEFAULT_CONTENT_TYPE
    owner: str | None = None
    name: str | None = None

    def encode(self, data: bytes) -> bytes | None:
        """Return the bytes to keep beside *data*; None if there is nothing to tell."""
        values = {"contentType": self.content_type} if self.content_type != DEFAULT_CONTENT_TYPE else {}
        if self.name is not None:
            values["name"] = self.name
        if self.owner is not None:
            # Two files are not changed at once: an owner counts only for the bytes that it was written for.
            values |= {"owner": self.owner, "sha256": hashlib.sha256(data).hexdigest()}
        return json.dumps(values).encode() if values else None


def details_path(path: Path) -> Path:
    """Return the file beside *path*."""
    return path.with_name(path.name + _DETAILS)


def read_details(path: Path, data: bytes | None = None) -> Details:
    """Return what is kept beside *path*, whose bytes are *data*; they are read where they matter and are not given."""
    try:
        values = load_json(details_path(path).read_bytes())
    except (FileNotFoundError, ValueError):
        return Details()
    if not isinstance(values, dict):
        return Details()
    owner = values.get("owner")
    if owner is not None:
        found = data if data is not None else _read(path)
        owner = owner if values.get("sha256") == hashlib.sha256(found).hexdigest() else None
    return Details(values.get("contentType", DEFAULT_CONTENT_TYPE), owner, values.get("name"))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
