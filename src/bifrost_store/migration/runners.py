"""Who carries out a long step, and whether they still do."""

from __future__ import annotations

import os
import socket
from datetime import datetime, timedelta
from typing import Final

from bifrost_store.migration.state import Running

BEAT_SECONDS: Final = 5.0
"""Between two signs of life of whoever carries out a backfill or a verification."""
_SILENT: Final = timedelta(seconds=6 * BEAT_SECONDS)


def this_process() -> str:
    """Return this machine and process, for people."""
    return f"{socket.gethostname()} {os.getpid()}"


def is_gone(process: str) -> bool:
    """Return whether *process*, host and process id first, is one of this machine that has ended. Of others nothing is known."""
    host, _, rest = process.partition(" ")
    number = rest.partition(" ")[0]
    if host != socket.gethostname() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except (PermissionError, OverflowError):
        return False
    return False


def interrupted_since(running: Running, now: datetime) -> datetime | None:
    """Return since when a step is not carried out any more; None: it is."""
    if running.is_over or is_gone(running.runner) or now - running.seen_at > _SILENT:
        return running.seen_at
    return None
