"""One item of a run, as people read it and as programs do."""

from __future__ import annotations

import json
import re
from typing import Final

from bifrost_store.cli.output import out, report
from bifrost_store.core.clock import format_time
from bifrost_store.repositories.execution_data.json_items import item_json
from bifrost_store.repository_protocols.execution_data import Item, Level, LogLine, State, Variables

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]")
"""Of terminals ("ECMA-48: Control Functions for Coded Character Sets"): a line of a log must not move anybody's cursor."""
_HIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Other control characters, and those that turn the direction of what follows."""
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
            out.print(_plain(text), markup=False, style=style)
            if item.traceback is not None:
                out.print(_plain("\n".join(f"    {line}" for line in item.traceback.splitlines())), markup=False, style=style)
        case Variables():
            out.print(_plain(f"{time} variables {json.dumps(item.values, ensure_ascii=False)}"), markup=False, style="dim")
        case State():
            out.print(_plain(f"{time} state {json.dumps(item.value, ensure_ascii=False)}"), markup=False, style="dim")


def _plain(text: str) -> str:
    """Return *text* without what a terminal would obey; other hidden characters are shown by their code."""
    return _HIDDEN.sub(lambda match: f"\\x{ord(match[0]):02x}", _ESCAPES.sub("", text))
