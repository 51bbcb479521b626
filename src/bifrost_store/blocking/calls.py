"""Objects whose methods wait for what the same methods of other objects do on an event loop elsewhere."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from functools import wraps
from typing import Any, Generic, TypeVar

import anyio
from anyio.from_thread import BlockingPortal
from typing_extensions import override

from bifrost_store.errors import EventLoopError
from bifrost_store.recording.context import present_recording
from bifrost_store.recording.run_recording import RunRecording

T = TypeVar("T")


class Loop:
    """The event loop of a store, which runs on a thread of its own; from any other thread, calls go there and wait.

    Args:
        portal: Leads to it.
    """

    def __init__(self, portal: BlockingPortal) -> None:
        self._portal = portal
        self._process = os.getpid()

    @property
    def is_of_this_process(self) -> bool:
        """Whether the thread that serves it is there: a fork takes along no threads but the one that forks."""
        return os.getpid() == self._process

    def call(self, function: Callable[[], Awaitable[T]]) -> T:
        """Return what *function* returns on the loop. An interruption here, such as Ctrl-C, cancels it there.

        Raises:
            EventLoopError: The store was opened before a fork, or is closed; or the caller would keep an event loop waiting.
        """
        call = _Call(function)
        try:
            with self._reached():
                future = self._portal.start_task_soon(call.run)
            return future.result()
        except BaseException:
            if not call.is_over and self.is_of_this_process:
                with suppress(RuntimeError):  # the loop has stopped, and the call with it
                    self._portal.start_task_soon(call.give_up)
            raise

    @contextmanager
    def _reached(self) -> Iterator[None]:
        if not self.is_of_this_process:
            raise EventLoopError("the store was opened before this process was forked; open one in each process after the fork")
        if _is_on_a_loop():
            raise EventLoopError("a blocking store would keep this event loop waiting; here, use open_store and await its calls")
        try:
            yield
        except RuntimeError as error:  # what the portal says once it has stopped
            raise EventLoopError("the store is closed; open it again, and keep its block open while calls are made") from error

    def iterate(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Yield what *items* yields on the loop. Nothing is asked for before it is wanted."""
        while True:
            try:
                item = self.call(items.__anext__)
            except StopAsyncIteration:
                return
            try:
                yield item
            except GeneratorExit:
                self._close(items)
                raise

    def _close(self, items: AsyncIterator[object]) -> None:
        aclose = getattr(items, "aclose", None)
        if aclose is not None:
            with suppress(EventLoopError):  # where nobody may wait for it, it ends with its loop, or once it is collected
                self.call(aclose)

    @contextmanager
    def enter(self, block: AbstractAsyncContextManager[object]) -> Iterator[Any]:
        """Enter *block* on the loop and leave it there. What it makes the present recording, is so for this thread too."""
        with self._reached():
            entering = self._portal.wrap_async_context_manager(_entered(block))
        with entering as (entered, recording):
            token = present_recording.set(recording)
            try:
                yield blocking(entered, self)
            finally:
                present_recording.reset(token)


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


@asynccontextmanager
async def _entered(block: AbstractAsyncContextManager[T]) -> AsyncIterator[tuple[T, RunRecording | None]]:
    async with block as entered:
        yield entered, present_recording.get()


class _Call(Generic[T]):
    """A call on the loop, which can be given up at any time: whoever waits for it may be interrupted before it has begun."""

    def __init__(self, function: Callable[[], Awaitable[T]]) -> None:
        self.is_over = False
        self._function = function
        self._is_given_up = False
        self._scope: anyio.CancelScope | None = None

    async def run(self) -> T:
        with anyio.CancelScope() as self._scope:
            if self._is_given_up:
                self._scope.cancel()
            try:
                return await self._function()
            finally:
                self.is_over = True
        raise RuntimeError("a call was given up")

    def give_up(self) -> None:
        self._is_given_up = True
        if self._scope is not None:
            self._scope.cancel()


class _Blocking:
    """*inner*, as code sees it that does not await."""

    def __init__(self, inner: object, loop: Loop) -> None:
        self.__doc__ = inner.__doc__
        for name in dir(type(inner)):
            if not name.startswith("_") and callable(method := getattr(inner, name)):
                setattr(self, name, _waiting(method, loop))
        self._inner = inner

    @override
    def __repr__(self) -> str:
        return f"<blocking {self._inner!r}>"


def blocking(inner: object, loop: Loop) -> Any:
    """Return an object with the methods of *inner*, each of which waits until it is done on *loop*."""
    return _Blocking(inner, loop)


def _waiting(method: Callable[..., Any], loop: Loop) -> Callable[..., Any]:
    @wraps(method)
    def call(*args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(method):
            return loop.call(lambda: method(*args, **kwargs))
        made = method(*args, **kwargs)
        if isinstance(made, AsyncIterator):
            return loop.iterate(made)
        return loop.enter(made) if isinstance(made, AbstractAsyncContextManager) else made

    return call
