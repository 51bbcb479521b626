"""A process that writes and reads through the library, as a handler would, and logs what it was told."""

from __future__ import annotations

import asyncio
import random
import signal
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from time import monotonic
from typing import TypeVar

from bifrost_store import Config, ConfigType, Execution, ExecutionStatus, Scope, Store, StoreSettings, open_store
from bifrost_store.core.clock import utc_now
from bifrost_store.errors import (
    BackendError,
    DocumentExistsError,
    DocumentNotFoundError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
)
from tests.faults.history import COUNTER, COUNTERS, Event, EventLog, Possible, Value
from tests.faults.records import COUNTED, SCOPES, name_of

T = TypeVar("T")
KEYS = 3
"""Values of configuration that one process tends, as well as one execution in each scope."""
_REFUSALS = (DocumentExistsError, DocumentNotFoundError, PreconditionFailedError)


@dataclass(frozen=True, slots=True)
class Task:
    """What one worker is to do.

    Attributes:
        name: No other process has it.
        log: The file to write.
        seed: Of everything that it does by chance.
        clock_off: How far its wall clock is off.
        pause: The longest between two calls of one task, in seconds.
        adders: Tasks that do nothing but add to the counters; 0: it does everything.
    """

    name: str
    log: Path
    seed: int
    clock_off: timedelta = timedelta()
    pause: float = 0.1
    adders: int = 0


def work(settings: StoreSettings, task: Task) -> None:
    """Write and read until the process is asked to end; then leave as an application does."""
    asyncio.run(_work(settings, task))


async def _work(settings: StoreSettings, task: Task) -> None:
    is_over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, is_over.set)
    log = EventLog(task.log)
    async with open_store(settings, clock=lambda: utc_now() + task.clock_off) as store:
        worker = _Worker(store, log, task, is_over)
        async with asyncio.TaskGroup() as tasks:
            for number in range(task.adders):
                tasks.create_task(worker.count(COUNTERS[number % len(COUNTERS)]))
            if task.adders:
                return
            for number in range(KEYS):
                tasks.create_task(worker.tend_config(SCOPES[number % len(SCOPES)], f"{task.name}-{number}"))
            for scope in SCOPES:
                tasks.create_task(worker.tend_executions(scope))
            tasks.create_task(worker.count())


class _Worker:
    def __init__(self, store: Store, log: EventLog, task: Task, is_over: asyncio.Event) -> None:
        self._store = store
        self._log = log
        self._task = task
        self._is_over = is_over
        self._random = random.Random(task.seed)
        self._writes = 0

    async def tend_config(self, scope: Scope, key: str) -> None:
        """Create, change and delete one value, over and over."""
        name, possible = name_of("config", scope, key), Possible()
        while await self._goes_on():
            read = await self._read(name, possible, self._store.config.get(scope, key, fallback=False), _value)
            if read is None:
                continue
            (found,) = read
            if found is not None and self._random.random() < 0.3:
                etag = found.etag if self._random.random() < 0.5 else None
                await self._write(name, possible, None, self._store.config.delete(scope, key, etag=etag))
            else:
                etag = found.etag if found is not None and self._random.random() < 0.5 else None
                value = self._next()
                await self._write(name, possible, value, self._set(scope, key, value, etag))

    async def tend_executions(self, scope: Scope) -> None:
        """Create an execution, complete it, delete it or not; then the next."""
        while await self._goes_on():
            run = str(uuid.UUID(int=self._random.getrandbits(128), version=4))
            name, possible = name_of("execution", scope, run), Possible()
            for _ in range(self._random.randint(2, 8)):
                read = await self._read(name, possible, self._store.executions.get(scope, run, fallback=False), _value)
                if read is not None:
                    await self._go_on_with(scope, run, read[0], name, possible)
                if not await self._goes_on():
                    return

    async def _go_on_with(self, scope: Scope, run: str, found: Execution | None, name: str, possible: Possible) -> None:
        executions, value = self._store.executions, self._next()
        if found is None and possible.certain is None:
            creating = executions.create(
                scope, workflow_name=value, executed_by="kim@x.example", executed_by_name="Kim", execution_id=run
            )
            await self._write(name, possible, value, creating)
        elif found is not None and found.status is ExecutionStatus.RUNNING:
            completing = executions.complete(found, ExecutionStatus.FAILED, duration_ms=1, error_message=value)
            await self._write(name, possible, value, completing)
        elif found is not None and self._random.random() < 0.3:
            await self._write(name, possible, None, executions.delete(scope, run))

    async def count(self, counter: str = COUNTER) -> None:
        """Add 1 to a counter of all workers."""
        while await self._goes_on():
            try:
                found = await self._store.config.get(COUNTED, counter, fallback=False)
            except StoreError as error:
                self._failed(counter, error)
                continue
            if found is None:
                self._log.add(Event(counter, "wrong", note="the counter is gone"))
                continue
            value = str(int(str(found.value)) + 1)
            await self._write(counter, Possible(), value, self._set(COUNTED, counter, value, found.etag))

    async def _goes_on(self) -> bool:
        if not self._is_over.is_set():
            await asyncio.sleep(self._random.uniform(0, self._task.pause))
        return not self._is_over.is_set()

    async def _set(self, scope: Scope, key: str, value: str, etag: str | None) -> None:
        await self._store.config.set(scope, key, value, config_type=ConfigType.STRING, updated_by="w", etag=etag)

    def _next(self) -> str:
        self._writes += 1
        return f"{self._task.name}#{self._writes}"

    async def _read(self, name: str, possible: Possible, read: Awaitable[T], value: Callable[[T], Value]) -> tuple[T] | None:
        try:
            found = await read
        except StoreError as error:
            self._failed(name, error)
            return None
        seen = value(found)
        if not possible.allows(seen):
            self._log.add(Event(name, "wrong", seen, note=f"read {seen!r}, where {possible} was possible"))
        event = Event(name, "read", seen)
        self._log.add(event)
        possible.take(event)
        return (found,)

    def _failed(self, name: str, error: StoreError) -> None:
        if not isinstance(error, BackendError) or not error.is_retryable:
            self._log.add(Event(name, "wrong", note=f"a read failed: {type(error).__name__}: {error}"))

    async def _write(self, name: str, possible: Possible, value: Value, write: Awaitable[object]) -> None:
        is_sure = not possible.open
        self._add(possible, Event(name, "begun", value))
        began = monotonic()
        try:
            did = await write
        except StoreError as error:
            seconds, note = monotonic() - began, f"{type(error).__name__}: {error}"
            if isinstance(error, OutcomeUnknownError):
                self._add(possible, Event(name, "unknown", value, seconds, note))
                return
            self._add(possible, Event(name, "not done", value, seconds, note))
            is_foreseen = isinstance(error, _REFUSALS) and (name in COUNTERS or not is_sure)
            if not is_foreseen and not (isinstance(error, BackendError) and error.is_retryable):
                self._log.add(Event(name, "wrong", value, note=f"a write was refused: {note}"))
        else:
            self._add(possible, Event(name, "done", value, monotonic() - began))
            if did is False and is_sure:
                self._log.add(Event(name, "wrong", value, note="nothing was there to delete"))

    def _add(self, possible: Possible, event: Event) -> None:
        self._log.add(event)
        possible.take(event)


def _value(found: Config | Execution | None) -> Value:
    if found is None:
        return None
    return str(found.value) if isinstance(found, Config) else found.error_message or found.workflow_name
