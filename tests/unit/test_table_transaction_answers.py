"""Over HTTP, by the SDK: the answer to a transaction is what the SDK reads, and one of etags alone is read without it."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from email.feedparser import FeedParser

import pytest
from aiohttp import web
from azure.core.exceptions import HttpResponseError
from azure.data.tables.aio import TableServiceClient

from bifrost_store.backends.table.account import METERED, Insert, TableAccount

pytestmark = pytest.mark.anyio

ETAG = "W/\"datetime'2026-01-01T00%3A00%3A00.1234567Z'\""
ROW = {"PartitionKey": "p", "RowKey": "r"}
HEAD = "Content-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n"
NO_CONTENT = f"{HEAD}HTTP/1.1 204 No Content\r\nCache-Control: no-cache\r\nETag: {ETAG}\r\n\r\n\r\n"
PLAIN = {
    "replaced": NO_CONTENT,
    "created": NO_CONTENT.replace("204 No Content", "201 Created"),
    "removed": f"{HEAD}HTTP/1.1 204 No Content\r\nDataServiceVersion: 1.0;\r\n\r\n\r\n",
    "no headers": f"{HEAD}HTTP/1.1 204 No Content\r\n\r\n\r\n",
    "small letters": NO_CONTENT.lower().replace("http/1.1", "HTTP/1.1"),
}
ODD = {
    "with the row": f'{HEAD}HTTP/1.1 201 Created\r\nETag: {ETAG}\r\nContent-Type: application/json\r\n\r\n{{"T": "ETag: 1"}}\r\n',
    "another status": NO_CONTENT.replace("204 No Content", "200 OK"),
    "a header on two lines": NO_CONTENT.replace("no-cache", "no-cache,\r\n no-store"),
    "another header of the part": NO_CONTENT.replace("binary\r\n", "binary\r\nContent-ID: 1\r\n"),
}
FAILED = (
    f"{HEAD}HTTP/1.1 409 Conflict\r\nContent-Type: application/json\r\n\r\n"
    '{"odata.error": {"code": "EntityAlreadyExists", "message": {"lang": "en-US", "value": "1:It is there."}}}\r\n'
)


class Server:
    """What the server answers to every transaction."""

    body: bytes = b""

    def of(self, *parts: str) -> None:
        inner = "".join(f"--changesetresponse_1\r\n{part}" for part in parts)
        head = "--batchresponse_1\r\nContent-Type: multipart/mixed; boundary=changesetresponse_1\r\n\r\n"
        self.body = f"{head}{inner}--changesetresponse_1--\r\n--batchresponse_1--\r\n".encode()


Served = tuple[Server, TableServiceClient]


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    server = Server()

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=202, body=server.body, headers={"Content-Type": "multipart/mixed; boundary=batchresponse_1"})

    application = web.Application()
    application.router.add_post("/{path:.*}", answer)
    runner = web.AppRunner(application)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = "http://{}:{}/account".format(*runner.addresses[0])
    text = f"AccountName=account;AccountKey=a2V5;TableEndpoint={address}"
    async with TableServiceClient.from_connection_string(text, retry_total=0, **METERED) as service:
        yield server, service
    await runner.cleanup()


@pytest.fixture
def of_the_sdk(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How often something was read as e-mail, which is how the SDK reads parts."""
    counted: Counter[str] = Counter()
    inner = FeedParser.feed

    def feed(self: FeedParser, data: str) -> None:
        counted["texts"] += 1
        inner(self, data)

    monkeypatch.setattr(FeedParser, "feed", feed)
    return counted


async def _by_sdk(service: TableServiceClient) -> list[str]:
    return [str(one.get("etag") or "") for one in await service.get_table_client("T").submit_transaction([("create", ROW)])]


async def _by_account(service: TableServiceClient) -> list[str]:
    return await TableAccount(service).write("T", [Insert(ROW)])


@pytest.mark.parametrize("part", [*PLAIN.values(), *ODD.values()], ids=[*PLAIN, *ODD])
async def test_etags_are_what_the_sdk_reads(served: Served, part: str) -> None:
    """Of an operation alone, and among others."""
    server, service = served
    for parts in ([part], [NO_CONTENT, part], [part, NO_CONTENT]):
        server.of(*parts)

        assert await _by_sdk(service) == await _by_account(service)


async def test_the_sdk_reads_no_parts_that_say_nothing_else(served: Served, of_the_sdk: Counter[str]) -> None:
    """Parts that are carried out never meet the parser of e-mail, which costs more than all else about a transaction."""
    server, service = served
    server.of(*PLAIN.values())

    assert len(PLAIN) == len(await _by_account(service))
    assert not of_the_sdk


@pytest.mark.parametrize("body", [b"", b"--batchresponse_1--\r\n"])
async def test_what_is_no_answer_is_the_sdks_to_judge(served: Served, body: bytes) -> None:
    """Whatever it makes of it."""
    server, service = served
    server.body = body

    assert await _by_sdk(service) == await _by_account(service)


async def test_an_operation_that_was_refused_is_told_by_the_sdk(served: Served) -> None:
    """A transaction of which one part was refused fails as it did."""
    server, service = served
    server.of(FAILED)

    with pytest.raises(HttpResponseError, match="It is there"):
        await _by_account(service)
