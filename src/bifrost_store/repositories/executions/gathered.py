"""Payloads that nobody saved: gathered from what a run has left, for those who look for them with its record."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from bifrost_store.core.record import Record
from bifrost_store.core.version import new_write_id
from bifrost_store.documents.execution import PayloadName
from bifrost_store.repositories.execution_data.items import LeftByRun
from bifrost_store.repositories.executions.payloads import (
    GATHERED,
    Placement,
    blob_name,
    blobs_of_record,
    place_json,
    write_id_of,
)


def place_left(record: Record, left: LeftByRun) -> list[Placement]:
    """Put what a run has left in blobs, as if it had been saved, over what was gathered of it before: see `fitting`.

    What somebody saved stays as it is.
    """
    blobs = blobs_of_record(record)
    values: dict[PayloadName, list[Any] | dict[str, Any] | None] = {
        "logs": left.logs,
        "variables": left.variables,
        "snapshot": left.snapshot,
    }
    return [
        replace(
            place_json(record.key.id, payload, value, write_id=GATHERED + new_write_id()[len(GATHERED) :]),
            over=blobs.get(payload),
        )
        for payload, value in values.items()
        if value is not None and (blobs.get(payload) is None or is_gathered(record, payload))
    ]


def is_gathered(record: Record, payload: PayloadName) -> bool:
    """Return whether nobody saved what the record names for *payload*: it was gathered from what the run has left."""
    name = blob_name(record, payload)
    return name is not None and write_id_of(name).startswith(GATHERED)


def fitting(record: Record, placements: Iterable[Placement]) -> list[Placement]:
    """Return those of `place_left` that stand over what the record names now: others have been overtaken."""
    blobs = blobs_of_record(record)
    return [one for one in placements if blobs.get(one.payload) == one.over]
