"""A migration told to those who decide about it: what was moved and verified, what differs, when, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from xml.etree.ElementTree import Element

from bifrost_store.backends.registry import BACKENDS
from bifrost_store.costing import Projection
from bifrost_store.migration.state import KEPT_DAYS, ROLLBACK_DAYS, Backfilled, MigrationState, Moment, Phase, Verified
from bifrost_store.migration.status import MigrationStatus
from bifrost_store.reporting.elements import Child, element, page, table
from bifrost_store.reporting.plots import Bar, Part, Span, bars, spans

_PHASES: Final[Mapping[Phase, tuple[str, str]]] = {
    Phase.NONE: ("Not begun", "Nothing was begun."),
    Phase.STARTING: (
        "Being prepared",
        "The new store is being prepared. The old one answers; nothing has changed for anybody.",
    ),
    Phase.STARTED: ("Writing to both", "The old store answers. Whatever is written goes to both stores."),
    Phase.BACKFILLING: ("Being carried over", "What was there before is being carried over. The old store answers."),
    Phase.BACKFILLED: ("Carried over", "Everything was carried over. The old store answers; both are to be compared next."),
    Phase.VERIFIED: ("Verified", "Both stores were compared and hold the same. The old store answers; the new one may take over."),
    Phase.CUT_OVER: ("Cut over", "The new store answers. The old one receives every write too, so that going back loses nothing."),
    Phase.ROLLED_BACK: ("Rolled back", "The old store answers again. The new one receives every write too."),
    Phase.ABANDONED: ("Abandoned", "The migration was given up. The old store answers alone."),
    Phase.FINISHED: ("Finished", "The new store answers alone. The migration is over."),
}
_CARRIED: Final = {
    "copied": "carried over",
    "present": "there already, by a write to both",
    "deleted": "deletions carried over",
    "expired": "left out, as they had expired",
    "failed": "not carried",
    "unreadable": "not carried, as they cannot be read",
}
_CARRIED_COLOURS: Final = {
    "copied": "same",
    "present": "present",
    "deleted": "only_secondary",
    "expired": "expired",
    "failed": "differs",
    "unreadable": "could_not_check",
}
_FOUND: Final = {
    "same": "the same in both",
    "expired": "expired: no reader sees them",
    "differs": "differ",
    "only_primary": "in the answering store alone",
    "only_secondary": "in the other store alone",
    "could_not_check": "could not be compared",
}


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """What the page tells.

    Attributes:
        status: Where the migration stands.
        places: What each store is, by its name; without secrets.
        made_at: When it was asked.
        version: Of this library.
        projection: What a month costs; None: nobody asked.
    """

    status: MigrationStatus
    places: Mapping[str, str]
    made_at: datetime
    version: str
    projection: Projection | None = None


def page_of(report: MigrationReport) -> bytes:
    """Return the page as one file: no scripts, nothing that is fetched, light or dark as the reader has it.

    Raises:
        ValueError: There is no migration to tell of.
    """
    state = report.status.state
    if state is None:
        raise ValueError("there is no migration")
    title = f"Migration from {_title(state.source)} to {_title(state.target)}"
    places = " to ".join(report.places.get(name, name) for name in (state.source, state.target))
    told = f"From {places}. As of {_moment(report.made_at)}, by bifrost-store {report.version}. Migration {state.migration_id}."
    return page(
        title,
        element("h1", title),
        element("p", told, class_="quiet"),
        _verdict(report.status, state),
        _figures(report.status, state),
        *_moved(state.backfill),
        *_verified(state.verification),
        *_timeline(state, report.made_at),
        *_cost(report.projection),
        *_way_back(report.status, state),
    )


def _title(name: str) -> str:
    return BACKENDS[name].title if name in BACKENDS else name


def _verdict(status: MigrationStatus, state: MigrationState) -> Element:
    name, meaning = _PHASES[state.phase]
    found = state.verification
    problems = [f"{store}: {one.problem}" for store, one in status.stores.items() if one.problem is not None and one.is_needed]
    if problems:
        kind, told = "open", f"Something is wrong: {'; '.join(problems)}."
    elif found is None:
        kind, told = "unknown", "The two stores have not been compared yet."
    elif found.open_count:
        kind, told = (
            "open",
            f"{_count(found.open_count, 'difference')} open: what the comparison of {_moment(found.ended_at)} found.",
        )
    else:
        kind, told = "", f"No difference is open: both stores held the same on {_moment(found.ended_at)}."
    return element(
        "div", element("p", element("strong", name), f". {meaning}"), element("p", told), class_=f"verdict {kind}".strip()
    )


def _figures(status: MigrationStatus, state: MigrationState) -> Element:
    moved = None if state.backfill is None else sum(state.backfill.counts.get(what, 0) for what in ("copied", "present"))
    found = state.verification
    days = state.days_left(status.now)
    journals = [store.journal for store in status.stores.values() if store.journal is not None]
    shown = {
        "records in the new store": None if moved is None else f"{moved:,}",
        "records compared": None if found is None else f"{_compared(found.counts):,}",
        "differences open": None if found is None else f"{found.open_count:,}",
        "writes one store may lack": f"{sum(journals):,}" if journals else None,
        "days left to go back": None if days is None else str(days),
    }
    cards = [element("div", element("dt", what), element("dd", told or "-")) for what, told in shown.items()]
    return element("dl", *cards, class_="cards")


def _moved(backfill: Backfilled | None) -> list[Child]:
    if backfill is None:
        return [element("h2", "What was moved"), element("p", "Nothing was carried over to its end yet.")]
    told = "; ".join(f"{backfill.counts[what]:,} {label}" for what, label in _CARRIED.items() if backfill.counts.get(what))
    parts: list[Child] = [
        element("h2", "What was moved"),
        element("p", f"The last complete run ended on {_moment(backfill.ended_at)}: {told or 'nothing was there'}."),
    ]
    if backfill.kinds:
        rows = [_carried(kind, counts) for kind, counts in sorted(backfill.kinds.items(), key=lambda one: -_total(one[1]))]
        parts.append(bars(rows, label="Records that were carried over, by kind"))
    return parts


def _carried(kind: str, counts: Mapping[str, int]) -> Bar:
    parts = [Part(_CARRIED_COLOURS[what], counts.get(what, 0), label) for what, label in _CARRIED.items()]
    return Bar(_kind(kind), parts, f"{_total(counts):,}")


def _total(counts: Mapping[str, int]) -> int:
    return sum(counts.get(what, 0) for what in _CARRIED)


def _verified(found: Verified | None) -> list[Child]:
    if found is None:
        return [element("h2", "What was verified"), element("p", "The two stores have not been compared yet.")]
    compared = _compared(found.counts)
    same = found.counts.get("same", 0) + found.counts.get("expired", 0)
    lasted = _lasted(found.ended_at - found.began_at)
    told = f"Every record of both stores was compared, {compared:,} in {lasted}, until {_moment(found.ended_at)}."
    kinds = sorted(found.kinds.items(), key=lambda one: -_compared(one[1]))
    rows = [
        Bar(_kind(kind), [Part(what, counts.get(what, 0), label) for what, label in _FOUND.items()], _parity(counts))
        for kind, counts in kinds
    ]
    figures = [[_kind(kind), *(f"{counts.get(what, 0):,}" for what in _FOUND)] for kind, counts in kinds]
    figures.append(["all", *(f"{found.counts.get(what, 0):,}" for what in _FOUND)])
    parity = "nothing to compare" if not compared else f"{_percent(same, compared)} agree"
    repaired = sum(found.counts.get(what, 0) for what in ("differs", "only_primary", "only_secondary", "could_not_check"))
    mended = f" {repaired - found.open_count:,} of the differences were repaired." if repaired > found.open_count else ""
    return [
        element("h2", "What was verified"),
        element("p", f"{told} {parity[0].upper()}{parity[1:]}.{mended}"),
        bars(rows, label="Share of the records of each kind that agree", is_share=True) if rows else None,
        table(["kind", *_FOUND.values()], figures, caption="Records by kind and by what the comparison found"),
    ]


def _compared(counts: Mapping[str, int]) -> int:
    return sum(counts.get(what, 0) for what in _FOUND)


def _parity(counts: Mapping[str, int]) -> str:
    same = counts.get("same", 0) + counts.get("expired", 0)
    return f"{_percent(same, _compared(counts))} of {_compared(counts):,}"


def _percent(part: int, whole: int) -> str:
    """Return a share that says 100 % of nothing less than all."""
    if not whole or part == whole:
        return "100 %"
    return f"{min(part / whole * 100, 99.99):.2f} %"


def _timeline(state: MigrationState, now: datetime) -> list[Child]:
    history = list(state.history) or [Moment(phase=state.phase, at=state.changed_at)]
    ends = [moment.at for moment in history[1:]] + [history[-1].at if state.phase is Phase.FINISHED else now]
    shown = [
        Span(_PHASES[moment.phase][0], "same" if moment is history[-1] else "past", moment.at, max(end, moment.at), told)
        for moment, end in zip(history, ends, strict=True)
        for told in [_lasted(end - moment.at)]
    ]
    rows = [[span.label, _moment(span.start), span.figure] for span in shown]
    return [
        element("h2", "When"),
        spans(shown, label="The phases of the migration and how long each lasted"),
        table(["phase", "began", "lasted"], rows, caption="The phases in their order"),
    ]


def _cost(projection: Projection | None) -> list[Child]:
    if projection is None:
        return []
    plan = projection.plan
    parts: Sequence[tuple[str, float, float]] = [
        ("requests", projection.request_dollars, plan.request_dollars),
        ("stored documents", projection.document_dollars, plan.document_dollars),
        ("stored payloads", projection.blob_dollars, plan.blob_dollars),
        ("telling browsers", projection.signalr_dollars, plan.signalr_dollars),
        ("all", projection.dollars, plan.dollars),
    ]
    rows = []
    for name, ours, theirs in (part for part in parts if part[1] or part[2]):
        rows.append(Bar(name, [Part("same", ours, "projected from measured calls")], _dollars(ours)))
        rows.append(Bar("", [Part("plan", theirs, "estimate of the migration's plan")], _dollars(theirs)))
    told = (
        f"A month with {projection.executions_per_month:,.0f} runs is projected to cost {_dollars(projection.dollars)}; "
        f"the plan expected {_dollars(plan.dollars)}."
    )
    how = f"Calls were measured on {projection.measurement.place}, at list prices of the US."
    model = " Its charges follow a documented model: they are no bill." if projection.measurement.is_model else ""
    return [
        element("h2", "What it costs"),
        element("p", told),
        bars(rows, label="Dollars a month, projected and planned"),
        element("p", how + model, class_="quiet"),
    ]


def _way_back(status: MigrationStatus, state: MigrationState) -> list[Child]:
    days, kept = state.days_left(status.now), state.kept_until()
    told = {
        Phase.CUT_OVER: f"Going back takes one command and loses nothing. Of the {ROLLBACK_DAYS} days promised, {days} are left.",
        Phase.FINISHED: "There is no way back: the old store has not been written to since the migration was finished.",
        Phase.ABANDONED: "There is nothing to take back.",
    }.get(state.phase, "The old store answers, so that giving the migration up costs nothing and loses nothing.")
    until = ""
    if isinstance(kept, datetime):
        until = f" What the old application left is kept until {kept:%Y-%m-%d}."
    elif kept is not None:
        until = f" What the old application left is kept until {KEPT_DAYS} days after the new store took over."
    return [element("h2", "The way back"), element("p", told + until)]


def _kind(kind: str) -> str:
    return kind.replace("_", " ")


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _dollars(amount: float) -> str:
    return f"${amount:,.2f}"


def _lasted(time: timedelta) -> str:
    seconds = max(0, round(time.total_seconds()))
    days, hours, minutes = seconds // 86_400, seconds % 86_400 // 3600, seconds % 3600 // 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {seconds % 60} s" if minutes else f"{seconds} s"
