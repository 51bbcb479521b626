"""Data to stdout, talk to stderr; bars on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import json
import math
import re
import traceback
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import anyio
import typer
from rich.console import Console

from bifrost_store.core.scope import Scope
from bifrost_store.errors import InvalidKeyError

T = TypeVar("T")


@dataclass(slots=True)
class DisplayOptions:
    """How the command of this process shows what it has to say; errors are shown after its options are out of scope."""

    is_json: bool = False
    is_verbose: bool = False
    is_interrupted: bool = False


display: Final = DisplayOptions()


def begin(*, is_verbose: bool = False) -> None:
    """Forget the options of an earlier command of this process."""
    display.is_json, display.is_verbose, display.is_interrupted = False, is_verbose, False


def _wants_json(value: bool) -> bool:
    display.is_json = display.is_json or value
    return value


def _wants_causes(value: bool) -> bool:
    display.is_verbose = display.is_verbose or value
    return value


JsonOption = Annotated[
    bool, typer.Option("--json", help="Print the report, or what went wrong, as one JSON object.", callback=_wants_json)
]
JsonLinesOption = Annotated[
    bool,
    typer.Option(
        "--json", help="Print each item, and what went wrong, as one JSON object on a line of its own.", callback=_wants_json
    ),
]
VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", help="Show the chain of causes of an error.", callback=_wants_causes)
]


def finite(value: float | None) -> float | None:
    """Refuse what is no number, as a callback of options: Python reads ``nan`` and ``inf`` as floats."""
    if value is not None and not math.isfinite(value):
        raise typer.BadParameter(f"{value} is not a finite number")
    return value


PriceOption = Annotated[
    float,
    typer.Option(
        "--price",
        min=0.0,
        metavar="DOLLARS",
        help="Price of a million request units; by default the US list price of serverless accounts.",
        callback=finite,
    ),
]
_SECRETS: Final = re.compile(
    r"(?i)\b((?:AccountKey|SharedAccessSignature|sig|password|secret|token)(?:=|%3D)|SharedKey(?:Lite)? [^\s:]+:|Bearer )"
    r"(?!\.\.\.)[^\s;&'\",)]+"
)
"""What the messages of other libraries may quote: keys and signatures, in connection strings, addresses and headers."""

out = Console(soft_wrap=True, highlight=False)
talk = Console(stderr=True, soft_wrap=True, highlight=False)


def run(function: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine function to its end, or to that of what Ctrl-C leaves to do: whatever that raises, it was interrupted."""

    async def work() -> T:
        try:
            return await function()
        except BaseException as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                display.is_interrupted = True
                raise asyncio.CancelledError from error
            raise

    return anyio.run(work)


def scope_of(organization_id: str | None) -> Scope:
    """Return the scope that the option ``--scope`` names."""
    try:
        return Scope.of(organization_id)
    except InvalidKeyError as error:
        raise typer.BadParameter(str(error), param_hint="--scope") from error


def report(values: dict[str, Any], *, as_json: bool, lines: list[str]) -> None:
    """Print a report: *values* as JSON, or *lines* for people."""
    if as_json:
        print(json.dumps(values))  # noqa: T201 - data goes to stdout
    else:
        for line in lines:
            out.print(line, markup=False)


def show_error(error: BaseException) -> None:
    """Print an error on one line, and on demand what caused it. Secrets that others quote are blotted out."""
    wait = getattr(error, "retry_after_seconds", None)
    talk.print(f"error: {_one_line(error)}{f'; try again after {wait:g} s' if wait else ''}", markup=False, style="red")
    for cause in _causes(error):
        talk.print(f"  caused by {type(cause).__name__}: {_one_line(cause)}", markup=False)


def report_error(error: BaseException) -> None:
    """Print an error that ends the command: with ``--json`` also as one JSON object, in place of the report."""
    if display.is_json:
        report({"ok": False, "error": error_values(error)}, as_json=True, lines=[])
    show_error(error)


class UnexpectedError(Exception):
    """Stands for an error that nothing foresees: its class, and where it arose; its text may quote content."""


def unexpected(error: Exception) -> UnexpectedError:
    """Return what is shown of an error of no known class."""
    *_, last = traceback.extract_tb(error.__traceback__)
    known = UnexpectedError(f"{type(error).__name__} at {Path(last.filename).name}, line {last.lineno}. Please report this defect")
    known.__cause__ = error
    return known


def error_values(error: BaseException) -> dict[str, object]:
    """Return what JSON says of an error."""
    known = ("is_retryable", "retry_after_seconds", "backend", "operation", "key")
    causes = [f"{type(cause).__name__}: {_one_line(cause)}" for cause in _causes(error)]
    what = {"type": type(error).__name__, "message": _one_line(error)}
    return {**what, **{name: getattr(error, name, None) for name in known}, "causes": causes}


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause = _cause(error)
    while display.is_verbose and cause is not None:
        yield cause
        cause = _cause(cause)


def _cause(error: BaseException) -> BaseException | None:
    """Return what led to *error*, unless it was raised ``from None``, which hides what should not be shown."""
    return error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def one_line(text: str) -> str:
    """Return *text* on one line, without the secrets that others quote."""
    return _SECRETS.sub(r"\1***", " ".join(text.split()))


def _one_line(error: BaseException) -> str:
    return one_line(str(error)) or type(error).__name__
