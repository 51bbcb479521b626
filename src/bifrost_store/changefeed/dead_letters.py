"""Items that a processor went past, as its handler could not take them: what they are and why, without content, for 90 days."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Sequence
from datetime import datetime, timedelta
from typing import Final, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from bifrost_store.backends.protocol import Backend
from bifrost_store.changefeed.handling import Handler, HandlerError, check_handler, is_passing
from bifrost_store.coordination.rows import Form, Row, Rows
from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.execution_data import Run
from bifrost_store.core.feed import FeedItem
from bifrost_store.core.json import dump_json, dump_loaded
from bifrost_store.core.query import Eq
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import SYSTEM, Scope
from bifrost_store.core.spec import FeedName
from bifrost_store.documents import FEED_DEAD_LETTER
from bifrost_store.errors import CorruptDocumentError, DocumentExistsError, PreconditionFailedError

KEPT: Final = timedelta(days=90)
_MESSAGE_CHARACTERS: Final = 1000


class DeadLetter(BaseModel):
    """What is kept of an item.

    Attributes:
        processor: Name of the processor.
        feed: Where the item was met.
        kind, scope, id: Of a record; of a document of execution data its run's scope, and its execution as id.
        document, creation: Of a document of execution data: its own id, and its run's creation.
        error: Class of what the handler raised.
        message: What that said: the handler's own words.
        attempts: How often the handler was given the item by itself.
        failed_at: When it failed last.
    """

    model_config = ConfigDict(defer_build=True, frozen=True, extra="forbid", strict=True)

    processor: str
    feed: FeedName
    kind: str
    scope: str
    id: str
    document: str | None = None
    creation: str | None = None
    error: str
    message: str
    attempts: int
    failed_at: datetime

    @property
    def row_id(self) -> str:
        """Of its row: one for each item of a processor."""
        identity = [self.processor, self.feed, self.kind, self.scope, self.id, self.document]
        return hashlib.sha256(dump_json(identity).encode()).hexdigest()[:32]


def _load(record: Record) -> DeadLetter:
    try:
        return DeadLetter.model_validate_json(dump_loaded(record.body))
    except ValidationError:
        raise CorruptDocumentError(f"the dead letter {record.key.id} cannot be read; delete it", key=str(record.key)) from None


_Identity = tuple[str, str, str, str | None, str | None]
_FORM: Final = Form(FEED_DEAD_LETTER.kind, _load, lambda letter: letter.model_dump(mode="json"))


class DeadLetters:
    """The dead letters of one processor, in its feed's store.

    Args:
        backend: The store.
        processor: Name of the processor.
        clock: Tells the time.

    Attributes:
        processor: As given.
    """

    def __init__(self, backend: Backend, processor: str, *, clock: Clock = utc_now) -> None:
        self._backend = backend
        self._rows = Rows(backend, _FORM)
        self.processor = processor
        self._clock = clock

    async def keep_item(self, feed: FeedName, item: FeedItem, error: Exception, attempts: int) -> None:
        """Keep that *item* failed with *error*."""
        await self._keep(feed, _identity_of(item), error, attempts)

    async def keep_unreadable(self, feed: FeedName, error: CorruptDocumentError) -> None:
        """Keep that an item cannot be read, as *error* tells."""
        kind, scope, item_id = error.document or ("", "", error.key or "")
        await self._keep(feed, (kind, scope, item_id, None, None), error, 1)

    async def _keep(self, feed: FeedName, identity: _Identity, error: Exception, attempts: int) -> None:
        kind, scope, item_id, document, creation = identity
        letter = DeadLetter(
            processor=self.processor,
            feed=feed,
            kind=kind,
            scope=scope,
            id=item_id,
            document=document,
            creation=creation,
            error=type(error).__name__,
            message=str(error)[:_MESSAGE_CHARACTERS],
            attempts=attempts,
            failed_at=self._clock(),
        )
        key = Key(FEED_DEAD_LETTER.kind, SYSTEM, letter.row_id)
        record = Record(key, _FORM.dump(letter), expires_at=letter.failed_at + KEPT)
        while True:
            seen = await self._backend.get(key)
            try:
                if seen is None:
                    await self._backend.create(record)
                else:
                    await self._backend.replace(seen.with_body(record.body, record.expires_at), seen.etag)
            except (DocumentExistsError, PreconditionFailedError):
                continue
            return

    async def all(self) -> AsyncIterator[Row[DeadLetter]]:
        """Go through all of them.

        Raises:
            CorruptDocumentError: One cannot be read.
        """
        async for record in self._rows.records(Eq("processor", self.processor)):
            if isinstance(record, CorruptDocumentError):
                raise record
            yield _FORM.row(record)

    async def purge(self) -> None:
        """Free the space of those that have expired or were replayed; what fails is left to the next time."""
        await self._rows.purge()

    async def replay(self, handler: Handler) -> list[tuple[DeadLetter, Exception | None]]:
        """Hand the present state of each item to *handler*, and forget those that succeed or that are gone for good.

        Returns:
            Each with what it failed with; None: it is done with.

        Raises:
            Exception: What the handler needs cannot be reached; the rest is as it was.
            HandlerError: It does not do what a handler has to.
        """
        check_handler(handler)
        outcomes: list[tuple[DeadLetter, Exception | None]] = []
        for row in [row async for row in self.all()]:
            error = await self._try_again(row.state, handler)
            if error is None:
                await self._rows.forget(row.record)
            else:
                letter = row.state
                identity = (letter.kind, letter.scope, letter.id, letter.document, letter.creation)
                await self._keep(letter.feed, identity, error, letter.attempts + 1)
            outcomes.append((row.state, error))
        return outcomes

    async def _try_again(self, letter: DeadLetter, handler: Handler) -> Exception | None:
        try:
            item = await self._present(letter)
            if item is None:
                return None
            items: Sequence[FeedItem] = [item]
            returned: object = await cast(Awaitable[object], handler(items))
        except Exception as error:
            if isinstance(error, HandlerError) or is_passing(error):
                raise
            return error
        if returned is not None:
            raise HandlerError(f"handler: it returned a {type(returned).__name__}, and must return None")
        return None

    async def _present(self, letter: DeadLetter) -> FeedItem | None:
        """Return the item as it is now; None if it is gone."""
        if letter.document is None:
            return await self._backend.stored(Key(letter.kind, Scope(letter.scope), letter.id))
        data = self._backend.execution_data
        run = Run(Scope(letter.scope), letter.id, letter.creation or "")
        return None if data is None else await data.get(run, letter.document)


async def dead_letters_by_processor(backend: Backend) -> dict[str, list[DeadLetter]]:
    """Return every dead letter in *backend*, by the name of its processor.

    Raises:
        CorruptDocumentError: One cannot be read.
    """
    found: dict[str, list[DeadLetter]] = {}
    async for record in Rows(backend, _FORM).records():
        if isinstance(record, CorruptDocumentError):
            raise record
        letter = _load(record)
        found.setdefault(letter.processor, []).append(letter)
    return found


def _identity_of(item: FeedItem) -> _Identity:
    if isinstance(item, Record):
        return (*item.key.parts, None, None)
    return ("", item.run.scope.value, item.run.execution_id, item.id, item.run.creation)
