"""What a run leaves while it goes on, as a store keeps it: documents that are created once and never changed.

A *segment* is the document of one flush, or a part of it: log lines, one state of the variables, or one state of the run. A
*recording* is one writer's turn on a run, and numbers its items from 1. A *payload* is a result, or another large value, that
the run's record names.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from bifrost_store.core.doubles import compact_json, dump_parts
from bifrost_store.core.record import Body, Expiry
from bifrost_store.core.scope import Scope

DataType = Literal["log", "variables", "state", "payload"]

MAX_DATA_BYTES: Final = 1_990_000
"""Of one document's body, as `body_bytes` counts: Cosmos DB takes documents of 2 MB (service quotas), envelope included."""
MAX_FLUSH_DOCUMENTS: Final = 100
"""Documents of one flush: the operations that Cosmos DB takes in one batch (service quotas)."""
MAX_FLUSH_BYTES: Final = 1_990_000
"""Of the bodies of one flush: a request to Cosmos DB has at most 2 MB (service quotas)."""
MAX_RECORDINGS: Final = 10**6
MAX_ITEMS: Final = 10**10
"""Of one recording: what the digits of an id hold."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as its execution data knows it.

    Attributes:
        creation: Names the creation of the run's record, so that a run under a re-created id never shows what its predecessor
            left.
    """

    scope: Scope
    execution_id: str
    creation: str


@dataclass(frozen=True, slots=True)
class DataDocument:
    """One document of execution data.

    Attributes:
        run: Whose it is.
        id: Unique among documents of every run with this execution id, in every scope; see `segment_id` and `payload_id`.
        body: A JSON object: ``lines`` of a log, ``variables`` or ``state`` with their ``number``, the value of a payload; and
            ``ends`` in the last document of a recording.
        timestamp: When its first item was made.
        write_id: 32 hex digits, the same for all documents of a flush, and for every try to store them.
        expires_at: When it may be removed; `NEVER` or a moment. What is visible, the run's record decides.
        recording: Ordinal of the recording among those of the run, from 0; of a payload 0.
        first, last: Which items of the recording it covers, both included; of a payload 0.
    """

    run: Run
    id: str
    type: DataType
    body: Body
    timestamp: datetime
    write_id: str
    expires_at: Expiry
    recording: int = 0
    first: int = 0
    last: int = 0


@dataclass(frozen=True, slots=True)
class DataRange:
    """Ids from *ge* on, up to but without *lt*, by code point."""

    ge: str
    lt: str


def segment_id(scope: Scope, recording: int, first: int) -> str:
    """Return the id of the segment whose first item is *first*. It holds no type: two documents never claim one item.

    Ids of one recording are in the order of their items, and those of one scope stand together.
    """
    return f"{_digest(scope)}-{recording:06d}-{first:010d}"


def payload_id(write_id: str) -> str:
    """Return the id of a payload, unique to its write."""
    return f"payload-{write_id}"


def body_bytes(body: Body) -> int:
    """Return what *body* counts for limits: bytes of UTF-8 as it is stored where values need most room."""
    return len(compact_json(dump_parts(body)).encode())


def items_after(scope: Scope, recording: int, number: int) -> DataRange:
    """Return where the segments of a recording stand whose first item comes after *number*."""
    return DataRange(segment_id(scope, recording, number + 1), f"{_digest(scope)}-{recording:06d}.")


def recordings_from(scope: Scope, recording: int) -> DataRange:
    """Return where the segments of *recording* and all later ones stand."""
    return DataRange(f"{_digest(scope)}-{recording:06d}-", f"{_digest(scope)}.")


def _digest(scope: Scope) -> str:
    return hashlib.sha256(scope.value.encode()).hexdigest()[:16]
