"""Computed properties: names that a container gives to expressions over its items, put into a query where it uses them."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, cast

from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.parser import parse
from bifrost_store.emulator.sql.syntax import (
    Collection,
    Index,
    Literal,
    Member,
    Name,
    Node,
    Path,
    Query,
    SelectList,
    SelectValue,
    Source,
)


@dataclasses.dataclass(frozen=True, slots=True)
class Computed:
    """An expression over an item, which it calls *alias*."""

    alias: str
    expression: Node


def read_computed(text: str) -> Computed:
    """Return what a computed property's query says: ``SELECT VALUE expression FROM c``.

    Raises:
        SqlError: It is no such query.
    """
    query = parse(text)
    alias = root_alias(query)
    bare = Query(query.selection, sources=query.sources)
    if alias is None or query != bare or len(query.sources) > 1 or not isinstance(query.selection, SelectValue):
        raise SqlError("SC9010", "A computed property is 'SELECT VALUE <expression> FROM <name>' and no more.")
    return Computed(alias, query.selection.expression)


def with_computed(query: Query, properties: Mapping[str, Computed]) -> Query:
    """Return *query* with the expressions of computed properties in the place of their names."""
    alias = root_alias(query) if properties else None
    return query if alias is None else _Writer(alias, properties).query(query)


def root_alias(query: Query) -> str | None:
    """Return what *query* calls an item, if it reads items as they are."""
    source = query.sources[0] if query.sources else None
    if source is None or source.is_iterated or not isinstance(source.collection, Collection) or source.collection.steps:
        return None
    return source.alias


class _Writer:
    """Replaces paths that begin with an alias and a computed property."""

    def __init__(self, alias: str, properties: Mapping[str, Computed]) -> None:
        self._alias = alias
        self._properties = properties

    def query(self, query: Query) -> Query:
        """Return a query with its expressions replaced; what a selection's items are called stays."""
        selection = query.selection
        if isinstance(selection, SelectList):
            pairs = zip(selection.names(), selection.items, strict=True)
            named = [dataclasses.replace(item, alias=None if name.startswith("$") else name) for name, item in pairs]
            query = dataclasses.replace(query, selection=SelectList(tuple(named)))
        return cast("Query", _rebuilt(query, self._replaced))

    def _replaced(self, node: Node) -> Node:
        if isinstance(node, Query) and any(source.alias == self._alias for source in node.sources):
            return node  # There the alias is another value.
        if isinstance(node, Path) and node.base == Name(self._alias):
            found = self._properties.get(_name_of(node.steps[0]))
            if found is not None:
                expression = _renamed(found, self._alias)
                rest = node.steps[1:]
                return Path(expression, rest) if rest else expression
        return _rebuilt(node, self._replaced)


def _rebuilt(node: Node, change: Callable[[Node], Node]) -> Node:
    """Return *node* with what is directly below it changed."""

    def changed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(changed, value))
        return change(value) if isinstance(value, Node) else value

    names = [field.name for field in dataclasses.fields(cast("Any", node))]
    return type(node)(**{name: changed(getattr(node, name)) for name in names})


def _renamed(computed: Computed, alias: str) -> Node:
    """Return the expression with another name for the item."""

    def change(node: Node) -> Node:
        if node == Name(computed.alias):
            return Name(alias)
        if isinstance(node, Source) and node.alias in (alias, computed.alias):
            raise SqlError("SC9011", f"The emulator cannot tell '{alias}' from the same name in a computed property.")
        if isinstance(node, Collection) and node.name == computed.alias:
            return Collection(alias, node.steps, node.span)
        return _rebuilt(node, change)

    return change(computed.expression)


def _name_of(step: Member | Index) -> str:
    if isinstance(step, Member):
        return step.name
    return str(step.expression.value) if isinstance(step.expression, Literal) else ""
