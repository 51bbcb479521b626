"""One page of a query's rows, and how the next one is found.

A query that neither groups nor removes duplicates is read item by item, in the order of its ORDER BY or of the items' numbers;
its next page begins with the item of the last row. Any other one is run anew for each page, and the rows of earlier pages are
passed over; where it groups, items that agree in all that it reads are evaluated once (`merging`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Final

from bifrost_store.emulator.containers.container import Container
from bifrost_store.emulator.engine import Engine
from bifrost_store.emulator.query.candidates import Candidates, Keys, is_sortable
from bifrost_store.emulator.query.merging import Merging, merging_of
from bifrost_store.emulator.requests.pages import PageSize, size_of
from bifrost_store.emulator.requests.scope import Scope
from bifrost_store.emulator.sql.aggregates import UnmergeableError
from bifrost_store.emulator.sql.analysis import inner_queries, is_rowwise, reads_items
from bifrost_store.emulator.sql.computed import with_computed
from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.execute import count_of, prepare
from bifrost_store.emulator.sql.indexes import index_use
from bifrost_store.emulator.sql.syntax import Collection, Name, Query, SelectStar, walk
from bifrost_store.emulator.sql.values import Value
from bifrost_store.emulator.store.items import Item
from bifrost_store.emulator.wire import jsontext

_MAX_KEY_BYTES: Final = 300
"""Longer keys are looked up again instead of being carried in the token."""


@dataclass(slots=True)
class RowPage:
    """A page: rows as JSON, the position behind them if there are more, and what it took to read."""

    rows: list[str] = field(default_factory=list)
    position: list[Any] | None = None
    loaded: int = 0
    loaded_bytes: int = 0
    output_bytes: int = 0
    is_scan: bool = False

    def add(self, text: str, size: PageSize) -> bool:
        """Append a row, unless the page has no room for it."""
        if not size.has_room(len(self.rows), self.output_bytes, text):
            return False
        self.rows.append(text)
        self.output_bytes += size_of(text)
        return True

    def metrics(self, *, needs_documents: bool) -> str:
        """Return the metrics of the query as the service writes them."""
        loaded, size = (self.loaded, self.loaded_bytes) if needs_documents else (0, 0)
        share = min(1.0, len(self.rows) / loaded) if loaded else 1.0
        return (
            "totalExecutionTimeInMs=0.10;queryCompileTimeInMs=0.01;queryLogicalPlanBuildTimeInMs=0.01;"
            "queryPhysicalPlanBuildTimeInMs=0.01;queryOptimizationTimeInMs=0.00;VMExecutionTimeInMs=0.05;indexLookupTimeInMs=0.01;"
            "instructionCount=0;documentLoadTimeInMs=0.02;systemFunctionExecuteTimeInMs=0.00;userFunctionExecuteTimeInMs=0.00;"
            f"retrievedDocumentCount={loaded};retrievedDocumentSize={size};outputDocumentCount={len(self.rows)};"
            f"outputDocumentSize={self.output_bytes};writeOutputTimeInMs=0.00;indexUtilizationRatio={share:.2f}"
        )


def row_text(row: Value) -> str:
    """Return a row as JSON.

    Raises:
        SqlError: It holds NaN or an infinity, which JSON has no text for.
    """
    try:
        return jsontext.dump(row)
    except ValueError:
        message = "The query's result holds a number that is not finite, such as of a division by zero."
        raise SqlError("SC4001", message, substatus=4001) from None


class RowReader:
    """Reads pages of one query over one scope.

    Args:
        engine: For its time and options.
        container: Whose items.
        scope: The part of it.
        query: The query.
        parameters: Their values.
    """

    def __init__(self, engine: Engine, container: Container, scope: Scope, query: Query, parameters: Mapping[str, Value]) -> None:
        self._engine = engine
        self._container = container
        self._query = query = with_computed(query, container.computed)
        self._parameters = parameters
        use = index_use(query, parameters)
        is_streamed = reads_items(query) and all(map(is_rowwise, (_unbounded(query), *inner_queries(query))))
        self._is_streamed = is_streamed and is_sortable(use)
        self._is_scan = query.where is not None and not use.filters
        self._excludes = not engine.options.sorts_undefined
        if not self._is_streamed:
            use = dataclasses.replace(use, order_by=())
        self._candidates = Candidates(
            container, scope, engine.clock.now(), use, is_paged=self._is_streamed, excludes_undefined=self._excludes
        )
        self._merging = None if self._is_streamed else merging_of(query, parameters, is_matched=self._candidates.are_matches)
        self._needs_documents = _looks_into_items(query)
        self._keys: Keys = ()
        self._number = 0
        self._rows_of_item = 0
        self._item: Item | None = None
        self._document: Value = None

    def page(self, size: PageSize, position: list[Any] | None) -> RowPage:
        """Return a page of a size, from a position that an earlier page has, or from the beginning.

        Raises:
            SqlError: A row cannot be computed.
            ValueError: The position is none; or TypeError, IndexError or OverflowError.
        """
        page = self._streamed(size, position) if self._is_streamed else self._counted(size, position)
        page.is_scan = self._is_scan
        return page

    def _items(self, page: RowPage, after: tuple[Keys, int] | None) -> Iterator[dict[str, Any]]:
        for item, keys in self._candidates.read(after):
            self._keys, self._number, self._rows_of_item = keys, item.number, 0
            page.loaded += 1
            page.loaded_bytes += len(item.body)
            self._item = item
            self._document = self._container.document(item) if self._needs_documents else {}
            yield self._document

    def _text(self, row: Value) -> str:
        """Return a row as JSON: of an item that is given whole, its stored text."""
        if self._item is not None and row is self._document:
            return self._container.document_text(self._item)
        return row_text(row)

    def _counted(self, size: PageSize, position: list[Any] | None) -> RowPage:
        passed = int(position[0]) if position else 0
        if self._merging is not None:
            with suppress(UnmergeableError):
                return self._merged(self._merging, size, passed)
        page = RowPage()
        run = prepare(self._query, self._parameters, now=self._engine.clock.now, excludes_missing=self._excludes)
        return self._passing(page, run(self._items(page, None)), size, passed)

    def _merged(self, merging: Merging, size: PageSize, passed: int) -> RowPage:
        page, times = RowPage(), 0

        def items() -> Iterator[dict[str, Any]]:
            nonlocal times
            for merged in self._candidates.read_merged(merging.paths):
                times = merged.count
                page.loaded += merged.count
                page.loaded_bytes += merged.size
                yield merging.document(merged.texts)

        run = prepare(
            merging.query, self._parameters, now=self._engine.clock.now, excludes_missing=self._excludes, times=lambda: times
        )
        return self._passing(page, run(items()), size, passed)

    def _passing(self, page: RowPage, rows: Iterator[Value], size: PageSize, passed: int) -> RowPage:
        """Fill *page* from behind the rows of earlier ones."""
        for row in islice(rows, passed, None):
            if not page.add(self._text(row), size):
                page.position = [passed + len(page.rows)]
                break
        return page

    def _streamed(self, size: PageSize, position: list[Any] | None) -> RowPage:
        page, query = RowPage(), self._query
        offset = 0 if query.offset is None else count_of("OFFSET", query.offset, self._parameters)
        counts = [count_of(name, node, self._parameters) for name, node in (("TOP", query.top), ("LIMIT", query.limit)) if node]
        delivered, to_skip, after, resumed_rows = self._resumed(position, offset)
        left = min(counts) - delivered if counts else None
        here = position or [0, offset, None, 0, 0]
        run = prepare(_unbounded(query), self._parameters, now=self._engine.clock.now, is_sorted=True)
        for row in run(self._items(page, after)) if left != 0 else ():
            self._rows_of_item += 1
            if after is not None and self._number == after[1] and self._rows_of_item <= resumed_rows:
                continue
            if to_skip:
                to_skip -= 1
                continue
            if not page.add(self._text(row), size):
                page.position = here
                break
            if left is not None and len(page.rows) == left:
                break
            here = [delivered + len(page.rows), 0, self._carried(), self._number, self._rows_of_item]
        return page

    def _carried(self) -> list[str] | None:
        return [key.hex() for key in self._keys] if sum(map(len, self._keys)) <= _MAX_KEY_BYTES else None

    def _resumed(self, position: list[Any] | None, offset: int) -> tuple[int, int, tuple[Keys, int] | None, int]:
        if position is None:
            return 0, offset, None, 0
        delivered, to_skip, carried, number, rows = position
        if not number:
            return int(delivered), int(to_skip), None, 0
        keys = self._candidates.keys_of(int(number)) if carried is None else tuple(bytes.fromhex(key) for key in carried)
        return int(delivered), int(to_skip), (keys, int(number)), int(rows)


def _unbounded(query: Query) -> Query:
    return dataclasses.replace(query, top=None, offset=None, limit=None)


def _looks_into_items(query: Query) -> bool:
    """Return whether rows depend on more than that the items are there, as in counting them all."""
    return any(isinstance(node, (Name, SelectStar)) or (isinstance(node, Collection) and node.steps) for node, _ in walk(query))
