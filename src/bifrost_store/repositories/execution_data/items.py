"""From stored documents to items, and from items to what the platform's pages and the old application know."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, TypeVar

from bifrost_store.core.clock import format_time, parse_time
from bifrost_store.core.execution_data import DataDocument
from bifrost_store.core.json import UNREADABLE, canonical_json
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.repository_protocols.execution_data import Item, Level, LogLine, State, Variables

T = TypeVar("T")
_TRACEBACK: Final = "traceback"
"""The platform's name for a line that is part of a traceback."""


def items_of(document: DataDocument) -> list[Item]:
    """Return the items of a segment, in the order of their numbers.

    Raises:
        CorruptDocumentError: It cannot be read.
    """
    body, recording = document.body, document.recording
    try:
        match document.type:
            case "log":
                return [_line(recording, line) for line in body["lines"]]
            case "variables":
                values = _object(body["variables"])
                return [Variables(recording, document.last, document.timestamp, int(body["number"]), values)]
            case "state":
                return [State(recording, document.last, document.timestamp, int(body["number"]), body["state"])]
            case "payload":
                return []
    except UNREADABLE as error:
        raise CorruptDocumentError(
            f"execution data {document.run.scope} {document.run.execution_id!r} {document.id}: its body cannot be read "
            f"({type(error).__name__}). Delete the document",
            key=document.id,
        ) from error


def dropped_of(document: DataDocument) -> int:
    """Return how many items the end of a recording says were dropped; 0 where it does not say so."""
    ends = document.body.get("ends")
    dropped = ends.get("dropped") if isinstance(ends, dict) else None
    return dropped if isinstance(dropped, int) and not isinstance(dropped, bool) else 0


def item_of(recording: int, entry: Mapping[str, Any]) -> Item | None:
    """Return the item that a recording has kept as *entry*; None for what closes it."""
    number, timestamp = int(entry["number"]), parse_time(entry["timestamp"])
    match entry["type"]:
        case "log":
            return _line(recording, entry)
        case "variables":
            return Variables(recording, number, timestamp, entry["count"], entry["values"])
        case "state":
            return State(recording, number, timestamp, entry["count"], entry["value"])
        case _:
            return None


def _line(recording: int, line: Mapping[str, Any]) -> LogLine:
    return LogLine(
        recording,
        int(line["number"]),
        parse_time(line["timestamp"]),
        Level(line["level"]),
        str(line["message"]),
        line.get("data"),
        line.get("logger"),
        line.get("traceback"),
    )


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError("no object")
    return value


def shown_order(item: Item) -> tuple[datetime, int, int]:
    """Return the sort key of the order in which items are shown."""
    return item.timestamp, item.recording, item.number


@dataclass(slots=True)
class LeftByRun:
    """What a run left, as ``save_logs``, ``save_variables`` and ``save_snapshot`` would store it; None: nothing of the kind."""

    logs: list[dict[str, Any]] | None = None
    variables: dict[str, Any] | None = None
    snapshot: list[Any] | None = None


def left_by(items: Iterable[Item]) -> LeftByRun:
    """Return what *items*, in the order shown, amount to."""
    left = LeftByRun()
    for item in items:
        match item:
            case LogLine():
                left.logs = left.logs or []
                left.logs += _entries(item)
            case Variables():
                left.variables = item.values
            case State():
                left.snapshot = left.snapshot or []
                left.snapshot.append(item.value)
    return left


def _entries(line: LogLine) -> list[dict[str, Any]]:
    """Return a line as the platform's blobs have it; a traceback is a line of its own there."""
    naive = format_time(line.timestamp).removesuffix("Z")
    entry: dict[str, Any] = {"timestamp": naive, "level": line.level.value, "message": line.message}
    if line.logger is not None:
        entry["source"] = line.logger
    if line.data is not None:
        entry["data"] = line.data
    if line.traceback is None:
        return [entry]
    return [entry, {"timestamp": naive, "level": _TRACEBACK, "message": line.traceback, "source": line.logger}]


def joined(earlier: LeftByRun, left: LeftByRun) -> LeftByRun:
    """Return *left* with what *earlier* has beside it: other recordings of the run have left that, in other processes."""
    logs = snapshot = None
    if earlier.logs is not None or left.logs is not None:
        entries = _beside(earlier.logs or [], left.logs or []) + (left.logs or [])
        logs = sorted(entries, key=lambda entry: str(entry.get("timestamp", "")))
    if earlier.snapshot is not None or left.snapshot is not None:
        snapshot = _beside(earlier.snapshot or [], left.snapshot or []) + (left.snapshot or [])
    return LeftByRun(logs, earlier.variables if left.variables is None else left.variables, snapshot)


def _beside(earlier: Sequence[T], later: Sequence[T]) -> list[T]:
    """Return what of *earlier* is not in *later* too, as often as it is there."""
    counts = Counter(canonical_json({"": one}) for one in later)
    beside: list[T] = []
    for one in earlier:
        text = canonical_json({"": one})
        if counts[text] > 0:
            counts[text] -= 1
        else:
            beside.append(one)
    return beside


def items_left(left: LeftByRun, ended_at: datetime) -> list[Item]:
    """Return what was saved with a run as items of one recording, numbered in the order shown."""
    items: list[Item] = []
    for entry in left.logs or ():
        _add_entry(items, entry, ended_at)
    if left.variables is not None:
        items.append(Variables(0, len(items) + 1, ended_at, 1, left.variables))
    for count, value in enumerate(left.snapshot or (), 1):
        items.append(State(0, len(items) + 1, ended_at, count, value))
    return items


def _add_entry(items: list[Item], entry: Mapping[str, Any], ended_at: datetime) -> None:
    """Add one line of a blob, which may be of the old application, or anything that somebody saved."""
    level, message = str(entry.get("level", "info")).lower(), entry.get("message")
    text = message if isinstance(message, str) else str(message or "")
    previous = items[-1] if items else None
    if level == _TRACEBACK and isinstance(previous, LogLine):
        whole = text if previous.traceback is None else f"{previous.traceback}\n{text}"
        items[-1] = replace(previous, traceback=whole)
        return
    source = entry.get("source")
    items.append(
        LogLine(
            0,
            len(items) + 1,
            _time(entry.get("timestamp"), previous.timestamp if previous else ended_at),
            Level(level) if level in set(Level) else Level.ERROR if level == _TRACEBACK else Level.INFO,
            text,
            entry.get("data"),
            source if isinstance(source, str) else None,
        )
    )


def _time(text: object, otherwise: datetime) -> datetime:
    try:
        return parse_time(text) if isinstance(text, str) else otherwise
    except ValueError:
        return otherwise


def merged(*lists: Sequence[Item]) -> list[Item]:
    """Return the items of several recordings in the order shown."""
    return sorted((item for one in lists for item in one), key=shown_order)
