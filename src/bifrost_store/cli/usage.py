"""``usage``: what calls cost in the store that the settings name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from bifrost_store.cli.output import JsonOption, PriceOption, error_values, out, report, run, scope_of, show_error
from bifrost_store.core.prices import DOLLARS_PER_MILLION_REQUEST_UNITS, request_unit_dollars
from bifrost_store.core.usage import OperationUsage, UsageReport
from bifrost_store.errors import StoreError

_NARROWEST: Final = 132
_NARROWEST_WITH_UNITS: Final = 160
_FIELDS: Final = (*(field.name for field in fields(OperationUsage)), "failures", "requests", "mean_seconds")

ScopeOption = Annotated[
    str | None, typer.Option("--scope", metavar="ORG", help="Read what this organization would; by default what GLOBAL has.")
]


@dataclass(frozen=True, slots=True)
class _Measured:
    places: list[str]
    report: UsageReport
    failures: list[StoreError]


def usage(
    *, scope: ScopeOption = None, price: PriceOption = DOLLARS_PER_MILLION_REQUEST_UNITS, as_json: JsonOption = False
) -> None:
    """Make a fixed set of harmless reads, three times each, and show what a call of each cost: requests, request units, time."""
    from bifrost_store.opening.store import open_store
    from bifrost_store.probe import probe

    whose = scope_of(scope)

    async def measure() -> _Measured:
        async with open_store() as store:
            failures = await probe(store, whose)
            return _Measured(store.places, store.usage(), failures)

    measured = run(measure)
    if as_json:
        report(_as_json(measured, price), as_json=True, lines=[])
    else:
        _show(measured, price)
    for error in measured.failures:
        show_error(error)
    if measured.failures:
        raise typer.Exit(1)


def _as_json(measured: _Measured, price: float) -> dict[str, Any]:
    operations = [_row_values(row, price) for row in measured.report.operations]
    failures = [error_values(error) for error in measured.failures]
    charged = measured.report.request_units
    costs = {"request_units": charged, "dollars": request_unit_dollars(charged, price), "dollars_per_million_request_units": price}
    return {"ok": not failures, "stores": measured.places, "operations": operations, **costs, "failures": failures}


def _row_values(row: OperationUsage, price: float) -> dict[str, Any]:
    values = {name: getattr(row, name) for name in _FIELDS}
    return {
        **{name: dict(value) if isinstance(value, Mapping) else value for name, value in values.items()},
        "dollars": row.dollars(price),
    }


def _show(measured: _Measured, price: float) -> None:
    rows = measured.report.operations
    has_request_units = any(row.request_units for row in rows)
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for name in ("operation", "backend"):
        table.add_column(name, no_wrap=True)
    units = ("RU/call", "$/1M calls") if has_request_units else ()
    counts = ("calls", "failed", "retries", "requests/call")
    for name in (*counts, *units, "sent/call", "received/call", "mean ms", "p95 ms", "max ms"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(*_cells(row, price, has_request_units=has_request_units))
    for place in measured.places:
        out.print(place, markup=False)
    narrowest = _NARROWEST_WITH_UNITS if has_request_units else _NARROWEST
    Console(width=max(out.width, narrowest), highlight=False).print(table)
    if has_request_units:
        charged, dollars = measured.report.request_units, measured.report.dollars(price)
        metadata = sum(row.metadata_request_units for row in rows)
        out.print(
            f"{charged:,.2f} RU in all: {dollars:.8f} $ at {price:g} $ per million; metadata apart: {metadata:,.2f} RU",
            markup=False,
        )


def _cells(row: OperationUsage, price: float, *, has_request_units: bool) -> list[str]:
    requests = ", ".join(f"{what} {count / row.calls:.3g}" for what, count in row.requests_by_service.items())
    units = [f"{row.request_units / row.calls:.2f}", f"{1e6 * row.dollars(price) / row.calls:.2f}"] if has_request_units else []
    sizes = [f"{size / row.calls / 1000:,.1f} kB" for size in (row.sent_bytes, row.received_bytes)]
    times = [f"{1000 * seconds:,.1f}" for seconds in (row.mean_seconds, row.p95_seconds, row.max_seconds)]
    counts = [str(count) for count in (row.calls, row.failures, row.retries)]
    return [row.operation, row.backend or "-", *counts, requests or "-", *units, *sizes, *times]
