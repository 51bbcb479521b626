"""Reads that go through several backends, one after the other, and their tokens."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from bifrost_store.core.json import load_json
from bifrost_store.core.page import Page
from bifrost_store.core.query import Query
from bifrost_store.core.record import Record
from bifrost_store.core.totals import Totals
from bifrost_store.errors import InvalidContinuationTokenError


def start_of(names: Sequence[str], place: list[str] | None) -> tuple[str, str | None]:
    """Return the backend to go on with, and its own token there."""
    if place is None:
        return names[0], None
    name, token = place
    if name not in names:
        raise InvalidContinuationTokenError(f"continuation token: the backend {name!r} is no longer in use; start again")
    return name, token or None


def across(query: Query) -> Query:
    """Return what tokens across backends belong to, so that no backend takes one for its own."""
    return replace(query, kind=f"{query.kind} across backends")


def scan_place(resume_token: str | None) -> list[str] | None:
    """Return the backend that a scan goes on with, and its own token there; None: from the beginning."""
    if resume_token is None:
        return None
    try:
        place = load_json(resume_token)
    except ValueError:
        place = None
    if not isinstance(place, list) or [type(part) for part in place] != [str, str]:
        raise InvalidContinuationTokenError("resume token: not one that this store gave out; scan from the beginning")
    return place


async def add_pages(totals: Totals, query: Query, read: Callable[[Query], Awaitable[Page[Record]]]) -> None:
    """Add up every page of *query*."""
    rest: Query | None = query
    while rest is not None:
        page = await read(rest)
        totals.add(page)
        rest = replace(rest, continuation_token=page.continuation_token) if page.continuation_token is not None else None
