"""Calls at the same time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio

from bifrost_store.errors import StoreError

T = TypeVar("T")


async def at_once(count: int, call: Callable[[int], Awaitable[T]]) -> list[T | StoreError]:
    """Return what *count* calls made at the same time return or raise, in their order."""
    results: dict[int, T | StoreError] = {}

    async def run(number: int) -> None:
        try:
            results[number] = await call(number)
        except StoreError as error:
            results[number] = error

    async with anyio.create_task_group() as group:
        for number in range(count):
            group.start_soon(run, number)
    return [results[number] for number in range(count)]
