"""Execution data in the container of that name: one partition for each execution id, one transactional batch for each flush."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Final

from typing_extensions import override

from bifrost_store.backends.cosmos.account import CosmosAccount, Put, Remove
from bifrost_store.backends.cosmos.data_documents import data_from_document, document_from_data
from bifrost_store.backends.cosmos.documents import Document
from bifrost_store.backends.cosmos.errors import BACKEND, wrap_errors
from bifrost_store.backends.cosmos.exchanges import watched
from bifrost_store.backends.cosmos.layout import CONTAINER_OF
from bifrost_store.backends.cosmos.removing import remove
from bifrost_store.backends.cosmos.sql import Statement
from bifrost_store.backends.cosmos.writer import refusal_of
from bifrost_store.backends.execution_data import DataPage, DataScanPage, ExecutionData, data_page, data_scan_page
from bifrost_store.backends.settling import Refusal, Sender, settle
from bifrost_store.core.attempts import Attempt
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.execution_data import MAX_FLUSH_DOCUMENTS, DataDocument, DataRange, DataType, Run
from bifrost_store.core.json import dump_json, load_json
from bifrost_store.core.record import Key
from bifrost_store.core.tasks import for_each
from bifrost_store.errors import CorruptDocumentError, DocumentExistsError, InvalidContinuationTokenError, StoreError

CONTAINER: Final = CONTAINER_OF["execution_data"]
_SCAN_PAGE_SIZE: Final = 500
_ALL: Final = "SELECT * FROM c"
_EXPIRED: Final = "SELECT c.id, c.executionId, c._etag FROM c WHERE c.expiresAt <= @now"
_WRITERS: Final = "SELECT c.id, c.writeId FROM c WHERE ARRAY_CONTAINS(@ids, c.id)"


class CosmosExecutionData(ExecutionData):
    """An `ExecutionData` over one database."""

    def __init__(self, account: CosmosAccount, clock: Clock) -> None:
        self._account = account
        self._now = clock

    @property
    @override
    def shares_transactions(self) -> bool:
        return False

    @override
    async def append(self, flushes: Sequence[Sequence[DataDocument]]) -> list[StoreError | None]:
        return await for_each(self._append, flushes)

    async def _append(self, documents: Sequence[DataDocument]) -> StoreError | None:
        flush = _Flush(documents)
        attempt = Attempt(write_id=documents[0].write_id)
        try:
            with wrap_errors("append_data", flush.key):
                await settle([flush], _FlushSender(self._account, self._now), attempt)
        except StoreError as error:
            return error
        return None

    @override
    async def get(self, run: Run, document_id: str) -> DataDocument | None:
        with wrap_errors("get_data", _key_of(run)):
            document = await self._account.read(CONTAINER, run.execution_id, document_id)
            if document is None or (document.get("scope"), document.get("creation")) != (run.scope.value, run.creation):
                return None
            return data_from_document(document)

    @override
    async def read(
        self,
        run: Run,
        ranges: Sequence[DataRange],
        *,
        types: Collection[DataType] | None = None,
        limit: int = 100,
        backwards: bool = False,
    ) -> DataPage:
        statement = _of_run(run)
        parts = [f"(c.id >= {statement.bind(part.ge)} AND c.id < {statement.bind(part.lt)})" for part in ranges]
        statement.conditions.append(f"({' OR '.join(parts)})")
        if types is not None:
            statement.conditions.append(f"ARRAY_CONTAINS({statement.bind(sorted(types))}, c.type)")
        statement.order = f" ORDER BY c.id {'DESC' if backwards else 'ASC'}"
        found: list[DataDocument | CorruptDocumentError] = []
        with wrap_errors("read_data", _key_of(run)):
            async for documents, following in self._pages(run, statement, size=limit + 1):
                found += map(_decoded, documents)
                page = data_page(found, limit, is_complete=following is None)
                # A reader goes on after the last document that it got: without any it would stand still.
                if page.documents or page.is_last:
                    return page
        return data_page(found, limit, is_complete=True)

    @override
    async def remove(self, run: Run, document_ids: Sequence[str] | None = None) -> int:
        statement = _of_run(run, columns="c.id, c._etag")
        if document_ids is not None:
            statement.conditions.append(f"ARRAY_CONTAINS({statement.bind(list(document_ids))}, c.id)")
        removed = 0
        with wrap_errors("remove_data", _key_of(run)):
            async for documents, _ in self._pages(run, statement, size=MAX_FLUSH_DOCUMENTS):
                removed += await self._remove(run.execution_id, documents)
        return removed

    @override
    async def scan(self, resume_token: str | None = None) -> AsyncIterator[DataScanPage]:
        is_over, continuation = _position(resume_token)
        if is_over:
            return
        with wrap_errors("scan_data"):
            pages = self._account.pages(CONTAINER, None, _ALL, (), size=_SCAN_PAGE_SIZE, continuation=continuation)
            async for documents, token in pages:
                yield data_scan_page(map(_decoded, documents), documents, dump_json([CONTAINER, token] if token else ["", None]))

    @override
    async def purge_expired(self, *, limit: int = 500) -> int:
        purged = 0
        parameters = [{"name": "@now", "value": format_time(self._now())}]
        with wrap_errors("purge_data"):
            async for documents, _ in self._account.pages(CONTAINER, None, _EXPIRED, parameters, size=limit):
                by_execution: dict[str, list[Document]] = {}
                for document in documents[: limit - purged]:
                    by_execution.setdefault(document["executionId"], []).append(document)
                purged += sum(await for_each(lambda item: self._remove(*item), list(by_execution.items())))
                if purged >= limit:
                    break
        return purged

    async def _pages(self, run: Run, statement: Statement, *, size: int) -> AsyncIterator[tuple[list[Document], str | None]]:
        async for page in self._account.pages(CONTAINER, run.execution_id, statement.text, statement.parameters, size=size):
            yield page

    async def _remove(self, execution_id: str, documents: Sequence[Document]) -> int:
        changes = [Remove(document["id"], document["_etag"]) for document in documents]
        parts = [changes[start : start + MAX_FLUSH_DOCUMENTS] for start in range(0, len(changes), MAX_FLUSH_DOCUMENTS)]
        return sum([await remove(self._account, CONTAINER, execution_id, part) for part in parts])


class _Flush:
    """The documents of one flush: stored all or none."""

    def __init__(self, documents: Sequence[DataDocument]) -> None:
        self.documents = documents
        self.key = _key_of(documents[0].run)
        self.is_settled = False
        self.is_own = False

    def sent(self, etags: list[str]) -> None:
        self.is_settled = True

    def settle_as_sent(self) -> None:
        self.is_settled = True

    def see(self, writers: Mapping[str, str]) -> None:
        """Decide by who wrote the documents that are stored under these ids."""
        own = {document.id: document.write_id for document in self.documents}
        if taken := sorted(name for name, writer in writers.items() if own[name] != writer):
            message = f"{self.key}: {taken[0]} is another writer's already; nothing of this flush was stored"
            raise DocumentExistsError(message, backend=BACKEND, key=str(self.key))
        self.is_own = bool(writers)


class _FlushSender(Sender[_Flush]):
    backend = BACKEND

    def __init__(self, account: CosmosAccount, clock: Clock) -> None:
        self._account = account
        self._now = clock
        self._statuses: list[int] = []

    @override
    async def send(self, pending: Sequence[_Flush], attempt: Attempt) -> list[list[str]]:
        (flush,) = pending
        changes = [Put(document_from_data(document, self._now())) for document in flush.documents]
        with watched() as self._statuses:
            return [await self._account.write(CONTAINER, flush.key.id, changes, attempt)]

    @override
    def refusal(self, error: Exception) -> Refusal | None:
        return refusal_of(error, self._statuses)

    @override
    async def look(self, writes: Sequence[_Flush], *, is_lost: bool) -> list[StoreError]:
        (flush,) = writes
        names = [document.id for document in flush.documents]
        pages = self._account.pages(CONTAINER, flush.key.id, _WRITERS, [{"name": "@ids", "value": names}], size=len(names))
        try:
            flush.see({document["id"]: document["writeId"] async for page, _ in pages for document in page})
        except DocumentExistsError as error:
            return [error]
        return []


def _of_run(run: Run, columns: str = "*") -> Statement:
    statement = Statement(columns=columns)
    # The partition alone would be enough for the service, were it not for other scopes' runs with the same id.
    for name, value in (("executionId", run.execution_id), ("scope", run.scope.value), ("creation", run.creation)):
        statement.conditions.append(f"c.{name} = {statement.bind(value)}")
    return statement


def _key_of(run: Run) -> Key:
    return Key("execution", run.scope, run.execution_id)


def _decoded(document: Document) -> DataDocument | CorruptDocumentError:
    try:
        return data_from_document(document)
    except CorruptDocumentError as error:
        return error


def _position(resume_token: str | None) -> tuple[bool, str | None]:
    """Return whether nothing is left, and the service's token to go on with."""
    if resume_token is None:
        return False, None
    try:
        container, token = load_json(resume_token)
    except (ValueError, TypeError):
        container, token = None, None
    if (container, token) != ("", None) and not (container == CONTAINER and isinstance(token, str)):
        message = "resume token: not one that this backend gave out; scan from the beginning"
        raise InvalidContinuationTokenError(message, backend=BACKEND, operation="scan_data")
    return not container, token
