"""Any text as part of a key: what Table Storage forbids is escaped, reversibly; everything else stays as it is.

Keys may not hold ``/ \\ # ?`` nor U+0000 to U+001F and U+007F to U+009F, and have at most 512 UTF-16 units ("Understanding the
Table service data model", Microsoft). A part that needs escaping is marked by ``%%`` at its beginning, so that rows which the
old application wrote, per cent signs and all, keep their keys. U+2028 and U+2029 are escaped too: emulators that split a
transaction into lines cut keys there.
"""

from __future__ import annotations

import re

_MARK = "%%"
_FORBIDDEN = re.compile("[/\\\\#?\x00-\x1f\x7f-\x9f\u2028\u2029]")
_TO_ESCAPE = re.compile("[%/\\\\#?\x00-\x1f\x7f-\x9f\u2028\u2029]")
_ESCAPED = re.compile("%(?:(?P<hex>[0-9A-F]{2})|(?P<line>[LP]))")
_LINES = {"\u2028": "%L", "\u2029": "%P"}


def escape(text: str) -> str:
    """Return *text* as it stands in a key; at most three units for each of its characters, and two."""
    if not _FORBIDDEN.search(text) and not text.startswith(_MARK):
        return text
    return _MARK + _TO_ESCAPE.sub(lambda match: _LINES.get(match[0]) or f"%{ord(match[0]):02X}", text)


def unescape(part: str) -> str:
    """Return the text that *part* of a key stands for."""
    if not part.startswith(_MARK):
        return part
    return _ESCAPED.sub(_unescape_one, part.removeprefix(_MARK))


def _unescape_one(match: re.Match[str]) -> str:
    if match["line"]:
        return "\u2028" if match["line"] == "L" else "\u2029"
    return chr(int(match["hex"], 16))
