"""What it costs to tell those who watch runs: messages of Azure SignalR Service, derived from what runs leave.

Sources: "Messages and connections in Azure SignalR Service" and "Azure SignalR Service pricing", Microsoft; US list prices.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from bifrost_store.core.prices import DOLLARS_PER_SIGNALR_UNIT_MONTH
from bifrost_store.costing.mix import DAYS_PER_MONTH, FLUSHES, STATUSES, Mix

WATCHERS: Final = 0.1
"""Connections that watch a run, on average: one run of ten is looked at while it goes on."""
CONNECTIONS: Final = 20
"""Pages that are open at the same time."""
_TELLINGS_OF_A_FLUSH: Final = 2
"""By the process that records, and by the feed."""
MESSAGE_BYTES: Final = 2_048
"""A message counts once for each so many bytes, and for each connection that it is sent to; what clients send does not count."""
_FREE_MESSAGES_PER_DAY: Final = 20_000
_FREE_CONNECTIONS: Final = 20
_UNIT_CONNECTIONS: Final = 1_000
_UNIT_MESSAGES_PER_DAY: Final = 1_000_000
"""Included in a unit's price."""
_DOLLARS_PER_MILLION_MESSAGES: Final = 1.0


@dataclass(frozen=True, slots=True)
class Telling:
    """A month of the service.

    Attributes:
        watchers: Connections that watch a run, on average.
        connections: At the same time.
        messages: Of the month, as the service counts them.
        messages_per_day: Spread evenly: a busy day has more.
        tier: That suffices.
        units: Of it.
        dollars: What they cost.
    """

    watchers: float
    connections: int
    messages: float
    messages_per_day: float
    tier: Literal["Free", "Standard"]
    units: int
    dollars: float


def telling_of(
    mix: Mix,
    executions_per_month: float,
    sizes: Mapping[str, float],
    *,
    watchers: float = WATCHERS,
    connections: int = CONNECTIONS,
    dollars_per_unit: float = DOLLARS_PER_SIGNALR_UNIT_MONTH,
) -> Telling:
    """Return what it costs to tell of the flushes and the statuses in *mix*, the smallest tier that suffices taken.

    Args:
        sizes: Bytes of what a call of an operation stores, of which its message is made; without one it is a small message.
        dollars_per_unit: Price of a unit of the Standard tier for a month.
    """
    tellings = {**dict.fromkeys(FLUSHES, _TELLINGS_OF_A_FLUSH), **dict.fromkeys(STATUSES, 1)}
    told = sum(
        mix[name].calls(executions_per_month) * times * max(1, math.ceil(sizes.get(name, 0.0) / MESSAGE_BYTES))
        for name, times in tellings.items()
        if name in mix
    )
    messages = told * watchers
    daily = messages / DAYS_PER_MONTH
    if daily <= _FREE_MESSAGES_PER_DAY and connections <= _FREE_CONNECTIONS:
        return Telling(watchers, connections, messages, daily, "Free", 1, 0.0)
    units = max(1, math.ceil(connections / _UNIT_CONNECTIONS))
    further = max(0.0, daily - units * _UNIT_MESSAGES_PER_DAY) * DAYS_PER_MONTH
    dollars = units * dollars_per_unit + further / 1e6 * _DOLLARS_PER_MILLION_MESSAGES
    return Telling(watchers, connections, messages, daily, "Standard", units, dollars)
