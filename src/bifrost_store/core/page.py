"""Pages and the portable continuation tokens between them."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar, overload

from typing_extensions import override

from bifrost_store.core.query import Query
from bifrost_store.core.tokens import seal, unseal
from bifrost_store.errors import CorruptDocumentError, InvalidContinuationTokenError

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Page(Sequence[T], Generic[T]):
    """Some items in order, and where to go on.

    Attributes:
        items: What was found.
        continuation_token: Pass it with the same call to get what follows; None on the last page.
        unreadable: Rows in this stretch that cannot be read, each named by an error. They hide no other row.
    """

    items: tuple[T, ...]
    continuation_token: str | None = None
    unreadable: tuple[CorruptDocumentError, ...] = field(default=())

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[T]: ...
    @override
    def __getitem__(self, index: int | slice) -> T | Sequence[T]:
        return self.items[index]

    @override
    def __len__(self) -> int:
        return len(self.items)

    @override
    def __iter__(self) -> Iterator[T]:
        return iter(self.items)

    def convert(self, function: Callable[[T], U]) -> Page[U]:
        """Return the page with *function* applied to each item; one that raises CorruptDocumentError becomes unreadable."""
        items: list[U] = []
        unreadable = list(self.unreadable)
        for item in self.items:
            try:
                items.append(function(item))
            except CorruptDocumentError as error:
                unreadable.append(error)
        return Page(tuple(items), self.continuation_token, tuple(unreadable))


OnUnreadable = Callable[[CorruptDocumentError], object]
"""Is told of each row that cannot be read."""
I_co = TypeVar("I_co", covariant=True)


class AnyPage(Protocol[I_co]):
    """What every kind of page has."""

    @property
    def items(self) -> Sequence[I_co]: ...
    @property
    def unreadable(self) -> Sequence[CorruptDocumentError]: ...


async def walk(
    read: Callable[[str | None], Awaitable[tuple[AnyPage[I_co], str | None]]], on_unreadable: OnUnreadable | None
) -> AsyncIterator[I_co]:
    """Yield the items of one page after another. At most one page is held, and none is read before it is needed.

    Args:
        read: Returns the page behind a position, and the position behind that page: None where nothing follows.
        on_unreadable: Is told of rows that cannot be read; None: the first of them ends the walk, after the items of its page.

    Raises:
        CorruptDocumentError: A row cannot be read, and nobody is to be told.
    """
    position: str | None = None
    while True:
        page, position = await read(position)
        for item in page.items:
            yield item
        for error in page.unreadable:
            if on_unreadable is None:
                raise error
            on_unreadable(error)
        if position is None:
            return


def fingerprint(query: Query) -> str:
    """Return what names a query but for its limit and position, so that a token fits no other."""
    text = repr((query.kind, query.scope and query.scope.value, query.filters))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def encode_token(query: Query, position: Sequence[str]) -> str:
    """Return the token that continues *query* after *position*: a sort key, before it the scope where *query* has none.

    All parts are ASCII.
    """
    return seal([fingerprint(query), *position])


def decode_token(query: Query) -> list[str] | None:
    """Return the position in *query*'s token, or None if it has no token.

    Raises:
        InvalidContinuationTokenError: It was altered, is no token, or belongs to another query.
    """
    token = query.continuation_token
    if token is None:
        return None
    parts = unseal(token, "continuation token")
    if parts[0] != fingerprint(query) or len(parts) != (3 if query.scope is None else 2):
        raise InvalidContinuationTokenError("continuation token: it belongs to another query; start from the first page")
    return parts[1:]
