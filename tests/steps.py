"""Counts how many requests follow one another: those that are under way at the same time are one step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from azure.core.pipeline.transport import AioHttpTransport


@dataclass
class Steps:
    """What was sent while it was counted.

    Attributes:
        count: The longest chain of requests of which each began after the one before had been answered.
        requests: How many there were.
    """

    count: int = 0
    requests: int = 0


@contextmanager
def counting_steps() -> Iterator[Steps]:
    """Count what the Azure SDKs send inside the block."""
    steps, answered, send = Steps(), 0, AioHttpTransport.send

    async def counted(self: AioHttpTransport, request: Any, **options: Any) -> Any:
        nonlocal answered
        number = answered + 1
        steps.count, steps.requests = max(steps.count, number), steps.requests + 1
        try:
            return await send(self, request, **options)
        finally:
            answered = max(answered, number)

    with patch.object(AioHttpTransport, "send", counted):
        yield steps
