"""Whatever arrives, the answer is the service's and the server goes on."""

from __future__ import annotations

import random
import re
import socket
from typing import Any

import pytest

from bifrost_store.emulator import CosmosEmulator
from tests.emulator.support import QUERY, Wire

DOCS = "/dbs/d/colls/c/docs"


def exchange(emulator: CosmosEmulator, data: bytes, *, close: bool = False, answers: int = 1) -> bytes:
    """Send bytes, and return what comes back until it holds so many answers, or less if the server closes."""
    with socket.create_connection(("127.0.0.1", emulator.port), timeout=60) as connection:
        connection.sendall(data)
        if close:
            connection.shutdown(socket.SHUT_WR)
        found = b""
        while found.count(b"HTTP/1.1 ") < answers and (more := connection.recv(65536)):
            found += more
        return found


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"hello\r\n\r\n", b"400"),
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", b"400"),
        (b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", b"431"),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", b"431"),
        (b"POST /dbs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"GET /dbs HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", b"401"),
        (b"GET /dbs HTTP/1.1\r\nHost: a\r\n\r\n", b"401"),
        (b"GET /%ff%00%0d%0a HTTP/1.1\r\nHost: a\r\n\r\n", b"401"),
        (b"HEAD /dbs HTTP/1.1\r\nHost: a\r\n\r\n", b"401"),
        (b"GET /dbs HTTP/1.0\r\n\r\n", b"401"),
    ],
)
def test_what_is_no_request(cosmos_emulator: CosmosEmulator, wire: Wire, data: bytes, status: bytes) -> None:
    """Broken HTTP is answered with an error and closed; unsigned requests are refused."""
    assert exchange(cosmos_emulator, data).split()[1:2] == [status]
    assert wire.send("GET", "/dbs").status == 200


@pytest.mark.parametrize("data", [b"", b"GET", b"POST /dbs HTTP/1.1\r\nContent-Length: 100\r\n\r\n{"])
def test_half_a_request(cosmos_emulator: CosmosEmulator, wire: Wire, data: bytes) -> None:
    """Who stops in the middle gets nothing, and disturbs nobody."""
    assert exchange(cosmos_emulator, data, close=True) == b""
    assert wire.send("GET", "/dbs").status == 200


def test_requests_may_come_together(cosmos_emulator: CosmosEmulator) -> None:
    """Several requests in one packet are answered in their order, also when the first is slow."""
    cosmos_emulator.faults.add(delay=0.1)
    found = exchange(cosmos_emulator, b"GET /dbs HTTP/1.1\r\nHost: a\r\n\r\nOPTIONS / HTTP/1.1\r\nHost: a\r\n\r\n", answers=2)
    assert re.findall(rb"HTTP/1.1 (\d+)", found) == [b"401", b"403"]


@pytest.mark.parametrize("size", [2_200_000, 10_000_000])
def test_large_bodies(wire: Wire, size: int) -> None:
    """More than 2 MB is 413 wherever a body is looked at, and the connection goes on."""
    wire.make_container()
    body = b'{"id":"a","pk":"k","x":"' + b"x" * size + b'"}'
    for headers in ({}, QUERY, {"x-ms-cosmos-is-batch-request": "True"}):
        answer = wire.send("POST", DOCS, body, headers, key=["k"])
        assert (answer.status, answer.json["code"]) == (413, "RequestEntityTooLarge")
    assert wire.send("POST", "/dbs", body).status == 413
    assert wire.create({"id": "a", "pk": "k"}).status == 201


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/dbs", {}),
        ("/dbs", {"id": 1}),
        ("/dbs", {"id": ""}),
        ("/dbs", {"id": "a/b"}),
        ("/dbs", {"id": "a\r\nx-evil: 1"}),
        ("/dbs", {"id": "a "}),
        ("/dbs", {"id": "x" * 256}),
        ("/dbs", []),
        ("/dbs", b"\xff\xfe"),
        ("/dbs/d/colls", {"id": "x"}),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": []}}),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["pk"]}}),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a", "/b"], "kind": "Hash"}}),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a"], "kind": "Range"}}),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a"], "version": 3}}),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ['/"a']}}),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a"]}, "indexingPolicy": []}),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a"]}, "indexingPolicy": {"includedPaths": [{"path": "/a/?"}]}}),
        (
            "/dbs/d/colls",
            {"id": "x", "partitionKey": {"paths": ["/a"]}, "indexingPolicy": {"compositeIndexes": [[{"path": "/a"}]]}},
        ),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a"]}, "indexingPolicy": {"indexingMode": "odd"}}),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a"]}, "uniqueKeyPolicy": {"uniqueKeys": [{"paths": []}]}}),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a"]}, "uniqueKeyPolicy": {"uniqueKeys": [1]}}),
        (
            "/dbs/d/colls",
            {"id": "x", "partitionKey": {"paths": ["/a"]}, "uniqueKeyPolicy": {"uniqueKeys": [{"paths": ["/a"]}] * 11}},
        ),
        ("/dbs/d/colls", {"id": "x", "partitionKey": {"paths": ["/a"]}, "defaultTtl": "soon"}),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_no_database_and_no_container(wire: Wire, path: str, body: Any) -> None:
    """Names and policies that the service does not take are 400."""
    wire.make_container()
    answer = wire.send("POST", path, body)
    assert (answer.status, answer.json["code"]) == (400, "BadRequest")


@pytest.mark.parametrize(
    "headers",
    [
        {"x-ms-max-item-count": "many"},
        {"x-ms-max-item-count": "9" * 5000},
        {"x-ms-documentdb-partitionkeyrangeid": "nothing"},
        {
            "x-ms-documentdb-partitionkeyrangeid": "0",
            "x-ms-read-key-type": "EffectivePartitionKeyRange",
            "x-ms-start-epk": "FF",
            "x-ms-end-epk": "00",
        },
        {"x-ms-documentdb-partitionkey": "["},
        {"x-ms-documentdb-partitionkey": "[" * 50_000},
        {"x-ms-documentdb-partitionkey": '["\\ud800"]'},
        {"x-ms-documentdb-partitionkey": "[1e999]"},
        {"x-ms-documentdb-partitionkey": "[NaN]"},
        {"x-ms-documentdb-partitionkey": "[" + "9" * 5000 + "]"},
        {"x-ms-continuation": "\x01\x02"},
        {"x-ms-session-token": "nonsense"},
        {"A-IM": "nonsense"},
        {"If-None-Match": "nonsense", "A-IM": "Incremental Feed"},
        {"x-ms-offer-throughput": "x"},
    ],
    ids=lambda headers: str(headers)[:70],
)
@pytest.mark.parametrize("method", ["GET", "POST", "QUERY"])
def test_headers_may_be_anything(wire: Wire, method: str, headers: dict[str, str]) -> None:
    """No header makes the server fail: it is refused or does no harm."""
    wire.make_container()
    if method == "QUERY":
        answer = wire.send("POST", DOCS, {"query": "SELECT * FROM c"}, {**QUERY, **headers})
    else:
        answer = wire.send(method, DOCS, {"id": "a", "pk": "k"} if method == "POST" else None, headers)
    assert answer.status < 500
    assert wire.send("GET", "/dbs").status == 200


def test_mutated_requests(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """Hundreds of requests with something wrong in body, key, path or headers: never a 500."""
    wire.make_container()
    source = random.Random(7)
    values: list[Any] = [None, True, 0, -1, 1.5, "", "a", "é" * 600, [], {}, [[]], {"a": {}}, "ttl", 2**70, [None] * 20]
    names = [
        "id",
        "pk",
        "ttl",
        "operations",
        "condition",
        "query",
        "parameters",
        "operationType",
        "resourceBody",
        "ifMatch",
        "op",
        "path",
        "value",
        "from",
    ]
    kinds = [
        {},
        QUERY,
        {"x-ms-cosmos-is-batch-request": "True"},
        {"x-ms-cosmos-is-query-plan-request": "True"},
        {"x-ms-documentdb-is-upsert": "True"},
    ]

    def value(depth: int = 0) -> Any:
        if depth < 3 and source.random() < 0.5:
            if source.random() < 0.5:
                return [value(depth + 1) for _ in range(source.randrange(4))]
            return {source.choice(names): value(depth + 1) for _ in range(source.randrange(5))}
        return source.choice([*values, "Create", "Patch", "incr", "/a/b", "SELECT * FROM c", "FROM c WHERE c.a = 1", "@p"])

    for _ in range(600):
        method = source.choice(["GET", "POST", "POST", "PUT", "PATCH", "DELETE"])
        path = DOCS if method == "POST" else f"{DOCS}/a"
        answer = wire.send(method, path, value(), source.choice(kinds), key=source.choice([["k"], ["a"], [{}], value()]))
        assert answer.status < 500
        if answer.status >= 400 or answer.status == 207:
            assert answer.json


ENDLESS = {
    "a header's value": b"GET / HTTP/1.1\r\nX: ",
    "a header's name": b"GET / HTTP/1.1\r\n",
    "the target": b"GET /",
    "the verb's line": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nZ: ",
    "a part's length": b"POST /dbs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
    "a part's extension": b"POST /dbs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
    "a trailer": b"POST /dbs HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
}


@pytest.mark.parametrize("start", ENDLESS.values(), ids=ENDLESS)
def test_what_does_not_end_is_not_kept(cosmos_emulator: CosmosEmulator, wire: Wire, start: bytes) -> None:
    """Whatever never ends is refused once it is too long, however it is cut into packets; the server has not kept it."""
    with socket.create_connection(("127.0.0.1", cosmos_emulator.port), timeout=60) as connection:
        sent = 0
        connection.sendall(start)
        try:
            while sent < 4 * 1024 * 1024:
                sent += connection.send(b"0" * 4096)
        except OSError:
            pass
        assert sent < 4 * 1024 * 1024
    assert wire.send("GET", "/dbs").status == 200


@pytest.mark.parametrize(
    "start",
    [
        b"GET",
        b"GET / HTTP/1.1\r\nHost: ",
        b"POST /dbs HTTP/1.1\r\nContent-Length: 100\r\n\r\n{",
        b"GET /dbs HTTP/1.1\r\nHost: a\r\n\r\nGET /",
    ],
)
def test_who_stops_in_the_middle_is_told(
    cosmos_emulator: CosmosEmulator, wire: Wire, monkeypatch: pytest.MonkeyPatch, start: bytes
) -> None:
    """A request that does not arrive in time is 408 and the connection ends; one that waits between requests is left alone."""
    monkeypatch.setattr("bifrost_store.emulator.wire.http.REQUEST_SECONDS", 0.05)
    assert wire.send("GET", "/dbs").status == 200
    with socket.create_connection(("127.0.0.1", cosmos_emulator.port), timeout=60) as connection:
        connection.sendall(start)
        found = b""
        while more := connection.recv(65536):
            found += more
    assert re.findall(rb"HTTP/1.1 (\d+)", found)[-1] == b"408"
    assert wire.send("GET", "/dbs").status == 200


LONE = '"\\ud800"'


@pytest.mark.parametrize(
    ("method", "path", "body", "headers"),
    [
        ("POST", "/dbs", f'{{"id":{LONE}}}', {}),
        ("POST", DOCS, f'{{"id":{LONE},"pk":"k"}}', {}),
        ("POST", DOCS, f'{{"id":"b","pk":{LONE},{LONE}:1}}', {"x-ms-documentdb-partitionkey": f"[{LONE}]"}),
        ("PUT", f"{DOCS}/a", f'{{"id":"a","pk":"k","s":{LONE}}}', {}),
        ("PATCH", f"{DOCS}/a", f'{{"operations":[{{"op":"add","path":{LONE},"value":1}}]}}', {}),
        ("PATCH", f"{DOCS}/a", f'{{"operations":[{{"op":"add","path":"/x","value":{LONE}}}],"condition":{LONE}}}', {}),
        ("POST", DOCS, f'[{{"operationType":"Read","id":{LONE}}}]', {"x-ms-cosmos-is-batch-request": "True"}),
        ("POST", DOCS, f'[{{"operationType":{LONE},"id":{LONE}}}]', {"x-ms-cosmos-is-batch-request": "True"}),
        ("POST", DOCS, f'{{"query":"SELECT VALUE {LONE[1:-1]}","parameters":[]}}', QUERY),
        ("POST", DOCS, '{"query":"SELECT VALUE \'\\\\ud800\'","parameters":[]}', QUERY),
        ("POST", DOCS, '{"query":"SELECT VALUE c.id FROM c WHERE c.id = \'\\\\ud800\' ORDER BY c.id","parameters":[]}', QUERY),
        ("POST", DOCS, f'{{"query":"SELECT * FROM c WHERE c.id = @p","parameters":[{{"name":"@p","value":{LONE}}}]}}', QUERY),
        ("POST", DOCS, f'{{"query":"SELECT * FROM c","parameters":[{{"name":{LONE},"value":1}}]}}', QUERY),
        ("GET", f"{DOCS}/%ed%a0%80", None, {}),
        ("GET", "/dbs/%ff", None, {}),
        ("GET", DOCS, None, {"x-ms-continuation": "\xff", "if-none-match": "\xff", "a-im": "\xff"}),
        ("POST", "/dbs/d/colls", '{"id":"x","partitionKey":{"paths":["/a"]}}',
         {"x-ms-cosmos-offer-autopilot-settings": '{"maxThroughput":1e999}'}),
    ],
)  # fmt: skip
def test_text_that_cannot_be_encoded(wire: Wire, method: str, path: str, body: str | None, headers: dict[str, str]) -> None:
    """Half a surrogate pair, and bytes that are no text, are replaced or refused, wherever they stand; nothing fails."""
    wire.make_container()
    wire.create({"id": "a", "pk": "k"})
    data = None if body is None else body.encode()
    answer = wire.send(method, path, data, {"x-ms-documentdb-partitionkey": '["k"]', **headers})
    assert answer.status < 500
    answer.body.decode()
    assert wire.send("GET", f"{DOCS}/a", key=["k"]).status == 200


def test_a_full_disk(wire: Wire, cosmos_emulator: CosmosEmulator) -> None:
    """Where there is no room, a write says so and changes nothing; reads and removals go on."""
    wire.make_container()
    wire.create({"id": "a", "pk": "k"})
    database = cosmos_emulator.call(lambda: cosmos_emulator._running.engine.database)
    ((pages,),) = cosmos_emulator.call(lambda: database.execute("PRAGMA page_count").fetchall())
    cosmos_emulator.call(lambda: database.execute(f"PRAGMA max_page_count = {pages + 4}").fetchall())
    answer = wire.create({"id": "b", "pk": "k", "x": "x" * 1_000_000})
    assert (answer.status, answer.json["code"]) == (507, "InsufficientStorage")
    assert "disk" in answer.json["message"]
    assert wire.send("GET", f"{DOCS}/b", key=["k"]).status == 404
    assert wire.send("DELETE", f"{DOCS}/a", key=["k"]).status == 204
    assert wire.create({"id": "c", "pk": "k"}).status == 201
