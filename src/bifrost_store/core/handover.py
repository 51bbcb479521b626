"""What is to be done once scopes have got another primary store, bound by those who know who needs it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bifrost_store.core.scope import Scope


class AfterHandover(Protocol):
    """Is called at the end of every cut-over and rollback, also of one that had nothing left to do."""

    async def __call__(self, scopes: Sequence[Scope], /) -> Sequence[str]:
        """Do it for *scopes*, or for all where there are none, and return what to tell people. A failure is told, never raised."""
        ...


async def nothing_more(scopes: Sequence[Scope], /) -> Sequence[str]:
    """Do nothing."""
    return ()
