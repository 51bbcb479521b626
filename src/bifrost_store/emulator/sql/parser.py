"""From the text of a query to its checked syntax tree."""

from __future__ import annotations

from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, cast

from lark import Lark, Token, UnexpectedToken
from lark.exceptions import VisitError

from bifrost_store.emulator.sql.checks import check
from bifrost_store.emulator.sql.errors import SqlError
from bifrost_store.emulator.sql.lexer import CosmosLexer
from bifrost_store.emulator.sql.syntax import Query
from bifrost_store.emulator.sql.tree import TreeBuilder

MAX_QUERY_BYTES = 524_288
"""``maxSqlQueryInputLength`` of the service's account document."""

_MAX_CACHED_LENGTH = 16_384


def parse(text: str) -> Query:
    """Return the syntax tree of *text*, from a cache if it was parsed lately. The tree is shared: it cannot be changed.

    Raises:
        SqlError: The text is no query, or breaks a rule that needs no data: unknown names, duplicate aliases, limits.
        UnsupportedError: It is one for the service, with a construct that the emulator lacks.
    """
    return _cached(text) if len(text) <= _MAX_CACHED_LENGTH else _parse(text)


@lru_cache(maxsize=512)
def _cached(text: str) -> Query:
    return _parse(text)


def _parse(text: str) -> Query:
    # A character is at most 4 bytes, and a lone surrogate 3 here.
    if len(text) > MAX_QUERY_BYTES or len(text.encode("utf-8", "surrogatepass")) > MAX_QUERY_BYTES:
        raise SqlError("SC3001", f"The SQL query text exceeded the maximum limit of {MAX_QUERY_BYTES} characters.")
    try:
        query = cast("Query", _parser().parse(text))
    except UnexpectedToken as error:
        raise _syntax_error(error.token, len(text)) from None
    except VisitError as error:
        raise error.orig_exc from None
    check(query)
    return query


@cache
def _parser() -> Any:
    grammar = files("bifrost_store.emulator.sql").joinpath("grammar.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", lexer=CosmosLexer, transformer=TreeBuilder(), maybe_placeholders=True)


def _syntax_error(token: Token, length: int) -> SqlError:
    if token.type == "$END":
        return SqlError("SC1002", "Syntax error, unexpected end of the query.", length, length)
    return SqlError("SC1001", f"Syntax error, incorrect syntax near '{token[:80]}'.", token.start_pos, token.end_pos)
