"""Indexing policies compared by what they mean: the service spells them in more than one way."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from bifrost_store.backends.cosmos.layout import ETAG_PATH, EVERYTHING

_QUOTED: Final = re.compile(r'"([A-Za-z_][A-Za-z0-9_]*)"')
_OURS: Final = ("indexingMode", "automatic", "includedPaths", "excludedPaths", "compositeIndexes")
"""Parts of a policy that the layout decides. Vector, full-text and spatial indexes are left to whoever added them."""


def describe_indexing(found: Mapping[str, Any] | None, needed: Mapping[str, Any]) -> str:
    """Return what differs, as the end of a sentence that begins with "indexing policy"; empty if nothing does."""
    found = found or {}
    if (mode := _mode(found)) != _mode(needed):
        return f"has mode {mode}, should have {_mode(needed)}"
    parts = []
    if _is_automatic(found) != _is_automatic(needed):
        parts.append("is not automatic" if _is_automatic(needed) else "is automatic")
    for verb, read in (
        ("include", lambda policy: _paths(policy, "includedPaths")),
        ("exclude", lambda policy: _paths(policy, "excludedPaths")),
        ("have a composite index", _composites),
    ):
        here, there = read(found), read(needed)
        for should, entries in (("should", there - here), ("should not", here - there)):
            if entries:
                parts.append(f"{should} {verb} {', '.join(sorted(entries))}")
    return ", ".join(parts)


def fixed_indexing(found: Mapping[str, Any] | None, needed: Mapping[str, Any]) -> dict[str, Any]:
    """Return *needed* with those parts of *found* that the layout does not decide."""
    return {**{name: value for name, value in (found or {}).items() if name not in _OURS}, **needed}


def _mode(policy: Mapping[str, Any]) -> str:
    return str(policy.get("indexingMode", "consistent")).lower()


def _is_automatic(policy: Mapping[str, Any]) -> bool:
    return bool(policy.get("automatic", True))


def _paths(policy: Mapping[str, Any], name: str) -> set[str]:
    """Return the paths of a list, but for the one that the service excludes of its own accord."""
    paths = {_plain(entry["path"]) for entry in policy.get(name) or ()}
    if name == "includedPaths" and not paths and not policy.get("excludedPaths"):
        return {EVERYTHING}
    return paths - {_plain(ETAG_PATH)} if name == "excludedPaths" else paths


def _plain(path: str) -> str:
    """Return a path as short as it can be written."""
    return EVERYTHING if path == "/" else _QUOTED.sub(r"\1", path)


def _composites(policy: Mapping[str, Any]) -> set[str]:
    return {_composite(entries) for entries in policy.get("compositeIndexes") or ()}


def _composite(entries: Iterable[Mapping[str, Any]]) -> str:
    return " + ".join(f"{_plain(entry['path'])} {entry.get('order', 'ascending')}" for entry in entries)
