"""Comparison type for type: 1 is not 1.0, 0.0 is not -0.0, True is not 1."""

from __future__ import annotations

import json
from typing import Any

from bifrost_store.core.record import Record, dump_expiry


def exact_json(value: object) -> str:
    """Return a text that is equal exactly when two JSON values are, whatever the order of names."""
    return json.dumps(value, allow_nan=False, sort_keys=True, ensure_ascii=True)


def exactly(record: Record | None, *, with_write_id: bool = True) -> dict[str, Any] | None:
    """Return all that a backend must give back of *record*, comparable with ``==``.

    Args:
        with_write_id: False where two backends were written to independently: the revision is then all that is equal.
    """
    if record is None:
        return None
    version = record.version
    return {
        "key": str(record.key),
        "body": exact_json(record.body),
        "extra": exact_json(record.extra),
        "sortKey": record.sort_key,
        "revision": version.revision,
        "epoch": version.epoch,
        "writeId": version.write_id if with_write_id else "any",
        "expiresAt": dump_expiry(record.expires_at),
        "isTombstone": record.is_tombstone,
        "digest": record.digest,
    }
