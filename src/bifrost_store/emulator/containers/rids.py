"""Resource ids: base64 with ``-`` for ``/``; of a database 4 bytes, of a container 8, of an item 16, each after its parent's."""

from __future__ import annotations

import base64
import os
import struct


def encode(data: bytes) -> str:
    """Return bytes as the text of a resource id."""
    return base64.b64encode(data, b"+-").decode()


def decode(rid: str) -> bytes | None:
    """Return the bytes of a resource id, or None if it is none."""
    try:
        return base64.b64decode(rid.encode("ascii"), b"+-", validate=True)
    except ValueError:
        return None


def new_database_rid() -> str:
    """Return the id of a new database, random so that a client of an earlier server does not take it for one it knows."""
    return encode(os.urandom(4))


def new_container_rid(database_rid: str) -> str:
    """Return the id of a new container."""
    tail = bytearray(os.urandom(4))
    tail[0] |= 0x80
    return encode((decode(database_rid) or b"") + bytes(tail))


def new_child_rid(parent_rid: str, number: int, mark: int) -> str:
    """Return the id of what belongs to a database or container and is no item; *mark* tells its kind."""
    return encode((decode(parent_rid) or b"") + number.to_bytes(7, "little") + bytes([mark]))


def item_rid(container_rid: bytes, number: int) -> str:
    """Return the id of the item with a number in its container."""
    return base64.b64encode(container_rid + struct.pack("<Q", number), b"+-").decode()


def item_number(container_rid: bytes, rid: str) -> int | None:
    """Return the number of the item with a resource id, or None if it is no item of the container."""
    data = decode(rid)
    if data is None or len(data) != 16 or data[:8] != container_rid:
        return None
    number: int = struct.unpack("<Q", data[8:])[0]
    return number
