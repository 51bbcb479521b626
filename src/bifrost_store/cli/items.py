"""One item of a run, as people read it and as programs do."""

from __future__ import annotations

import json
from typing import Final

from bifrost_store.cli.output import error_values, out, report
from bifrost_store.core.clock import format_time
from bifrost_store.core.terminals import harmless
from bifrost_store.errors import StoreError
from bifrost_store.repositories.execution_data.json_items import item_json
from bifrost_store.repository_protocols.execution_data import Item, Level, LogLine, State, Variables

_STYLES: Final = {Level.DEBUG: "dim", Level.WARNING: "yellow", Level.ERROR: "red", Level.CRITICAL: "bold red"}


def show_item(item: Item, *, as_json: bool) -> None:
    """Print an item; with *as_json* as one JSON object on a line of its own."""
    if as_json:
        report(item_json(item), as_json=True, lines=[])
        return
    time = format_time(item.timestamp)
    match item:
        case LogLine():
            data = "" if item.data is None else f"  {json.dumps(item.data, ensure_ascii=False)}"
            text = f"{time} {item.level.upper():8} {item.message}{data}"
            style = _STYLES.get(item.level)
            out.print(harmless(text), markup=False, style=style)
            if item.traceback is not None:
                out.print(harmless("\n".join(f"    {line}" for line in item.traceback.splitlines())), markup=False, style=style)
        case Variables():
            out.print(harmless(f"{time} variables {json.dumps(item.values, ensure_ascii=False)}"), markup=False, style="dim")
        case State():
            out.print(harmless(f"{time} state {json.dumps(item.value, ensure_ascii=False)}"), markup=False, style="dim")


def show_unreadable(error: StoreError, *, as_json: bool) -> None:
    """Print why a part of the run's items is missing."""
    if as_json:
        report({"type": "unreadable", "error": error_values(error)}, as_json=True, lines=[])
    else:
        out.print(f"unreadable: {error}", markup=False, style="red")
