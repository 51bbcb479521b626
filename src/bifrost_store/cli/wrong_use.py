"""Wrong use, which is told before a command begins: an unknown option, a missing argument, a value that is none of its choices."""

from __future__ import annotations

from itertools import takewhile
from typing import Any, Final, cast

import typer
from typer.core import TyperGroup
from typing_extensions import override

from bifrost_store.cli.output import display, error_values, report

_USAGE_ERROR: Final = cast(type[typer.BadParameter], typer.BadParameter.__bases__[0])
"""click's, or typer's own copy of it, according to typer's version."""


class UsageError(Exception):
    """Stands for wrong use, of whatever kind."""


class Commands(TyperGroup):
    """All commands: with ``--json`` wrong use of them is told as one JSON object too, beside what stderr says."""

    _is_json = False

    @override
    def make_context(self, info_name: str | None, args: list[str], *rest: Any, **extra: Any) -> Any:
        # Of the command that is meant nothing may be understood, and so whether it has the option.
        self._is_json = "--json" in takewhile(lambda word: word != "--", args)
        try:
            return super().make_context(info_name, args, *rest, **extra)
        except _USAGE_ERROR as error:
            self._tell(error)
            raise

    @override
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except _USAGE_ERROR as error:
            self._tell(error)
            raise

    def _tell(self, error: typer.BadParameter) -> None:
        if self._is_json or display.is_json:
            report({"ok": False, "error": error_values(UsageError(error.format_message()))}, as_json=True, lines=[])
