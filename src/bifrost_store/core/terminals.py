"""Text that somebody else wrote, made harmless for a terminal and for whoever reads it."""

from __future__ import annotations

import re
from typing import Final

_ESCAPES: Final = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\)?|[ -/]*[0-~])|\x9b[0-?]*[ -/]*[@-~]")
"""Of terminals ("ECMA-48: Control Functions for Coded Character Sets"): a line of a log must not move anybody's cursor."""
_HIDDEN: Final = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""Other control characters, and those that turn the direction of what follows."""


def harmless(text: str) -> str:
    """Return *text* without what a terminal would obey; other hidden characters are shown by their code."""
    return _HIDDEN.sub(lambda match: f"\\x{ord(match[0]):02x}", _ESCAPES.sub("", text))
