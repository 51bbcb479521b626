"""Reads whole lists."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, TypeVar

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.page import Page
from bifrost_store.core.query import MAX_PAGE_SIZE, Filter, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.tasks import together
from bifrost_store.core.whole import reading_to_the_end
from bifrost_store.documents import SPECS
from bifrost_store.errors import CorruptDocumentError

A = TypeVar("A")


async def all_records(
    backend: Backend, kind: str, scope: Scope | None, *filters: Filter, without: tuple[str, ...] = ()
) -> Page[Record]:
    """Return every record of *kind* that meets *filters*, read in pages of 500; *without* as `Query` has it."""
    records: list[Record] = []
    unreadable: list[CorruptDocumentError] = []
    token: str | None = None
    with reading_to_the_end():
        while True:
            page = await backend.query(Query(kind, scope, filters, MAX_PAGE_SIZE, token, without))
            records += page.items
            unreadable += page.unreadable
            token = page.continuation_token
            if token is None:
                return Page(tuple(records), None, tuple(unreadable))


async def readable_part(backend: Backend, key: Key) -> tuple[Record | None, CorruptDocumentError | None]:
    """Return the record at *key*; of one that cannot be read what can be, its other fields None, and the error.

    Its etag names exactly that state, so that whoever needs no more can delete it or write over it.

    Raises:
        CorruptDocumentError: Nothing can be told of it.
    """
    try:
        return await backend.get(key), None
    except CorruptDocumentError as error:
        if not isinstance(error.partial, Record):
            raise
        fields = SPECS[key.kind].fields or ()
        return error.partial.with_body({**dict.fromkeys(fields), **error.partial.body}), error


def ids_of(unreadable: Iterable[CorruptDocumentError]) -> set[str]:
    """Return the ids of documents that cannot be read, where their keys tell them."""
    return {error.document[2] for error in unreadable if error.document is not None}


def joined(pages: Iterable[Page[A]]) -> Page[A]:
    """Return one page of everything in *pages*."""
    items: list[A] = []
    unreadable: list[CorruptDocumentError] = []
    for page in pages:
        items += page.items
        unreadable += page.unreadable
    return Page(tuple(items), None, tuple(unreadable))


def ordered(page: Page[A], key: Callable[[A], Any], *, reverse: bool = False) -> Page[A]:
    """Return the page with its items sorted by *key*; equal ones stay as they are."""
    return Page(tuple(sorted(page.items, key=key, reverse=reverse)), page.continuation_token, page.unreadable)


async def overlaid(
    read: Callable[[Scope], Awaitable[Page[A]]], scope: Scope, *, name_of: Callable[[A], str], include_global: bool
) -> Page[A]:
    """Return what *scope* has and, with *include_global*, GLOBAL's whose name the scope does not have, sorted by name.

    What the scope has but cannot be read is there all the same: GLOBAL's does not stand in for it.
    """
    if not include_global or scope == GLOBAL:
        return ordered(await read(scope), key=name_of)
    own, shared = await together(lambda: read(scope), lambda: read(GLOBAL))
    hidden = {name_of(one) for one in own} | ids_of(own.unreadable)
    rest = tuple(one for one in shared if name_of(one) not in hidden)
    return ordered(joined([own, Page(rest, None, shared.unreadable)]), key=name_of)
