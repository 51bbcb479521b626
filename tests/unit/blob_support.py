"""What tests of blob stores share."""

from __future__ import annotations

import uuid

from bifrost_store.blobs.protocol import BlobStore


async def names_of(store: BlobStore, container: str, prefix: str = "") -> list[str]:
    """Return the names of the blobs that begin with *prefix*, in the order of the store."""
    return [blob.name async for blob in store.list(container, prefix)]


def new_container() -> str:
    """Return the name of a container that nobody made yet."""
    return f"test-{uuid.uuid4().hex}"
