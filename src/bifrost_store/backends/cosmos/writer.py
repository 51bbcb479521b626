"""Carries writes out: sends the documents that they decide on, and says what the service's answers mean."""

from __future__ import annotations

from collections.abc import Sequence

from azure.core.exceptions import AzureError, HttpResponseError
from typing_extensions import override

from bifrost_store.backends.cosmos.account import CosmosAccount, Put
from bifrost_store.backends.cosmos.documents import document_from_record
from bifrost_store.backends.cosmos.errors import BACKEND, is_ambiguous, map_error
from bifrost_store.backends.cosmos.exchanges import may_be_done, watched
from bifrost_store.backends.cosmos.reader import CosmosReader
from bifrost_store.backends.cosmos.writes import Write
from bifrost_store.backends.settling import CONFLICTS, Refusal, Sender, look, settle
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import Clock
from bifrost_store.errors import BackendError, NotProvisionedError, StoreError, ThrottledError


class CosmosWriter:
    """Stores what writes decide. Raises the SDK's errors, and ours."""

    def __init__(self, account: CosmosAccount, reader: CosmosReader, clock: Clock) -> None:
        self._account = account
        self._reader = reader
        self._now = clock

    async def carry_out(self, writes: Sequence[Write], attempt: Attempt) -> None:
        """Carry out *writes* to different records of one kind and scope, all or nothing; each then has its result."""
        sender = _CosmosSender(self._account, self._reader, self._now)
        if any(write.looks_first for write in writes):
            await look(writes, sender, is_lost=False)
        await settle(writes, sender, attempt)


class _CosmosSender(Sender[Write]):
    """Sends one write, and remembers how its last sending was answered."""

    backend = BACKEND

    def __init__(self, account: CosmosAccount, reader: CosmosReader, clock: Clock) -> None:
        self._account = account
        self._reader = reader
        self._now = clock
        self._statuses: list[int] = []

    @override
    async def send(self, pending: Sequence[Write], attempt: Attempt) -> list[list[str]]:
        for write in pending:
            write.prepare()
        first = pending[0].key
        container = self._reader.container(first.kind)
        with watched() as self._statuses:
            etags = await self._account.write(container, first.scope.value, list(map(self._put, pending)), attempt)
        return [[etag] for etag in etags]

    @override
    def refusal(self, error: Exception) -> Refusal | None:
        return refusal_of(error, self._statuses)

    @override
    async def look(self, writes: Sequence[Write], *, is_lost: bool) -> list[StoreError]:
        stored = await self._reader.states([write.key for write in writes])
        outcomes: list[StoreError] = []
        for write, record in zip(writes, stored, strict=True):
            try:
                write.see(record, is_lost=is_lost)
            except StoreError as error:
                outcomes.append(error)
        return outcomes

    def _put(self, write: Write) -> Put:
        assert write.record is not None
        document = document_from_record(write.record, self._now(), has_ttl=self._reader.has_ttl(write.key.kind))
        return Put(document, write.over)


def refusal_of(error: Exception, statuses: Sequence[int]) -> Refusal | None:
    """Return what *error* means that a sending met, all of whose answers had *statuses*; None if it is not the service's."""
    if not isinstance(error, AzureError | BackendError):
        return None
    failure = map_error(error)
    is_conflict = isinstance(error, HttpResponseError) and error.status_code in CONFLICTS
    return Refusal(
        failure,
        is_ambiguous=is_ambiguous(error) or may_be_done(statuses),
        is_conflict=is_conflict and not isinstance(failure, NotProvisionedError) and not failure.is_retryable,
        is_hopeless=isinstance(failure, ThrottledError),
    )
