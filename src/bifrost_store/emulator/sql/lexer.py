"""The words of a query, each with its place. One regular expression; what no rule takes is an error with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from lark import Token
from lark.lexer import Lexer
from typing_extensions import override

from bifrost_store.emulator.sql.errors import SqlError

_RESERVED: Final = {
    "AND": "_AND", "ARRAY": "ARRAY", "AS": "_AS", "ASC": "ASC", "BETWEEN": "_BETWEEN", "BY": "_BY", "DESC": "DESC",
    "DISTINCT": "DISTINCT", "EXISTS": "EXISTS", "FROM": "_FROM", "GROUP": "_GROUP", "IN": "_IN", "JOIN": "_JOIN",
    "LIKE": "_LIKE", "NOT": "NOT", "OR": "_OR", "ORDER": "_ORDER", "SELECT": "_SELECT", "TOP": "_TOP", "VALUE": "_VALUE",
    "WHERE": "_WHERE",
}  # fmt: skip
"""Words in any case that can name nothing: ``c.order`` is a syntax error, ``c["order"]`` is meant."""

_CONTEXTUAL: Final = {"ESCAPE": "_ESCAPE", "LIMIT": "_LIMIT", "OFFSET": "_OFFSET"}
"""Words in any case that are names after a dot."""

_CONSTANTS: Final = {"true": "TRUE", "false": "FALSE", "null": "NULL", "undefined": "UNDEFINED", "udf": "UDF"}
"""Words that are reserved in just this case: ``NULL`` is a name like any other."""

_OPERATORS: Final = {
    ",": "_COMMA", ".": "_DOT", "(": "_LPAR", ")": "_RPAR", "[": "_LSQB", "]": "_RSQB", "{": "_LBRACE", "}": "_RBRACE",
    "?": "_QUESTION", ":": "_COLON", "??": "_COALESCE", "||": "CONCAT", "|": "PIPE", "^": "CARET", "&": "AMPERSAND",
    "=": "EQUALITY", "!=": "EQUALITY", "<>": "EQUALITY", "<": "RELATION", "<=": "RELATION", ">": "RELATION",
    ">=": "RELATION", "<<": "SHIFT", ">>": "SHIFT", ">>>": "SHIFT", "+": "SIGN", "-": "SIGN", "*": "STAR", "/": "OVER",
    "%": "OVER", "~": "TILDE",
}  # fmt: skip

_WORDS: Final = re.compile(
    r"""(?P<SKIP>[ \t\r\n\f\v]+|--[^\r\n]*)
    |(?P<NAME>[^\W\d]\w*)
    |(?P<NUMBER>0[xX][0-9a-fA-F]+|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)(?P<TAIL>\w*)
    |(?P<PARAMETER>@\w+)
    |(?P<STRING>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')
    |(?P<OPERATOR>>>>|<<|>>|<=|>=|!=|<>|\?\?|\|\||[(),.\[\]{}?:=<>+\-*/%&|^~])""",
    re.VERBOSE | re.DOTALL,
)
_MAX_NESTING: Final = 100
_CLOSING: Final = {"_LPAR": 1, "_LSQB": 1, "_LBRACE": 1, "_RPAR": -1, "_RSQB": -1, "_RBRACE": -1}


class CosmosLexer(Lexer):
    """What lark asks for words."""

    def __init__(self, lexer_conf: Any) -> None:
        """Take no settings: the words are fixed."""

    @override
    def lex(self, data: str) -> Iterator[Token]:  # type: ignore[override]
        """Yield the words of *data*.

        Raises:
            SqlError: Something is no word, a string does not end, or brackets are nested too deeply.
        """
        position, depth, before = 0, 0, ""
        match = _WORDS.match
        while position < len(data):
            found = match(data, position)
            if found is None:
                raise _not_a_word(data, position)
            end = found.end()
            kind = found.lastgroup
            if kind != "SKIP":
                before = _type(kind or "", found, before)
                if before in _CLOSING:
                    depth += _CLOSING[before]
                    if depth > _MAX_NESTING:
                        raise SqlError("SC3002", f"The query is nested more than {_MAX_NESTING} levels deep.", position, end)
                yield Token(before, found[0], start_pos=position, end_pos=end)
            position = end


def _type(kind: str, found: re.Match[str], before: str) -> str:
    """Name the type of a word; *before* is the type of the one before it."""
    if kind == "OPERATOR":
        return _OPERATORS[found[0]]
    if kind == "NAME":
        return _word(found[0], before)
    if kind == "TAIL":
        if found["TAIL"]:
            raise SqlError("SC1012", f"Syntax error, invalid numeric value token '{found[0][:80]}'.", *found.span())
        return "NUMBER"
    return kind


def _word(text: str, before: str) -> str:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    upper = text.upper()
    if upper in _RESERVED:
        return _RESERVED[upper]
    if upper in _CONTEXTUAL and before != "_DOT":
        return _CONTEXTUAL[upper]
    if upper == "RANK" and before == "_BY":
        return "RANK"
    return "NAME"


def _not_a_word(data: str, position: int) -> SqlError:
    if data[position] in "\"'":
        return SqlError("SC1011", "Syntax error, the string literal is not closed.", position, len(data))
    return SqlError("SC1010", f"Syntax error, invalid token '{data[position]}'.", position, position + 1)
