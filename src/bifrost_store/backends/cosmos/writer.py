"""Carries writes out: sends them, finds out what became of those whose answer was lost, and tries again where that helps."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

import anyio
from azure.core.exceptions import AzureError, HttpResponseError

from bifrost_store.backends.cosmos.account import CosmosAccount, Put
from bifrost_store.backends.cosmos.documents import document_from_record
from bifrost_store.backends.cosmos.errors import BACKEND, is_ambiguous, map_error
from bifrost_store.backends.cosmos.exchanges import may_be_done, watched
from bifrost_store.backends.cosmos.reader import CosmosReader
from bifrost_store.backends.cosmos.writes import Write
from bifrost_store.core.attempts import Attempt, Sendings, staying_unknown
from bifrost_store.core.clock import Clock
from bifrost_store.core.meter import count_retry
from bifrost_store.errors import BackendError, NotProvisionedError, StoreError, ThrottledError

_ATTEMPTS: Final = 5
_FIRST_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 2.0
_CONFLICTS: Final = frozenset({404, 409, 412})


class CosmosWriter:
    """Stores what writes decide. Raises the SDK's errors, and ours."""

    def __init__(self, account: CosmosAccount, reader: CosmosReader, clock: Clock) -> None:
        self._account = account
        self._reader = reader
        self._now = clock

    async def carry_out(self, writes: Sequence[Write], attempt: Attempt) -> None:
        """Carry out *writes* to different records of one kind and scope, all or nothing; each then has its result."""
        if any(write.looks_first for write in writes):
            await self._look(writes, is_lost=False)
        sendings = Sendings()
        with staying_unknown(sendings, writes[0].key, BACKEND):
            for number in range(_ATTEMPTS):
                pending = [write for write in writes if not write.is_settled]
                if not pending:
                    return
                for write in pending:
                    write.prepare()
                if number > 0:
                    count_retry()
                statuses: list[int] = []
                try:
                    with watched() as statuses:
                        etags = await self._send(pending, attempt)
                except (AzureError, BackendError) as error:
                    sendings.is_unknown = sendings.is_unknown or is_ambiguous(error) or may_be_done(statuses)
                    await self._recover(error, writes, is_lost=sendings.is_unknown, is_last=number == _ATTEMPTS - 1)
                    continue
                sendings.is_unknown = True  # It is carried out: whatever fails from here on is no refusal.
                for write, etag in zip(pending, etags, strict=True):
                    write.sent(etag)

    async def _send(self, pending: Sequence[Write], attempt: Attempt) -> list[str]:
        first = pending[0].key
        container = self._reader.container(first.kind)
        changes = [self._put(write) for write in pending]
        return await self._account.write(container, first.scope.value, changes, attempt)

    def _put(self, write: Write) -> Put:
        assert write.record is not None
        document = document_from_record(write.record, self._now(), has_ttl=self._reader.has_ttl(write.key.kind))
        return Put(document, write.over)

    async def _recover(self, error: Exception, writes: Sequence[Write], *, is_lost: bool, is_last: bool) -> None:
        """Prepare for sending again, or raise what the caller must hear."""
        failure = map_error(error)
        cause = failure.__cause__ or error
        is_conflict = isinstance(error, HttpResponseError) and error.status_code in _CONFLICTS
        is_conflict = is_conflict and not isinstance(failure, NotProvisionedError) and not failure.is_retryable
        if not is_conflict and not is_lost and (not failure.is_retryable or isinstance(failure, ThrottledError)):
            raise error  # what the SDK could mend by sending again, it has tried
        if is_conflict or is_lost:
            await self._look([write for write in writes if not write.is_settled], is_lost=is_lost, cause=cause)
        if all(write.is_settled for write in writes):
            return
        is_long = (failure.retry_after_seconds or 0.0) > _LONGEST_PAUSE_SECONDS
        if is_last or is_long or not (failure.is_retryable or is_conflict):
            raise error
        if not is_conflict:
            await anyio.sleep(_FIRST_PAUSE_SECONDS * 2 ** random.uniform(0, 4))  # noqa: S311 - jitter

    async def _look(self, writes: Sequence[Write], *, is_lost: bool, cause: BaseException | None = None) -> None:
        """Show *writes* what is stored; of several that fail, the first in order is heard."""
        stored = await self._reader.states([write.key for write in writes])
        refusals: list[StoreError] = []
        for write, record in zip(writes, stored, strict=True):
            try:
                write.see(record, is_lost=is_lost)
            except StoreError as error:
                refusals.append(error)
        if any(write.is_own for write in writes):
            # A batch is all or nothing: what is found of one write holds for all.
            for write in writes:
                write.settle_as_sent()
        elif refusals:
            raise refusals[0] from cause
