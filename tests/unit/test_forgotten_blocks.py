"""Who forgets ``async with`` is told what to write."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from bifrost_store import StoreSettings, open_store, open_store_blocking
from bifrost_store.opening.azure_realtime import open_azure_realtime
from bifrost_store.opening.migration import open_migration
from bifrost_store.opening.realtime import open_realtime
from bifrost_store.signalr import Hub

SETTINGS = StoreSettings(sqlite_path=":memory:")
OPENERS: dict[str, tuple[Callable[[], Any], str]] = {
    "open_store": (lambda: open_store(SETTINGS), "async with"),
    "open_store_blocking": (lambda: open_store_blocking(SETTINGS), "with"),
    "open_realtime": (lambda: open_realtime(Hub(), SETTINGS), "async with"),
    "open_azure_realtime": (lambda: open_azure_realtime(SETTINGS), "async with"),
    "open_migration": (lambda: open_migration(SETTINGS), "async with"),
}


@pytest.mark.parametrize("name", OPENERS)
def test_what_was_not_entered_says_what_to_write(name: str) -> None:
    """An attribute of the store is no attribute of what opens it; nothing was opened that would have to be closed."""
    make, keyword = OPENERS[name]

    with pytest.raises(AttributeError, match=rf"{name}\(\) has no 'executions': .* write: {keyword} {name}\(\.\.\.\) as opened"):
        _ = make().executions
    assert not hasattr(copy.copy(make()), "executions")


@pytest.mark.anyio
@pytest.mark.parametrize("name", OPENERS)
async def test_what_was_awaited_says_what_to_write(name: str) -> None:
    """``await open_store()`` reads as if it opened one."""
    make, keyword = OPENERS[name]

    with pytest.raises(TypeError, match=rf"{name}\(\) is not awaited: .* write: {keyword} {name}"):
        await make()


def test_openers_are_documented_as_they_are_declared() -> None:
    """What editors and ``help`` show is the function's own."""
    assert "Open the store and close it" in str(open_store.__doc__)
    assert "Open the store for code that does not await" in str(open_store_blocking.__doc__)
