"""Items as JSON: one spelling for the command line, HTTP interfaces and messages to browsers."""

from __future__ import annotations

from typing import Any

from bifrost_store.core.clock import format_time
from bifrost_store.repository_protocols.execution_data import Item, Level, LogLine, State, Variables


def item_json(item: Item) -> dict[str, Any]:
    """Return an item as JSON: ``type``, ``recording``, ``number``, ``timestamp``, and what its type has; no null members."""
    values: dict[str, Any] = {"recording": item.recording, "number": item.number, "timestamp": format_time(item.timestamp)}
    match item:
        case LogLine():
            optional = {"data": item.data, "logger": item.logger, "traceback": item.traceback}
            given = {name: value for name, value in optional.items() if value is not None}
            return {"type": "log", **values, "level": item.level.value, "message": item.message, **given}
        case Variables():
            return {"type": "variables", **values, "count": item.count, "variables": item.values}
        case State():
            return {"type": "state", **values, "count": item.count, "state": item.value}


def item_json_for(item: Item, *, details: bool) -> dict[str, Any] | None:
    """Return what somebody sees of an item; None: nothing.

    Args:
        details: As an administrator; else lines of INFO and above, without tracebacks.
    """
    if details:
        return item_json(item)
    if not isinstance(item, LogLine) or item.level.rank < Level.INFO.rank:
        return None
    return {name: value for name, value in item_json(item).items() if name != "traceback"}
