"""Which recording the present code writes to."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, copy_context
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from bifrost_store.recording.run_recording import RunRecording

P = ParamSpec("P")
R = TypeVar("R")

present_recording: Final[ContextVar[RunRecording | None]] = ContextVar("bifrost_store_recording", default=None)
"""Ambient because `logging` calls handlers with a log record alone."""


def carry(function: Callable[P, R]) -> Callable[P, R]:
    """Return *function* so that it records to the present recording on whatever thread it runs.

    For ``ThreadPoolExecutor.submit``, ``loop.run_in_executor`` and ``threading.Thread``, which do not take the context of their
    caller along; tasks and `asyncio.to_thread` do::

        pool.submit(carry(work), item)
    """
    context = copy_context()

    @wraps(function)
    def carried(*args: P.args, **kwargs: P.kwargs) -> R:
        # A context cannot be entered twice at a time, and several threads may run this at once.
        return context.copy().run(function, *args, **kwargs)

    return carried
