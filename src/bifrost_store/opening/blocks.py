"""What is opened for a block, and says so where the block was forgotten."""

from __future__ import annotations

import functools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, ClassVar, Generic, NoReturn, ParamSpec, TypeVar

from typing_extensions import override

P = ParamSpec("P")
T = TypeVar("T")
Inner = TypeVar("Inner")


class _Unopened(Generic[Inner]):
    _keyword: ClassVar[str]
    _opener = "the opener"  # of an instance that is being copied, too

    def __init__(self, inner: Inner, opener: str) -> None:
        self._inner = inner
        self._opener = opener

    @property
    def _advice(self) -> str:
        return f"nothing is open yet; write: {self._keyword} {self._opener}(...) as opened"

    if not TYPE_CHECKING:  # checkers know that these do not exist

        def __getattr__(self, name: str) -> NoReturn:
            raise AttributeError(f"{self._opener}() has no {name!r}: {self._advice}", name=name, obj=self)

        def __await__(self) -> NoReturn:
            raise TypeError(f"{self._opener}() is not awaited: {self._advice}")


class _AsyncBlock(_Unopened[AbstractAsyncContextManager[T]], AbstractAsyncContextManager[T]):
    _keyword = "async with"

    @override
    async def __aenter__(self) -> T:
        return await self._inner.__aenter__()

    @override
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return await self._inner.__aexit__(kind, error, traceback)


class _Block(_Unopened[AbstractContextManager[T]], AbstractContextManager[T]):
    _keyword = "with"

    @override
    def __enter__(self) -> T:
        return self._inner.__enter__()

    @override
    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        return self._inner.__exit__(kind, error, traceback)


def async_block(opener: Callable[P, AsyncIterator[T]]) -> Callable[P, AbstractAsyncContextManager[T]]:
    """`contextlib.asynccontextmanager`, whose result tells who forgot ``async with`` what to write."""
    make = asynccontextmanager(opener)

    @functools.wraps(opener)
    def opened(*args: P.args, **kwargs: P.kwargs) -> AbstractAsyncContextManager[T]:
        return _AsyncBlock(make(*args, **kwargs), opener.__name__)

    return opened


def block(opener: Callable[P, Iterator[T]]) -> Callable[P, AbstractContextManager[T]]:
    """`contextlib.contextmanager`, whose result tells who forgot ``with`` what to write."""
    make = contextmanager(opener)

    @functools.wraps(opener)
    def opened(*args: P.args, **kwargs: P.kwargs) -> AbstractContextManager[T]:
        return _Block(make(*args, **kwargs), opener.__name__)

    return opened
