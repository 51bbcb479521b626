"""Who carries out a long step, and whether they still do."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextvars import Context
from datetime import datetime, timedelta
from typing import Final

import anyio

from bifrost_store.core.clock import Clock
from bifrost_store.core.events import log_event
from bifrost_store.errors import StoreError
from bifrost_store.migration.state import MigrationState, Running, Step
from bifrost_store.migration.state_store import StateStore

_logger: Final = logging.getLogger("bifrost_store.migration")

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
    except (PermissionError, OverflowError, ValueError):
        return False
    return False


def interrupted_since(running: Running, now: datetime) -> datetime | None:
    """Return since when a step is not carried out any more; None: it is."""
    if running.is_over or is_gone(running.runner) or now - running.seen_at > _SILENT:
        return running.seen_at
    return None


@contextlib.asynccontextmanager
async def running(saved: StateStore, state: MigrationState, step: Step, clock: Clock) -> AsyncIterator[None]:
    """Save *state*, and show signs of life while *step* is carried out; whoever writes the state at its end clears that."""
    now, runner = clock(), this_process()
    begun = Running(step=step, runner=runner, began_at=now, seen_at=now)
    await saved.write(state.model_copy(update={"running": begun, "runner": runner}))
    ended = anyio.Event()
    beating = asyncio.create_task(_beat(saved, clock, ended), context=Context())
    try:
        yield
    except BaseException:
        with anyio.move_on_after(BEAT_SECONDS, shield=True), contextlib.suppress(StoreError):
            await saved.beat(clock(), is_over=True)
        raise
    finally:
        ended.set()  # and not cancelled: a write whose answer nobody heard would look like another operator's
        with anyio.CancelScope(shield=True):
            await asyncio.wait({beating}, timeout=BEAT_SECONDS)
        beating.cancel()


async def _beat(saved: StateStore, clock: Clock, ended: anyio.Event) -> None:
    while not ended.is_set():
        with anyio.move_on_after(BEAT_SECONDS):
            await ended.wait()
            return
        try:
            await saved.beat(clock())
        except Exception as error:  # noqa: BLE001 - whoever works hears of it at the next batch
            log_event(_logger, logging.WARNING, "background.failed", work="signs of life", error=type(error).__name__)
