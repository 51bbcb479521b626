"""The feeds of an SQLite database: what its triggers have numbered in the table ``changes``, one range each."""

# ruff: noqa: S608 - what is put together here are constants.

from __future__ import annotations

from typing import Final

from typing_extensions import override

from bifrost_store.backends.feed import Feed
from bifrost_store.backends.positions import narrow_position, open_position, seal_position
from bifrost_store.backends.sqlite.connection import Connection
from bifrost_store.backends.sqlite.data_rows import DATA_COLUMNS, data_from_row
from bifrost_store.backends.sqlite.errors import mapped_errors
from bifrost_store.backends.sqlite.rows import COLUMNS, Row, record_from_row
from bifrost_store.core.feed import WHOLE, FeedItem, FeedPage, FeedRange
from bifrost_store.core.spec import FeedName, Specs
from bifrost_store.errors import CorruptDocumentError, InvalidContinuationTokenError, InvalidRequestError

_LONGEST_TRANSACTION: Final = 100
"""Changes that one write makes in a feed, at most: the documents of a flush."""
_PAGE_CHARACTERS: Final = 4_000_000
_MOST_COUNTED: Final = 10_000
_HEAD: Final = 4
"""Columns of a page that come before those of its items."""

_IDENTITY: Final = "SELECT id FROM identity"
_NEWEST: Final = "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = 'changes'"
# A page ends where its limit or its size is reached, and then behind the last change of the same write.
_PAGE: Final = f"""WITH
ahead AS (
    SELECT number, write_id, row_number() OVER numbered AS rank, sum(size) OVER numbered AS characters
    FROM (SELECT number, write_id, size FROM changes WHERE feed = :feed AND number > :after
        ORDER BY number LIMIT :limit + {_LONGEST_TRANSACTION})
    WINDOW numbered AS (ORDER BY number)
),
fitting AS (SELECT max(number) AS number FROM ahead WHERE rank = 1 OR rank <= :limit AND characters <= {_PAGE_CHARACTERS}),
cut AS (
    SELECT coalesce(max(number), :after) AS reached FROM ahead
    WHERE write_id = (SELECT write_id FROM ahead JOIN fitting USING (number))
),
page AS MATERIALIZED (
    SELECT reached, ({_NEWEST}) AS newest,
        (SELECT count(*) FROM (SELECT 1 FROM changes WHERE feed = :feed AND number > reached LIMIT {_MOST_COUNTED})) AS waiting
    FROM cut
)
SELECT reached, newest, waiting, (julianday('now') - julianday(changed_at)) * 86400, {{columns}}
FROM page LEFT JOIN changes ON feed = :feed AND number > :after AND number <= reached LEFT JOIN {{table}} ON {{is_row}}
ORDER BY number"""
_DATA: Final = _PAGE.format(
    columns=", ".join(f"execution_data.{name}" for name in DATA_COLUMNS.split(", ")),
    table="execution_data",
    is_row="(execution_data.execution_id, execution_data.id) = (changes.place, changes.id)",
)
_RECORDS: Final = _PAGE.format(
    columns=", ".join(f"records.{name}" for name in COLUMNS.split(", ")),
    table="records",
    is_row="(records.kind, records.scope, records.id) = (changes.kind, changes.place, changes.id)",
)


class SqliteFeed(Feed):
    """The changes of one database.

    Args:
        connection: To it.
        specs: The kinds that it keeps.
    """

    def __init__(self, connection: Connection, specs: Specs) -> None:
        self._connection = connection
        self._specs = specs
        self._identity: str | None = None

    @override
    async def ranges(self, feed: FeedName) -> list[FeedRange]:
        return [WHOLE]

    @override
    async def items(self, feed: FeedName, part: FeedRange, position: str | None = None, *, limit: int = 100) -> FeedPage:
        _check(part)
        with mapped_errors(self._connection.path, "feed_items"):
            identity = await self._identified()
            after = 0 if position is None else int(open_position(identity, feed, part, position))
            rows = await self._connection.read(
                _DATA if feed == "execution_data" else _RECORDS, {"feed": feed, "after": after, "limit": limit}
            )
        reached, newest, waiting, _ = rows[0][:_HEAD]
        if after > newest:
            raise InvalidContinuationTokenError(
                "position: it lies ahead of this database, which was put back to an earlier state; start from the beginning"
            )
        items, unreadable = self._read(feed, [row[_HEAD:] for row in rows if row[_HEAD] is not None])
        seconds = max(0.0, rows[-1][_HEAD - 1] or 0.0)
        following = seal_position(identity, feed, part, str(reached))
        return FeedPage(tuple(items), following, waiting == 0, waiting, seconds, tuple(unreadable))

    @override
    async def tip(self, feed: FeedName, part: FeedRange) -> str:
        _check(part)
        with mapped_errors(self._connection.path, "feed_tip"):
            identity = await self._identified()
            ((newest,),) = await self._connection.read(_NEWEST, {})
        return seal_position(identity, feed, part, str(newest))

    @override
    def narrowed(self, feed: FeedName, position: str, part: FeedRange) -> str:
        _check(part)
        return narrow_position(feed, part, position, lambda mark: mark)

    def _read(self, feed: FeedName, rows: list[Row]) -> tuple[list[FeedItem], list[CorruptDocumentError]]:
        items: list[FeedItem] = []
        unreadable: list[CorruptDocumentError] = []
        for row in rows:
            try:
                items.append(data_from_row(row) if feed == "execution_data" else record_from_row(row, self._specs))
            except CorruptDocumentError as error:
                unreadable.append(error)
        return items, unreadable

    async def _identified(self) -> str:
        if self._identity is None:
            ((self._identity,),) = await self._connection.read(_IDENTITY, {})
        return str(self._identity)


def _check(part: FeedRange) -> None:
    if part != WHOLE:
        raise InvalidRequestError(f"range: a feed of SQLite has one, {WHOLE}, not {part}")
