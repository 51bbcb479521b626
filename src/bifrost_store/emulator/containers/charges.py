"""Request charges: a deterministic model after "Understand request units consumption in Azure Cosmos DB".

The price of a read and of a write grows with the item's size along a table; a write also pays for the index terms it adds and
removes. Use the answers for budgets and comparisons; they are no promise of a bill.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from typing import Any, Final

_KILOBYTES: Final = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
_READ: Final = (1.00, 1.04, 1.14, 1.33, 1.67, 2.19, 4.76, 9.95, 20.28, 40.95, 145.90, 291.80)
_WRITE: Final = (4.95, 6.29, 6.67, 7.04, 9.52, 11.23, 22.67, 48.19, 98.29, 184.57, 625.00, 1250.00)

MISSING: Final = 1.0
"""A read that finds nothing, or that finds nothing new."""

PRECONDITION_FAILED: Final = 1.24
CONFLICT: Final = 1.57
THROTTLED: Final = 0.38
METADATA: Final = 2.0
STRONG_READS: Final = 2.0
"""Reads with this consistency ask two replicas and cost twice as much ("Consistency levels in Azure Cosmos DB", throughput)."""
PER_TERM: Final = 0.2
PER_PATCH_OPERATION: Final = 0.4

Term = tuple[str, object]


def read(size: int) -> float:
    """Return the price of reading *size* bytes."""
    return _interpolate(_READ, size / 1024)


def write(size: int, terms: int) -> float:
    """Return the price of creating or deleting *size* bytes with that many index terms."""
    return _interpolate(_WRITE, size / 1024) + PER_TERM * terms


def replace(old_size: int, size: int, changed_terms: int) -> float:
    """Return the price of writing *size* bytes over *old_size* bytes."""
    return write(old_size, 0) + write(size, changed_terms)


def query(rows: int, loaded_bytes: int, scanned: int) -> float:
    """Return the price of a page of a query; *scanned* counts items that no index chose."""
    return 2.2 + 0.01 * rows + 0.02 * loaded_bytes / 1024 + 0.01 * scanned


def feed(sizes: Iterable[int]) -> float:
    """Return the price of a page of items."""
    return max(1.0, sum(read(size) for size in sizes))


def _interpolate(prices: tuple[float, ...], kilobytes: float) -> float:
    if kilobytes <= 1:
        return prices[0]
    if kilobytes >= _KILOBYTES[-1]:
        return prices[-1]
    right = bisect_left(_KILOBYTES, kilobytes)
    low, high = _KILOBYTES[right - 1], _KILOBYTES[right]
    share = (kilobytes - low) / (high - low)
    return prices[right - 1] + share * (prices[right] - prices[right - 1])


class TermCounter:
    """Finds the index terms of items: the distinct pairs of path and scalar that an indexing policy covers."""

    def __init__(self, policy: Mapping[str, Any]) -> None:
        self._root = _Node()
        self._is_indexed = policy.get("indexingMode", "consistent") != "none"
        self._composites = len(policy.get("compositeIndexes") or ())
        for paths, is_included in ((policy.get("includedPaths"), True), (policy.get("excludedPaths"), False)):
            for entry in paths or ():
                self._root.add(str(entry.get("path", "")) if isinstance(entry, dict) else "", is_included)

    def terms(self, body: Mapping[str, Any]) -> set[Term]:
        """Return the terms of an item; its id and its time of writing always count, and so does each composite index."""
        found: set[Term] = {("/id", str(body.get("id"))), ("/_ts", 0)}
        found.update((f"composite {index}", 0) for index in range(self._composites))
        if self._is_indexed:
            _walk(body, "", self._root, self._root.is_tree_included or False, found)
        return found


class _Node:
    """One step of the paths in a policy."""

    __slots__ = ("children", "is_included", "is_tree_included")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.is_included: bool | None = None
        self.is_tree_included: bool | None = None

    def add(self, path: str, is_included: bool) -> None:
        *names, end = [part.strip('"') for part in path.split("/")[1:]] or [""]
        node = self
        for name in names:
            node = node.children.setdefault(name, _Node())
        if end == "*":
            node.is_tree_included = is_included
        elif end == "?":
            node.is_included = is_included


_EMPTY: Final = _Node()


def _walk(value: Any, path: str, node: _Node, is_included: bool, found: set[Term]) -> None:
    if isinstance(value, dict):
        for name, child in value.items():
            _step(child, f"{path}/{name}", node.children.get(name, _EMPTY), is_included, found)
    elif isinstance(value, list):
        below = node.children.get("[]", _EMPTY)
        for child in value:
            _step(child, f"{path}/[]", below, is_included, found)
    elif is_included if node.is_included is None else node.is_included:
        found.add((path, (type(value).__name__, value)))


def _step(child: Any, path: str, node: _Node, is_included: bool, found: set[Term]) -> None:
    _walk(child, path, node, is_included if node.is_tree_included is None else node.is_tree_included, found)
