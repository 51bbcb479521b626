"""``usage``: what calls cost in the store that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from bifrost_store.cli.output import JsonOption, error_values, out, report, run, show_error
from bifrost_store.core.scope import Scope
from bifrost_store.core.usage import OperationUsage
from bifrost_store.errors import InvalidKeyError, StoreError
from bifrost_store.probe import probe
from bifrost_store.store import open_store

_NARROWEST: Final = 132
_FIELDS: Final = (*(field.name for field in fields(OperationUsage)), "failures", "requests", "mean_seconds")

ScopeOption = Annotated[
    str | None, typer.Option("--scope", metavar="ORG", help="Read what this organization would; by default what GLOBAL has.")
]


@dataclass(frozen=True, slots=True)
class _Measured:
    places: list[str]
    operations: tuple[OperationUsage, ...]
    failures: list[StoreError]


def usage(*, scope: ScopeOption = None, as_json: JsonOption = False) -> None:
    """Make a fixed set of harmless reads, three times each, and show what a call of each cost: requests, bytes, time."""
    whose = _scope(scope)

    async def measure() -> _Measured:
        async with open_store() as store:
            failures = await probe(store, whose)
            return _Measured(store.places, store.usage().operations, failures)

    measured = run(measure)
    if as_json:
        report(_as_json(measured), as_json=True, lines=[])
    else:
        _show(measured)
    for error in measured.failures:
        show_error(error)
    if measured.failures:
        raise typer.Exit(1)


def _scope(organization_id: str | None) -> Scope:
    try:
        return Scope.of(organization_id)
    except InvalidKeyError as error:
        raise typer.BadParameter(str(error), param_hint="--scope") from error


def _as_json(measured: _Measured) -> dict[str, Any]:
    operations = [
        {name: dict(value) if isinstance(value, Mapping) else value for name in _FIELDS for value in [getattr(row, name)]}
        for row in measured.operations
    ]
    failures = [error_values(error) for error in measured.failures]
    return {"ok": not failures, "stores": measured.places, "operations": operations, "failures": failures}


def _show(measured: _Measured) -> None:
    has_request_units = any(row.request_units for row in measured.operations)
    table = Table(box=None, pad_edge=False)
    for name in ("operation", "backend"):
        table.add_column(name, no_wrap=True)
    units = ("RU/call",) if has_request_units else ()
    for name in (
        "calls",
        "failed",
        "retries",
        "requests/call",
        *units,
        "sent/call",
        "received/call",
        "mean ms",
        "p95 ms",
        "max ms",
    ):
        table.add_column(name, justify="right")
    for row in measured.operations:
        table.add_row(*_cells(row, has_request_units=has_request_units))
    for place in measured.places:
        out.print(place, markup=False)
    Console(width=max(out.width, _NARROWEST), highlight=False).print(table)


def _cells(row: OperationUsage, *, has_request_units: bool) -> list[str]:
    requests = ", ".join(f"{what} {count / row.calls:.3g}" for what, count in row.requests_by_service.items())
    units = [f"{row.request_units / row.calls:.2f}"] if has_request_units else []
    sizes = [f"{size / row.calls / 1000:,.1f} kB" for size in (row.sent_bytes, row.received_bytes)]
    times = [f"{1000 * seconds:,.1f}" for seconds in (row.mean_seconds, row.p95_seconds, row.max_seconds)]
    counts = [str(count) for count in (row.calls, row.failures, row.retries)]
    return [row.operation, row.backend or "-", *counts, requests or "-", *units, *sizes, *times]
