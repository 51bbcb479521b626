"""What is compared when a read is repeated on another store, each rule by its name."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

from bifrost_store.core.page import Page
from bifrost_store.core.record import Record
from bifrost_store.errors import StoreError

Answer = Record | Page[Record] | StoreError | None
"""What a read came to."""


class Rule(StrEnum):
    """In what two answers can differ."""

    PRESENCE = "presence"
    """A record is there in one store only."""
    VERSIONS = "versions"
    """Epoch, revision and write id."""
    DIGEST = "digest"
    """The content: body, extra columns, expiry."""
    ORDER = "order"
    """The same records, in another order."""
    PAGE_BOUNDARIES = "page_boundaries"
    """Where the page ends: its token, which is a position in the order."""
    ERRORS = "errors"
    """One store refuses what the other answers, or refuses it otherwise."""


def broken_rules(expected: Answer, found: Answer) -> set[Rule]:
    """Return the rules that *found* breaks, the primary's answer being *expected*."""
    if isinstance(expected, StoreError) or isinstance(found, StoreError):
        return set() if type(expected) is type(found) else {Rule.ERRORS}
    if isinstance(expected, Page) and isinstance(found, Page):
        return set(_of_pages(expected, found))
    if isinstance(expected, Record) and isinstance(found, Record):
        return set(_of_records(expected, found))
    return set() if expected is found is None else {Rule.PRESENCE}


def _of_records(expected: Record, found: Record) -> Iterator[Rule]:
    if expected.key != found.key:
        yield Rule.PRESENCE
        return
    if expected.version != found.version:
        yield Rule.VERSIONS
    if expected.digest != found.digest:
        yield Rule.DIGEST


def _of_pages(expected: Page[Record], found: Page[Record]) -> Iterator[Rule]:
    here = {record.key: record for record in expected}
    there = {record.key: record for record in found}
    if here.keys() != there.keys():
        yield Rule.PRESENCE
    elif list(here) != list(there):
        yield Rule.ORDER
    if expected.continuation_token != found.continuation_token:
        yield Rule.PAGE_BOUNDARIES
    if len(expected.unreadable) != len(found.unreadable):
        yield Rule.ERRORS
    for key in here.keys() & there.keys():
        yield from _of_records(here[key], there[key])
