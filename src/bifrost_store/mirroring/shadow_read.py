"""Repeats a share of all reads on the other store, behind the callers' backs, and tells where it would answer otherwise."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, Final, TypeVar

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.events import log_event
from bifrost_store.core.page import Page
from bifrost_store.core.query import Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import Scope
from bifrost_store.errors import BackendError, StoreError
from bifrost_store.mirroring.shadow_rules import Answer, Rule, broken_rules
from bifrost_store.wrappers.pass_through import PassThrough
from bifrost_store.wrappers.tally import Tally

_MOST_AT_ONCE: Final = 4
"""Reads compared at the same time; what comes on top is not compared."""
_logger = logging.getLogger("bifrost_store.shadow_read")
T = TypeVar("T", Record | None, Page[Record])
Read = Callable[[Backend], Awaitable[Answer]]


class ShadowReads:
    """Compares reads in the background, and keeps the score.

    Args:
        secondary: Whose answers are tried.
        share: Of all reads, 0 to 1.
        patience_seconds: The longest that one comparison may take.
        choose: Returns a number from 0 to below 1, for each read.

    Attributes:
        tally: Counts ``same``, ``differs``, ``differs: <rule>``, ``changed``, ``could_not_check`` and ``skipped``.
    """

    def __init__(
        self,
        secondary: Backend,
        *,
        share: float,
        patience_seconds: float = 10.0,
        choose: Callable[[], float] = random.random,
    ) -> None:
        self._secondary = secondary
        self._share = share
        self._patience = patience_seconds
        self._choose = choose
        self._tasks: set[asyncio.Task[Any]] = set()
        self.tally = Tally("shadow_read")

    def consider(self, operation: str, subject: str, read: Read, primary: Backend, answer: Answer) -> None:
        """Compare *answer*, which *primary* gave to *read*, if this one is chosen and there is room. Returns at once."""
        if self._choose() >= self._share:
            return
        if len(self._tasks) >= _MOST_AT_ONCE:
            self.tally.note("skipped")
            return
        # In a context of its own: what it costs is not the caller's.
        task = asyncio.create_task(self._compare(operation, subject, read, primary, answer), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def drain(self) -> None:
        """Wait for the comparisons that have begun."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    async def aclose(self) -> None:
        """End the comparisons that have begun, without a result."""
        for task in list(self._tasks):
            task.cancel()
        await self.drain()

    async def _compare(self, operation: str, subject: str, read: Read, primary: Backend, answer: Answer) -> None:
        try:
            async with asyncio.timeout(self._patience):
                rules: set[Rule] | None = broken_rules(answer, await _answer(read, self._secondary))
                if rules:
                    rules = await self._look_again(read, primary, answer)
        except (BackendError, TimeoutError):
            self.tally.note("could_not_check")
            return
        except Exception as error:  # noqa: BLE001 - nobody waits for this task: whatever fails here is counted
            log_event(_logger, logging.WARNING, "shadow_read.failed", error=type(error).__name__)
            self.tally.note("could_not_check")
            return
        if rules is None:
            self.tally.note("changed")
        elif not rules:
            self.tally.note("same")
        else:
            self._report(operation, subject, rules)

    async def _look_again(self, read: Read, primary: Backend, answer: Answer) -> set[Rule] | None:
        """Return the rules that are broken still, or None if the primary's own answer has changed: then nothing is known."""
        found = await _answer(read, self._secondary)
        if broken_rules(answer, await _answer(read, primary)):
            return None
        return broken_rules(answer, found)

    def _report(self, operation: str, subject: str, rules: set[Rule]) -> None:
        names = [rule.value for rule in sorted(rules)]
        self.tally.note("differs")
        for name in names:
            self.tally.note(f"differs: {name}")
        log_event(_logger, logging.WARNING, "shadow_read.differs", operation=operation, subject=subject, rules=",".join(names))


async def _answer(read: Read, backend: Backend) -> Answer:
    try:
        return await read(backend)
    except BackendError:
        raise
    except StoreError as error:
        return error


class ShadowReadBackend(PassThrough):
    """A `Backend` that answers as *inner* does. A share of its point reads and pages of one scope is compared elsewhere.

    Args:
        inner: Answers.
        shadow: Compares.
    """

    def __init__(self, inner: Backend, shadow: ShadowReads) -> None:
        super().__init__(inner)
        self.shadow = shadow

    @override
    async def get(self, key: Key, *, fallback: Scope | None = None) -> Record | None:
        return await self._shadowed("get", str(key), lambda backend: backend.get(key, fallback=fallback))

    @override
    async def query(self, query: Query) -> Page[Record]:
        if query.scope is None or query.first_found:
            return await self._inner.query(query)  # in no promised order
        return await self._shadowed("query", f"{query.kind} {query.scope}", lambda backend: backend.query(query))

    @override
    async def aclose(self) -> None:
        await self.shadow.aclose()
        await super().aclose()

    async def _shadowed(self, operation: str, subject: str, read: Callable[[Backend], Awaitable[T]]) -> T:
        try:
            answer = await read(self._inner)
        except BackendError:
            raise
        except StoreError as error:
            self.shadow.consider(operation, subject, read, self._inner, error)
            raise
        self.shadow.consider(operation, subject, read, self._inner, answer)
        return answer
