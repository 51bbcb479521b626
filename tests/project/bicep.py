"""Reads the part of Bicep that `infra/main.bicep` is written in, and refuses the rest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

_TOKEN = re.compile(
    r"""[ \t]+ | //[^\n]* | (?P<newline>\n) | (?P<string>'(?:[^'\\\n]|\\.)*')
    | (?P<number>-?\d+) | (?P<name>[A-Za-z_]\w*) | (?P<mark>[{}\[\]():=.,@!?])""",
    re.VERBOSE,
)
_ESCAPES = {"\\'": "'", "\\\\": "\\", "\\n": "\n", "\\t": "\t", "\\$": "$"}
_LITERALS = {"true": True, "false": False, "null": None}
_OPEN, _CLOSED = "{[(", "}])"


class BicepError(ValueError):
    """The text is none that is understood here."""


@dataclass(frozen=True)
class Expression:
    """What Bicep works out when it deploys: a name, a call, or a text with values in it."""

    text: str


@dataclass
class Template:
    """What a file declares, by name; of resources the body and, under ``type``, the type without its version."""

    parameters: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, dict[str, Any]] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)


def read_bicep(text: str) -> Template:
    """Return what *text* declares.

    Raises:
        BicepError: It holds something else than parameters, resources and outputs, or something twice.
    """
    reader = _Reader(text)
    template = Template()
    while (word := reader.skip_lines()) != "":
        match word:
            case "@":
                reader.expression()
            case "param":
                name = reader.take(1, 1)[0]
                value = reader.value() if reader.peek() == "=" and reader.take(1) else None
                _put(template.parameters, name, value)
            case "resource":
                name, kind = reader.take(1, 0)[0], reader.text()
                is_existing = reader.peek() == "existing" and bool(reader.take(1))
                reader.expect("=")
                _put(template.resources, name, {**reader.resource(), "type": kind.partition("@")[0], "existing": is_existing})
            case "output":
                name = reader.take(1, 1)[0]
                reader.expect("=")
                _put(template.outputs, name, reader.value())
            case _:
                raise BicepError(f"{word!r} does not begin a declaration")
        reader.expect("\n")
    return template


def _put(there: dict[str, Any], name: str, value: Any) -> None:
    if name in there:
        raise BicepError(f"{name!r} is declared twice")
    there[name] = value


def _text(token: str) -> str | Expression:
    text = re.sub(r"\\.", lambda found: _ESCAPES[found[0]], token[1:-1])
    return Expression(text) if re.search(r"(?<!\\)\$\{", token) else text


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = []
        position = 0
        while position < len(text):
            found = _TOKEN.match(text, position)
            if found is None:
                raise BicepError(f"not understood: {text[position : position + 20]!r}")
            if found.lastgroup:
                self._tokens.append(found[0])
            position = found.end()
        self._tokens += ["\n", ""]
        self._next = 0

    def peek(self) -> str:
        return self._tokens[self._next]

    def take(self, count: int, ignored: int = 0) -> list[str]:
        """Take tokens and return them; then skip *ignored* ones."""
        taken = self._tokens[self._next : self._next + count]
        self._next += count + ignored
        return taken

    def expect(self, token: str) -> None:
        if self.take(1) != [token]:
            raise BicepError(
                f"{self._tokens[self._next - 1]!r} where {token!r} should be, after {self._tokens[: self._next - 1][-8:]}"
            )

    def skip_lines(self) -> str:
        """Skip empty lines, and return the token after them, taken."""
        while self.peek() == "\n":
            self._next += 1
        return self.take(1)[0]

    def text(self) -> str:
        """Take a text without values in it."""
        token = self.take(1)[0]
        text = _text(token) if token.startswith("'") else None
        if not isinstance(text, str):
            raise BicepError(f"{token!r} is no plain text")
        return text

    def value(self) -> Any:
        token = self.peek()
        if token == "{":
            return self._object()
        if token == "[":
            return self._array()
        if token.startswith("'") and self._tokens[self._next + 1] in "\n}]":
            return _text(self.take(1)[0])
        if re.fullmatch(r"-?\d+", token):
            return int(self.take(1)[0])
        if token in _LITERALS:
            return _LITERALS[self.take(1)[0]]
        return self.expression()

    def expression(self) -> Expression:
        """Take everything up to the end of the line or of what surrounds it."""
        depth, taken = 0, []
        while depth or self.peek() not in ("\n", "", *_CLOSED):
            token = self.take(1)[0]
            if token == "":
                raise BicepError("the text ends within an expression")
            depth += (token in _OPEN) - (token in _CLOSED)
            taken.append(token)
        if not taken:
            raise BicepError("a value is missing")
        return Expression("".join(taken))

    def resource(self) -> dict[str, Any]:
        """Take a resource's body: also after ``if (...)``, or for each of a list: ``[for one in many: {...}]``."""
        if self.peek() == "if":
            self.take(1)
            return {"if": self._condition(), **self._object()}
        if self.peek() != "[":
            return self._object()
        self.expect("[")
        self.expect("for")
        head = self.take(4)
        body = {**self._object(), "for": Expression(head[2])}
        self.expect("]")
        if (head[1], head[3]) != ("in", ":"):
            raise BicepError(f"no loop: {head}")
        return body

    def _condition(self) -> Expression:
        self.expect("(")
        condition = self.expression()
        self.expect(")")
        return condition

    def _object(self) -> dict[str, Any]:
        self.expect("{")
        made: dict[str, Any] = {}
        while (name := self.skip_lines()) != "}":
            if not name.isidentifier():
                raise BicepError(f"{name!r} is no name of a property")
            self.expect(":")
            _put(made, name, self.value())
            if self.peek() != "}":
                self.expect("\n")
        return made

    def _array(self) -> list[Any]:
        self.expect("[")
        made: list[Any] = []
        while self.peek() != "]":
            if self.peek() == "\n":
                self._next += 1
                continue
            made.append(self.value())
            if self.peek() != "]":
                self.expect("\n")
        self._next += 1
        return made
