"""Over HTTP, by the SDK: a row is what the SDK reads, and a plain one is read without it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from aiohttp import web
from azure.data.tables.aio import TableServiceClient

from bifrost_store.backends.table import account
from bifrost_store.backends.table.account import StoredRow, TableAccount

pytestmark = pytest.mark.anyio

KEYS = {"odata.etag": "W/\"datetime'2026-01-01'\"", "PartitionKey": "GLOBAL", "RowKey": "org:a"}
STAMPED = {**KEYS, "Timestamp": "2026-01-01T00:00:00.1234567Z"}
PLAIN: dict[str, dict[str, Any]] = {
    "keys alone": KEYS,
    "time of the server": STAMPED,
    "types of JSON": {**STAMPED, "T": "text", "E": "", "Y": True, "N": False, "I": -(2**31), "J": 2**31 - 1, "F": 0.5, "Z": -0.0},
    "columns that were selected and are not there": {**KEYS, "Absent": None},
    "a text that looks like the service's": {**STAMPED, "T": '{"odata.etag": 1, "T@odata.type": 2}'},
    "half a character": {**STAMPED, "T": "\ud800"},
    "any text": {**STAMPED, "T": 'quote " and \\ and \x00 and é and 😀', "é": "a name"},
}
ODD: dict[str, dict[str, Any]] = {
    "64 bits": {**STAMPED, "L": "9007199254740993", "L@odata.type": "Edm.Int64"},
    "a number that is not typed": {**STAMPED, "L": 2**31},
    "a moment": {**STAMPED, "D": "2026-01-01T00:00:00.1234567Z", "D@odata.type": "Edm.DateTime"},
    "an id": {**STAMPED, "G": "c9da6455-213d-42c9-9a79-3e9149a57833", "G@odata.type": "Edm.Guid"},
    "bytes": {**STAMPED, "B": "AAECAw==", "B@odata.type": "Edm.Binary"},
    "a double by name": {**STAMPED, "F": "Infinity", "F@odata.type": "Edm.Double"},
    "a typed text": {**STAMPED, "T": "text", "T@odata.type": "Edm.String"},
    "no etag": {name: value for name, value in STAMPED.items() if name != "odata.etag"},
    "more of the service's": {**STAMPED, "odata.type": "account.Entities", "odata.id": "https://x", "odata.editLink": "Entities"},
}


class Answers:
    """What the server answers to every query: the rows, beside what the service says of them."""

    body: bytes = b""

    def of(self, *rows: dict[str, Any]) -> None:
        answer = {"odata.metadata": "https://x/$metadata#Entities", "value": rows}
        self.body = json.dumps(answer, separators=(",", ":")).encode()


Served = tuple[Answers, TableServiceClient]


@pytest.fixture
async def answers() -> AsyncIterator[Served]:
    answers = Answers()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=answers.body, content_type="application/json", charset="utf-8")

    application = web.Application()
    application.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = "http://{}:{}/account".format(*runner.addresses[0])
    text = f"AccountName=account;AccountKey=a2V5;TableEndpoint={address}"
    async with TableServiceClient.from_connection_string(text, retry_total=0, **account.METERED) as service:
        yield answers, service
    await runner.cleanup()


async def _by_sdk(service: TableServiceClient) -> list[tuple[dict[str, Any], object]]:
    return [(dict(entity), entity.metadata["etag"]) async for entity in service.get_table_client("Entities").query_entities("")]


async def _by_account(service: TableServiceClient) -> list[StoredRow]:
    return [row async for row in TableAccount(service).rows("Entities", "", {})]


def _shown(columns: dict[str, Any]) -> list[tuple[str, type, str]]:
    return [(name, type(value), repr(value)) for name, value in columns.items()]


@pytest.mark.parametrize("row", [*PLAIN.values(), *ODD.values()], ids=[*PLAIN, *ODD])
async def test_a_row_is_what_the_sdk_reads(answers: Served, row: dict[str, Any]) -> None:
    """Columns, their order, types and values, and the etag: alone, and on a page with others."""
    served, service = answers
    for rows in ([row], [STAMPED, row], [row, STAMPED]):
        served.of(*rows)

        expected = [(_shown(columns), etag) for columns, etag in await _by_sdk(service)]
        assert expected == [(_shown(found.properties), found.etag) for found in await _by_account(service)]
    served.body = json.dumps(row).encode()
    alone = await TableAccount(service).read("Entities", "GLOBAL", "org:a")
    assert alone is not None
    assert expected[-2] == (_shown(alone.properties), alone.etag)


@pytest.fixture
def of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """The rows that the SDK made objects of."""
    made: list[object] = []
    inner: Callable[[Any], StoredRow] = account._stored

    def stored(entity: Any) -> StoredRow:
        made.append(entity)
        return inner(entity)

    monkeypatch.setattr(account, "_stored", stored)
    return made


async def test_the_sdk_makes_no_objects_of_plain_rows(answers: Served, of_the_sdk: list[object]) -> None:
    """A page without any type that JSON lacks never meets the SDK's models, which cost more than all else about it."""
    served, service = answers
    served.of(*PLAIN.values())

    assert len(PLAIN) == len(await _by_account(service))
    assert [] == of_the_sdk


@pytest.mark.parametrize("row", ODD.values(), ids=ODD)
async def test_what_json_does_not_tell_is_the_sdks_to_read(answers: Served, of_the_sdk: list[object], row: dict[str, Any]) -> None:
    """One column of another type on a page lets the SDK read all of it."""
    served, service = answers
    served.of(STAMPED, row)

    assert 2 == len(await _by_account(service)) == len(of_the_sdk)
