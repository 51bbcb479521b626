"""What the second store must be before a migration may start: provisioned as needed, as consistent as promised, and empty."""

from __future__ import annotations

from typing import Final

from bifrost_store.backends.protocol import Backend, Difference
from bifrost_store.errors import MigrationRefusedError, NextStep

_INIT: Final = NextStep("with BIFROST_STORE_BACKEND=cosmos", "init", {"fix": True})


async def make_ready(target: Backend, name: str) -> str:
    """Provision *target*, whatever is missing of it; return a line about it.

    Raises:
        MigrationRefusedError: It is not as it must be, or its account promises too little.
    """
    await target.provision()
    if found := await unfit(target):
        raise MigrationRefusedError(f"{name} is not as it must be", reasons=[*map(str, found)], next_steps=(remedy_of(found),))
    return f"{name} is provisioned: {await target.ping()}"


async def unfit(target: Backend) -> list[Difference]:
    """Return what about *target* forbids a migration, as far as it exists. Changes nothing."""
    if target.layout is None:
        return []
    return [one for one in await target.layout.differences(missing_ok=True) if not one.is_warning or one.place == "account"]


def remedy_of(found: list[Difference]) -> NextStep:
    """Return what to do about the first of what `unfit` found."""
    return _INIT if found[0].is_fixable else NextStep(found[0].remedy)
