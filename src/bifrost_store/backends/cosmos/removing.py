"""Removes documents for good, and finds out what became of that where an answer is lost."""

from __future__ import annotations

from collections.abc import Sequence

from azure.core.exceptions import AzureError, HttpResponseError

from bifrost_store.backends.cosmos.account import CosmosAccount, Remove
from bifrost_store.backends.cosmos.errors import is_ambiguous
from bifrost_store.backends.cosmos.exchanges import may_be_done, watched


async def remove(
    account: CosmosAccount, container: str, partition: str, changes: Sequence[Remove], *, is_lost: bool = False
) -> int:
    """Remove documents of one partition, at most 100; return how many were there, as far as can be told.

    Raises:
        AzureError: The service refused, or two answers were lost.
    """
    statuses: list[int] = []
    while changes:
        try:
            with watched() as statuses:
                await account.write(container, partition, changes)
        except AzureError as error:
            if isinstance(error, HttpResponseError) and error.status_code in (404, 412):
                is_lost = is_lost or may_be_done(statuses)
                if len(changes) == 1:
                    return int(error.status_code == 404 and is_lost)
                # Somebody else, or a sending whose answer was lost, removed one: then all or none of the others are gone too.
                return sum([await remove(account, container, partition, [change], is_lost=is_lost) for change in changes])
            if is_lost or not is_ambiguous(error):
                raise
            is_lost = True
            continue
        break
    return len(changes)
