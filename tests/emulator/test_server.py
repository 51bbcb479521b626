"""The server as a program and in process: ready line, data files, HTTPS, control path, starting and stopping."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bifrost_store.emulator import CosmosEmulator, DataFileError, Options
from tests.emulator.support import Wire

SERVER = [sys.executable, "-m", "bifrost_store.emulator", "--port", "0"]
STARTS = int(os.environ.get("BIFROST_EMULATOR_STARTS", "100"))


def test_it_says_when_it_is_ready(tmp_path: Path) -> None:
    """One line of JSON on standard output names endpoint, key and connection string; SIGTERM ends it with 0."""
    certificate = tmp_path / "ca.pem"
    options = ["--https", "--certificate", str(certificate), "--consistency", "Strong"]
    with subprocess.Popen([*SERVER, *options], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["connection_string"] == f"AccountEndpoint={ready['endpoint']};AccountKey={ready['key']};"
            there = CosmosEmulator(port=int(ready["endpoint"].rstrip("/").rpartition(":")[2]), https=True, key=ready["key"])
            there.ca_certificate = certificate.read_text()
            with Wire(there) as wire:
                assert wire.send("GET", "/dbs").status == 200
                account = wire.send("GET", "/").json
                assert account["userConsistencyPolicy"] == {"defaultConsistencyLevel": "Strong"}
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait() == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ["--key", "no base64"],
        ["--partitions", "0"],
        ["--ru-limit", "-1"],
        ["--data", "/nowhere/at/all"],
        ["--host", "256.0.0.1"],
        ["--consistency", "Weak"],
    ],
)
def test_wrong_use_is_told(arguments: list[str]) -> None:
    """Options that make no sense end the program with 1 and one line."""
    done = subprocess.run([*SERVER, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) == 1


def test_a_taken_port_is_told() -> None:
    """Two servers cannot have one port."""
    with CosmosEmulator() as first, pytest.raises(OSError, match="in use"):
        CosmosEmulator(port=first.port).start()


def test_data_outlives_the_server(tmp_path: Path) -> None:
    """What was written to a file is there after a restart: items, etags, expiry, offers, and positions of the feed."""
    data = tmp_path / "data.db"
    with CosmosEmulator(data=data, options=Options(partitions=2)) as emulator, Wire(emulator) as wire:
        wire.make_container({"uniqueKeyPolicy": {"uniqueKeys": [{"paths": ["/u"]}]}, "defaultTtl": -1})
        for index in range(400):
            wire.create({"id": f"{index:03}", "pk": "k", "u": index, "n": 400 - index})
        etag = wire.send("GET", "/dbs/d/colls/c/docs/000", key=["k"]).json["_etag"]
        first = wire.query("SELECT VALUE c.id FROM c ORDER BY c.n", headers={"x-ms-max-item-count": "3"}, key=["k"])
        position = wire.send("GET", "/dbs/d/colls/c/docs", headers={"A-IM": "Incremental Feed"}).headers["etag"]
        ranges = wire.send("GET", "/dbs/d/colls/c/pkranges").json["PartitionKeyRanges"]
        wire.send("DELETE", "/dbs/d/colls/c/docs/399", key=["k"])
    with CosmosEmulator(data=data) as emulator, Wire(emulator) as wire:
        assert wire.send("GET", "/dbs/d/colls/c/docs/000", key=["k"]).json["_etag"] == etag
        more = {"x-ms-max-item-count": "3", "x-ms-continuation": first.headers["x-ms-continuation"]}
        assert wire.query("SELECT VALUE c.id FROM c ORDER BY c.n", headers=more, key=["k"]).json["Documents"] == [
            "396",
            "395",
            "394",
        ]
        assert wire.create({"id": "x", "pk": "k", "u": 1}).status == 409
        wire.create({"id": "new", "pk": "k", "u": "new"})
        feed = wire.send("GET", "/dbs/d/colls/c/docs", headers={"A-IM": "Incremental Feed", "If-None-Match": position})
        assert [item["id"] for item in feed.json["Documents"]] == ["new"]
        again = wire.send("GET", "/dbs/d/colls/c/pkranges").json["PartitionKeyRanges"]
        assert [each["minInclusive"] for each in again] == [each["minInclusive"] for each in ranges]
        assert len(wire.send("GET", "/offers").json["Offers"]) == 1


def _foreign(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.commit()
    connection.close()


def _damaged(path: Path) -> None:
    with CosmosEmulator(data=path) as emulator, Wire(emulator) as wire:
        wire.make_container()
        for index in range(50):
            wire.create({"id": str(index), "pk": "k", "x": "x" * 2000})
    content = bytearray(path.read_bytes())
    content[5000:9000] = b"\xff" * 4000
    path.write_bytes(content)


def _cut(path: Path) -> None:
    _damaged(path)
    path.write_bytes(path.read_bytes()[:6000])


def _newer(path: Path) -> None:
    with CosmosEmulator(data=path):
        pass
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


@pytest.mark.parametrize(
    "make",
    [
        _foreign,
        _damaged,
        _cut,
        _newer,
        lambda path: path.write_text("hello"),
        lambda path: path.write_bytes(b"SQLite format 3\0"),
        Path.mkdir,
    ],
    ids=["foreign", "damaged", "cut", "newer", "text", "header only", "folder"],
)
def test_a_file_that_is_not_ours_is_left_alone(tmp_path: Path, make: object) -> None:
    """A foreign, damaged or newer file is refused, not a byte of it changed and nothing put beside it."""
    path = tmp_path / "data.db"
    make(path)  # type: ignore[operator]
    before = path.read_bytes() if path.is_file() else None
    names = sorted(entry.name for entry in tmp_path.iterdir())
    with pytest.raises(DataFileError):
        CosmosEmulator(data=path).start()
    assert (path.read_bytes() if path.is_file() else None) == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == names


def test_a_file_has_one_server(tmp_path: Path) -> None:
    """A second server is told that the file is in use, and the first goes on."""
    path = tmp_path / "data.db"
    with CosmosEmulator(data=path) as emulator, Wire(emulator) as wire:
        wire.make_container()
        with pytest.raises(DataFileError):
            CosmosEmulator(data=path).start()
        assert wire.create({"id": "a", "pk": "k"}).status == 201


def test_an_empty_file_becomes_a_data_file(tmp_path: Path) -> None:
    """A file without a byte is as good as none."""
    path = tmp_path / "data.db"
    path.touch()
    with CosmosEmulator(data=path) as emulator, Wire(emulator) as wire:
        wire.make_container()
    with CosmosEmulator(data=path) as emulator, Wire(emulator) as wire:
        assert wire.send("GET", "/dbs/d/colls/c").status == 200


def test_https_with_a_certificate_of_its_own() -> None:
    """The certificate vouches for the server, and for no other name."""
    with CosmosEmulator(https=True) as emulator:
        context = ssl.create_default_context(cadata=emulator.ca_certificate)
        with (
            socket.create_connection(("127.0.0.1", emulator.port)) as plain,
            context.wrap_socket(plain, server_hostname="localhost") as tls,
        ):
            assert tls.version() == "TLSv1.3"
        with socket.create_connection(("127.0.0.1", emulator.port)) as plain, pytest.raises(ssl.SSLCertVerificationError):
            context.wrap_socket(plain, server_hostname="example.com")
        with Wire(emulator) as wire:
            wire.make_container()
            assert wire.create({"id": "a", "pk": "k"}).status == 201
            account = wire.send("GET", "/").json
        assert account["writableLocations"][0]["databaseAccountEndpoint"] == emulator.endpoint


def test_the_sync_sdk_works(cosmos_emulator: CosmosEmulator) -> None:
    """In a process of its own, for the SDK leaves a thread behind that complains when its client is closed."""
    done = subprocess.run(
        [sys.executable, "-c", _SYNC, cosmos_emulator.endpoint, cosmos_emulator.key],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "['a', 'b'] ['b', 'a'] [2] ['b']"), done.stderr


_SYNC = """
import os, sys
from azure.cosmos import CosmosClient, PartitionKey
client = CosmosClient(*sys.argv[1:])
container = client.create_database("d").create_container("c", PartitionKey("/pk"))
for name in "ab":
    container.create_item({"id": name, "pk": "k"})
rows = [item["id"] for item in container.query_items("SELECT * FROM c ORDER BY c.id", partition_key="k")]
across = list(container.query_items("SELECT VALUE c.id FROM c ORDER BY c.id DESC", enable_cross_partition_query=True))
count = list(container.query_items("SELECT VALUE COUNT(1) FROM c", enable_cross_partition_query=True))
container.delete_item("a", "k")
feed = [item["id"] for item in container.query_items_change_feed(start_time="Beginning")]
print(rows, across, count, feed, flush=True)
os._exit(0)
"""


def test_the_control_path(cosmos_emulator: CosmosEmulator, wire: Wire) -> None:
    """Clock, faults, limit, split, log and reset from outside, with the key."""
    wire.make_container({"defaultTtl": 10})
    wire.create({"id": "a", "pk": "k"})
    before = time.time()
    assert before + 60 <= wire.control("POST", "clock", {"advance": 60}).json["now"] <= time.time() + 60
    assert wire.send("GET", "/dbs/d/colls/c/docs/a", key=["k"]).status == 404
    wire.control("POST", "faults", {"operation": "Read", "status": 503})
    assert wire.send("GET", "/dbs/d/colls/c/docs/a", key=["k"]).status == 503
    wire.control("DELETE", "faults")
    wire.control("POST", "throughput", {"ruLimit": 1})
    assert 429 in [wire.create({"id": str(n), "pk": "k"}).status for n in range(3)]
    assert wire.control("POST", "split", {"database": "d", "container": "c"}).json == {"ranges": ["1", "2"]}
    log = wire.control("GET", "log").json
    assert log["requests"][-1]["status"] == 429
    assert wire.control("POST", "reset").status == 200
    assert wire.send("GET", "/dbs").json["Databases"] == []
    assert before <= wire.control("GET", "clock").json["now"] <= time.time()
    for method, name, body in (
        ("GET", "nothing", None),
        ("POST", "clock", {}),
        ("POST", "clock", {"set": "x"}),
        ("POST", "split", {}),
        ("POST", "throughput", {"ruLimit": -1}),
    ):
        assert wire.control(method, name, body).status in (400, 404)


def test_the_control_path_needs_the_key(cosmos_emulator: CosmosEmulator, wire: Wire) -> None:
    """A signature is not enough, nor is nothing."""
    assert wire.send("GET", "/_emulator/log").status == 401
    assert wire.send("GET", "/_emulator/log", headers={"authorization": "Bearer nonsense"}).status == 401


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_starting_and_stopping_leaves_nothing() -> None:
    """Many servers one after the other leave no thread, no port and no file behind."""
    threads, files = threading.active_count(), _open_files()
    for _ in range(STARTS):
        with CosmosEmulator() as emulator:
            connection = socket.create_connection(("127.0.0.1", emulator.port))
            connection.sendall(b"GET / HT")
        connection.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", emulator.port)).close()
    assert threading.active_count() == threads
    assert _open_files() <= files + 2


def test_a_server_is_started_once() -> None:
    """Stopping twice is fine, starting twice is not."""
    emulator = CosmosEmulator().start()
    emulator.stop()
    emulator.stop()
    with pytest.raises(RuntimeError):
        emulator.start()
    with pytest.raises(RuntimeError):
        CosmosEmulator().log  # noqa: B018 - asked for to raise


def test_a_reset_from_another_thread(cosmos_emulator: CosmosEmulator, wire: Wire) -> None:
    """Resetting between requests leaves an empty server that works."""
    for _ in range(3):
        wire.make_container()
        wire.create({"id": "a", "pk": "k"})
        cosmos_emulator.reset()
        assert wire.send("GET", "/dbs").json["_count"] == 0
