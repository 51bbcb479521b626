"""How often the platform makes each call: what a projection assumes, and may be told otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final, Literal

from bifrost_store.errors import InvalidRequestError

DAYS_PER_MONTH: Final = 30
_MINUTES_PER_MONTH: Final = DAYS_PER_MONTH * 24 * 60
EXECUTION_DATA: Final = "execution_data"
"""With this begin the names of operations on what runs leave while they go on."""
FLUSHES: Final = ("execution_data.append, a line", "execution_data.append, variables")
"""What those who watch a run are told of as it is stored."""
STATUSES: Final = ("executions.create", "executions.set_status", "executions.complete")
"""And what they are told of where it stands."""
POLL: Final = "feed.poll"
_POLLS_PER_MINUTE: Final = 180
"""Of two triggers: on execution data every half second, on executions every second."""
METRICS_POLL: Final = "feed.poll, metrics"
_METRICS_POLLS_PER_MINUTE: Final = 12
RECOUNT: Final = "metrics.recount, an hour and its day"
DASHBOARD: Final = "metrics.dashboard, 30 days"
ROLLUP: Final = "metrics.rollup"
LEASE: Final = "leases.renew"
_LEASE_RENEWALS_PER_MONTH: Final = _MINUTES_PER_MONTH * 6
"""One process renews its lease every ten seconds."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often an operation is called.

    Attributes:
        count: Calls, for each execution or in a month.
        per: Which of the two.
        why: Where the figure comes from.
    """

    count: float
    per: Literal["execution", "month"]
    why: str

    def calls(self, executions_per_month: float) -> float:
        """Return the calls of a month."""
        return self.count * executions_per_month if self.per == "execution" else self.count


Mix = Mapping[str, Rate]
"""Rates by operation."""

EACH_DOCUMENT_EXPIRED: Final = "execution_data, each expired"

DEFAULT_MIX: Final[Mix] = MappingProxyType(
    {
        "executions.create": Rate(1, "execution", "the plan"),
        "executions.set_status": Rate(1, "execution", "runs are queued, then started"),
        "executions.complete": Rate(1, "execution", "the plan"),
        "execution_data.append, a line": Rate(10, "execution", "the plan's 10 lines, each by itself, as in a slow run"),
        "execution_data.append, variables": Rate(5, "execution", "the plan's 5 updates"),
        "execution_data.append, a result": Rate(1, "execution", "the plan's result of 5 kB, beside the record"),
        "execution_data.items": Rate(2, "execution", "the plan's 2 log reads, of a whole run"),
        EACH_DOCUMENT_EXPIRED: Rate(16, "execution", "what a run left is removed, be it by TTL"),
        "executions.get": Rate(1, "execution", "half of the plan's 2 execution queries"),
        "executions.list": Rate(0.5, "execution", "a quarter of them, pages of 25"),
        "executions.load_result": Rate(0.5, "execution", "a quarter of them"),
        "config.get": Rate(1, "execution", "the plan's 1 entity query"),
        "forms.get": Rate(0.4, "execution", "4 of 10 of these runs come from forms"),
        "api_keys.validate": Rate(0.5, "execution", "half of all runs are started with a key"),
        "audit.append": Rate(0.5, "execution", "and each of these is accounted for"),
        "schedules.claim": Rate(0.03, "execution", "3 of 100 of these runs are scheduled"),
        "executions.purge_expired, each": Rate(1, "execution", "what was kept is removed, be it by TTL"),
        "executions.statistics": Rate(1000, "month", "the plan's dashboards, of all stored"),
        "executions.stuck": Rate(_MINUTES_PER_MONTH / 5, "month", "a timer, every five minutes"),
        "schedules.due": Rate(_MINUTES_PER_MONTH / 5, "month", "a timer, every five minutes"),
        "executions.purge_expired": Rate(_MINUTES_PER_MONTH / 60, "month", "a timer, every hour"),
        "api_keys.validate, use noted": Rate(_MINUTES_PER_MONTH / 5, "month", "every five minutes: one key in use"),
        POLL: Rate(_POLLS_PER_MINUTE * _MINUTES_PER_MONTH, "month", "real time's triggers, every 0.5 s and every second"),
        RECOUNT: Rate(1, "execution", "each run by itself; those that end together share one"),
        DASHBOARD: Rate(1000, "month", "the plan's dashboards, beside their statistics"),
        ROLLUP: Rate(_MINUTES_PER_MONTH / 15, "month", "a timer, every 15 minutes: two scopes, and the platform"),
        METRICS_POLL: Rate(_METRICS_POLLS_PER_MINUTE * _MINUTES_PER_MONTH, "month", "the trigger of metrics, every five seconds"),
        LEASE: Rate(_LEASE_RENEWALS_PER_MONTH, "month", "every ten seconds: one process"),
    }
)


def with_rates(mix: Mix, counts: Mapping[str, float]) -> Mix:
    """Return *mix* with other counts for some operations, in the units that they have.

    Raises:
        InvalidRequestError: There is no such operation, or a count is negative or no number.
    """
    for name, count in counts.items():
        if name not in mix:
            raise InvalidRequestError(f"mix: there is no operation {name!r}; known are {'; '.join(mix)}")
        if not 0 <= count < float("inf"):
            raise InvalidRequestError(f"mix: {name}: must be a number, 0 or more")
    return MappingProxyType(
        {name: replace(rate, count=counts[name], why="as given") if name in counts else rate for name, rate in mix.items()}
    )


def with_processes(mix: Mix, processes: int) -> Mix:
    """Return *mix* with the leases of so many processes. Leases are held while a migration is under way."""
    why = f"every ten seconds: {processes} {'process' if processes == 1 else 'processes'}"
    return MappingProxyType({**mix, LEASE: Rate(processes * _LEASE_RENEWALS_PER_MONTH, "month", why)})
