"""From items to spooled entries, and from those to the documents of a flush."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bifrost_store.core.clock import format_time, parse_time
from bifrost_store.core.execution_data import DataDocument, DataType, Run, segment_id
from bifrost_store.core.json import dump_json, load_json
from bifrost_store.core.record import Body, Expiry
from bifrost_store.core.version import new_write_id
from bifrost_store.recording.masks import Masks
from bifrost_store.recording.run_recording import Accepted
from bifrost_store.recording.values import (
    MAX_LINE_DATA_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_VALUES_BYTES,
    clean_text,
    cut_json,
    cut_text,
)
from bifrost_store.repository_protocols.execution_data import NOTICE_LOGGER, Level

MOST_LINES: Final = 100
"""Of one document."""
MOST_DOCUMENTS: Final = 20
MOST_FLUSH_BYTES: Final = 1_500_000
END: Final = "end"
"""Type of the entry that closes a recording."""

Entry = Mapping[str, Any]
"""An item, masked and cut, as the spool holds it in JSON: ``type``, ``number``, ``timestamp``, and what the type has."""


def entry_of(item: Accepted, masks: Masks) -> bytes:
    """Return the entry of an item, as the spool keeps it."""
    entry: dict[str, Any] = {"type": item.type, "number": item.number, "timestamp": _time(item.seconds)}
    match item.type:
        case "log":
            entry |= {"level": item.level.value, "message": cut_text(masks.text(clean_text(item.message)), MAX_MESSAGE_BYTES)}
            if item.value is not None:
                entry["data"] = cut_json(masks.json(item.value), MAX_LINE_DATA_BYTES)
            if item.logger is not None:
                entry["logger"] = cut_text(clean_text(item.logger), MAX_MESSAGE_BYTES)
            if item.traceback is not None:
                entry["traceback"] = cut_text(masks.text(clean_text(item.traceback)), MAX_LINE_DATA_BYTES)
        case "variables":
            entry |= {"count": item.count, "values": cut_json(masks.json(item.value), MAX_VALUES_BYTES)}
        case "state":
            entry |= {"count": item.count, "value": cut_json(masks.json(item.value), MAX_VALUES_BYTES)}
    return dump_json(entry).encode("ascii")


def notice(number: int, seconds: float, dropped: int) -> bytes:
    """Return the line that says, in the place of the last item that was dropped, how many were."""
    line = {
        "type": "log",
        "number": number,
        "timestamp": _time(seconds),
        "level": Level.WARNING.value,
        "message": f"{dropped} items of the log were dropped here: they came faster than they could be kept",
        "data": {"dropped": dropped},
        "logger": NOTICE_LOGGER,
    }
    return dump_json(line).encode("ascii")


def end_of(number: int, seconds: float, counts: Counter[str], dropped: int) -> bytes:
    """Return the entry that closes a recording: how many lines of each level it had, and what was dropped."""
    ends = {"counts": {level.value: counts[level] for level in Level if counts[level]}, "dropped": dropped}
    return dump_json({"type": END, "number": number, "timestamp": _time(seconds), "ends": ends}).encode("ascii")


def load_entry(data: bytes) -> dict[str, Any]:
    """Return the entry that the spool held."""
    entry: dict[str, Any] = load_json(data)
    return entry


def _time(seconds: float) -> str:
    return format_time(datetime.fromtimestamp(seconds, UTC))


@dataclass(frozen=True, slots=True)
class Ordinal:
    """Under which ordinal a recording stores its items, and from which of its own numbers on."""

    recording: int
    base: int = 0


def flush_of(run: Run, ordinal: Ordinal, entries: Sequence[Entry], after: int, expires_at: Expiry) -> list[DataDocument]:
    """Return the documents that hold *entries*, which are all there is behind number *after*, and up to the last one's.

    A log is cut at `MOST_LINES`. All have one write id: they are stored together or not at all.
    """
    write_id = new_write_id()
    documents: list[DataDocument] = []
    for group in _groups(entries):
        last = group[-1]["number"] - ordinal.base
        first = after + 1
        after = last
        kind, body = _body(group, ordinal.base)
        documents.append(
            DataDocument(
                run,
                segment_id(run.scope, ordinal.recording, first),
                kind,
                body,
                parse_time(group[0]["timestamp"]),
                write_id,
                expires_at,
                ordinal.recording,
                first,
                last,
            )
        )
    return documents


def _groups(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Return runs of log lines, the end among them, and everything else by itself: its number is the last of its document."""
    groups: list[list[Entry]] = []
    for entry in entries:
        previous = groups[-1] if groups else None
        if previous is not None and {previous[-1]["type"], entry["type"]} <= {"log", END} and len(previous) < MOST_LINES:
            previous.append(entry)
        else:
            groups.append([entry])
    return groups


def _body(group: Sequence[Entry], base: int) -> tuple[DataType, Body]:
    first, last = group[0], group[-1]
    match first["type"]:
        case "variables":
            return "variables", {"number": first["count"], "variables": first["values"]}
        case "state":
            return "state", {"number": first["count"], "state": first["value"]}
    lines = [
        {name: value for name, value in entry.items() if name != "type"} | {"number": entry["number"] - base}
        for entry in group
        if entry["type"] == "log"
    ]
    return "log", {"lines": lines, **({"ends": last["ends"]} if last["type"] == END else {})}
