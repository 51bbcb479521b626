"""What a hub counts, why it refuses somebody, and how it tells."""

from __future__ import annotations

import collections
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

_log = logging.getLogger("bifrost_store.signalr")
_TELLS_EVERY_SECONDS: Final = 60


class Reason(StrEnum):
    """Why a request or a connection was refused or ended by the hub."""

    HOST = "host"
    ORIGIN = "origin"
    UNAUTHENTICATED = "unauthenticated"
    TICKET = "ticket"
    TOKEN = "token"  # noqa: S105 - a name
    REUSED = "reused"
    CONNECTIONS = "connections"
    USER_CONNECTIONS = "user_connections"
    GROUPS = "groups"
    HANDSHAKE = "handshake"
    HANDSHAKE_TIME = "handshake_time"
    MALFORMED = "malformed"
    OVERSIZE = "oversize"
    FLOOD = "flood"
    SILENT = "silent"
    SLOW = "slow"
    SERVERLESS = "serverless"
    STOPPING = "stopping"


@dataclass(eq=False)
class Counters:
    """What happened since the hub was made; only `connections` goes down again."""

    connections: int = 0
    """Clients that are connected now."""

    opened: int = 0
    """Connections whose handshake was done."""

    frames_out: int = 0
    """Frames sent, or polls answered with messages; each holds as many messages as waited."""

    messages_out: int = 0
    bytes_out: int = 0
    frames_in: int = 0
    bytes_in: int = 0

    messages_dropped: int = 0
    """Messages that a ``resync`` replaced, or that waited for a client which was dropped."""

    resyncs: int = 0
    """Times that a queue was replaced by one ``resync``."""

    refused: collections.Counter[Reason] = field(default_factory=collections.Counter)
    """Requests and connections that were refused or ended, by reason."""


class Teller:
    """Counts refusals, and writes each reason to the log at most once a minute, with how often it came."""

    def __init__(self, counters: Counters, clock: Callable[[], float] = time.monotonic) -> None:
        self._counters = counters
        self._clock = clock
        self._told: dict[Reason, tuple[float, int]] = {}

    def refused(self, reason: Reason) -> None:
        """Count one."""
        self._counters.refused[reason] += 1
        count, now = self._counters.refused[reason], self._clock()
        told_at, told = self._told.get(reason, (None, 0))
        if told_at is None or now - told_at >= _TELLS_EVERY_SECONDS:
            self._told[reason] = now, count
            _log.warning("signalr.refused reason=%s count=%d", reason, count - told)
