"""``cost``: what a month costs on Cosmos DB, projected from measured charges, beside the plan's estimate."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer
from rich.console import Console

from bifrost_store.cli.output import JsonOption, PriceOption, finite, out, report, run, talk
from bifrost_store.core.prices import (
    ALERT_DOLLARS_PER_MONTH,
    DOLLARS_PER_BLOB_GIGABYTE_MONTH,
    DOLLARS_PER_GIGABYTE_MONTH,
    DOLLARS_PER_MILLION_REQUEST_UNITS,
    DOLLARS_PER_SIGNALR_UNIT_MONTH,
)
from bifrost_store.errors import InvalidRequestError

if TYPE_CHECKING:
    from rich.table import Table

    from bifrost_store.costing import Measurement, Mix, PlanEstimate, Projection

_NARROWEST: Final = 132
_CREATE: Final = "executions.create"
_OF_DATA: Final = "  of execution data"
_SIGNALR: Final = "SignalR service"

Executions = Annotated[
    float, typer.Option("--executions-per-month", min=0.0, metavar="N", help="Number of executions in the month.", callback=finite)
]
AlertAbove = Annotated[
    float, typer.Option("--alert-above", metavar="DOLLARS", help="Exit with 1 if the month costs more.", callback=finite)
]
StoragePrice = Annotated[
    float,
    typer.Option(
        "--storage-price", min=0.0, metavar="DOLLARS", help="Price of a gigabyte of documents for a month.", callback=finite
    ),
]
BlobPrice = Annotated[
    float,
    typer.Option("--blob-price", min=0.0, metavar="DOLLARS", help="Price of a gigabyte of blobs for a month.", callback=finite),
]
RetentionDays = Annotated[
    float | None,
    typer.Option(
        "--retention-days",
        min=0.0,
        metavar="DAYS",
        help="How long an execution is kept; by default as the settings say.",
        callback=finite,
    ),
]
Processes = Annotated[
    int,
    typer.Option("--processes", min=0, help="Number of processes that renew a lease, as they do while a migration is under way."),
]
Watchers = Annotated[
    float,
    typer.Option(
        "--watchers", min=0.0, metavar="N", help="Connections that watch a run while it goes on, on average.", callback=finite
    ),
]
Connections = Annotated[int, typer.Option("--connections", min=0, metavar="N", help="Pages that are open at the same time.")]
SignalRPrice = Annotated[
    float,
    typer.Option("--signalr-price", min=0.0, metavar="DOLLARS", help="Price of a SignalR unit for a month.", callback=finite),
]
Rates = Annotated[
    list[str] | None,
    typer.Option(
        "--rate",
        metavar="OPERATION=CALLS",
        help="Another number of calls of an operation, in the unit that it has; may be repeated.",
    ),
]
OnAccount = Annotated[
    bool,
    typer.Option(
        "--on-account", help="Measure on the Cosmos DB account of the settings, in a scratch scope; by default an emulator."
    ),
]


def cost(
    *,
    executions_per_month: Executions,
    alert_above: AlertAbove = ALERT_DOLLARS_PER_MONTH,
    price: PriceOption = DOLLARS_PER_MILLION_REQUEST_UNITS,
    storage_price: StoragePrice = DOLLARS_PER_GIGABYTE_MONTH,
    blob_price: BlobPrice = DOLLARS_PER_BLOB_GIGABYTE_MONTH,
    signalr_price: SignalRPrice = DOLLARS_PER_SIGNALR_UNIT_MONTH,
    retention_days: RetentionDays = None,
    watchers: Watchers = 0.1,
    connections: Connections = 20,
    processes: Processes = 1,
    rate: Rates = None,
    on_account: OnAccount = False,
    as_json: JsonOption = False,
) -> None:
    """Project what a month costs on Cosmos DB from what calls are charged, measured now. Exits with 1 above a threshold."""
    from bifrost_store.costing import Prices, account, emulated, measure, project

    mix = _mix(processes, rate or [])
    days = retention_days_of(retention_days)

    async def call() -> Measurement:
        async with account() if on_account else emulated() as place:
            talk.print(f"Measuring on {place.name} ...", style="dim", markup=False)
            return await measure(place)

    projection = project(
        run(call),
        mix,
        executions_per_month,
        retention_days=days,
        watchers=watchers,
        connections=connections,
        prices=Prices(price, storage_price, blob_price, signalr_price),
    )
    if as_json:
        report(_as_json(projection, alert_above), as_json=True, lines=[])
    else:
        _show(projection, alert_above)
    if projection.is_above(alert_above):
        raise typer.Exit(1)


def _mix(processes: int, rates: list[str]) -> Mix:
    from bifrost_store.costing import DEFAULT_MIX, with_processes, with_rates

    counts = {}
    try:
        for given in rates:
            name, _, count = given.rpartition("=")
            counts[name.strip()] = float(count)
        return with_rates(with_processes(DEFAULT_MIX, processes), counts)
    except ValueError as error:
        raise typer.BadParameter("must be an operation, '=' and a number", param_hint="--rate") from error
    except InvalidRequestError as error:
        raise typer.BadParameter(str(error), param_hint="--rate") from error


def retention_days_of(given: float | None) -> float:
    """Return *given*, or how many days the settings keep executions; refuse those that keep them for ever."""
    from bifrost_store.settings import StoreSettings

    days = StoreSettings.from_environment().execution_retention_days if given is None else given
    if days is None:
        raise typer.BadParameter("executions are kept for ever; say how many days to count", param_hint="--retention-days")
    return days


def _as_json(projection: Projection, alert_above: float) -> dict[str, Any]:
    measurement, plan = projection.measurement, projection.plan
    is_above = projection.is_above(alert_above)
    return {
        "ok": not is_above,
        "measured_on": measurement.place,
        "is_model": measurement.is_model,
        "executions_per_month": projection.executions_per_month,
        "retention_days": projection.retention_days,
        "stored_executions": projection.stored_executions,
        "execution_bytes": measurement.execution_bytes,
        "operations": [asdict(line) for line in projection.lines],
        "request_units_per_execution": projection.request_units_per_execution,
        "request_units": projection.request_units,
        "gigabytes": {"documents": projection.document_gigabytes, "blobs": projection.blob_gigabytes},
        "signalr": {
            "watchers": projection.telling.watchers,
            "connections": projection.telling.connections,
            "messages": projection.telling.messages,
            "messages_per_day": projection.telling.messages_per_day,
            "tier": projection.telling.tier,
            "units": projection.telling.units,
        },
        "dollars": _dollars(projection),
        "plan": {
            "create_request_units": plan.create_request_units,
            "request_units_per_execution": plan.request_units_per_execution,
            "request_units": plan.request_units,
            "dollars": _dollars(plan),
        },
        "alert": {"above": alert_above, "is_above": is_above},
    }


def _dollars(of: Projection | PlanEstimate) -> dict[str, float]:
    return {
        "requests": of.request_dollars,
        "execution_data": of.execution_data_dollars,
        "documents": of.document_dollars,
        "blobs": of.blob_dollars,
        "signalr": of.signalr_dollars,
        "total": of.dollars,
    }


def _show(projection: Projection, alert_above: float) -> None:
    console = Console(width=max(out.width, _NARROWEST), highlight=False)
    for line in _heading(projection):
        out.print(line, markup=False)
    for table in (_operations(projection), _sums(projection)):
        console.print(table)
        out.print()
    out.print(_verdict(projection, alert_above), markup=False, style="red" if projection.is_above(alert_above) else None)


def _heading(projection: Projection) -> list[str]:
    """Return what was measured where, for people."""
    measurement = projection.measurement
    of_a_model = "; its charges follow a documented model, they are not a bill" if measurement.is_model else ""
    stored = f"each kept for {projection.retention_days:g} days in a document of {measurement.execution_bytes:,.0f} bytes"
    return [
        f"Measured on {measurement.place}{of_a_model}.",
        f"{projection.executions_per_month:,.0f} executions a month, {stored}, all in one scope.",
        "",
    ]


def _verdict(projection: Projection, alert_above: float) -> str:
    """Return what comes of it, for people."""
    place = "ABOVE" if projection.is_above(alert_above) else "below"
    return f"{projection.dollars:,.2f} $ a month: {place} the alert threshold of {alert_above:,.2f} $."


def _operations(projection: Projection) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    table.add_column("operation", no_wrap=True)
    for name in ("calls", "requests/call", "RU/call", "RU", "$"):
        table.add_column(name, justify="right")
    table.add_column("how often")
    for line in projection.lines:
        why = line.why if line.stand_in is None else f"{line.why} (measured: {line.stand_in})"
        table.add_row(
            line.operation,
            f"{line.calls:,.0f}",
            f"{line.requests_each:.3g}",
            f"{line.request_units_each:,.2f}",
            f"{line.request_units:,.0f}",
            f"{line.dollars:,.3f}",
            why,
        )
    return table


def _told(projection: Projection) -> str:
    telling = projection.telling
    units = "" if telling.tier == "Free" else f" x {telling.units}"
    return f"{telling.messages_per_day:,.0f} messages/day, {telling.tier}{units}"


def _sums(projection: Projection) -> Table:
    from rich.table import Table

    plan = projection.plan
    create = next(line.request_units_each for line in projection.lines if line.operation == _CREATE)
    table = Table(box=None, pad_edge=False)
    for name in ("", "projected", "$", "the plan", "$"):
        table.add_column(name, justify="right" if name else "left")
    for name, ours, theirs in (
        ("to create an execution", create, plan.create_request_units),
        ("every call for an execution", projection.request_units_per_execution, plan.request_units_per_execution),
    ):
        table.add_row(name, f"{ours:,.2f} RU", "", f"{theirs:,.2f} RU", "")
    sums = {
        "requests": (f"{projection.request_units:,.0f} RU", f"{plan.request_units:,.0f} RU"),
        _OF_DATA: (
            f"{projection.execution_data_request_units:,.0f} RU",
            f"{plan.execution_data_request_units:,.0f} RU",
        ),
        "documents": (f"{projection.document_gigabytes:,.3f} GB", ""),
        "blobs": (f"{projection.blob_gigabytes:,.3f} GB", ""),
        _SIGNALR: (_told(projection), ""),
        "total": ("", ""),
    }
    our_dollars, plan_dollars = _dollars(projection), _dollars(plan)
    for dollars in (our_dollars, plan_dollars):
        dollars[_OF_DATA], dollars[_SIGNALR] = dollars["execution_data"], dollars["signalr"]
    for name, (how_much, planned) in sums.items():
        table.add_row(name, how_much, f"{our_dollars[name]:,.2f}", planned, f"{plan_dollars[name]:,.2f}")
    return table
