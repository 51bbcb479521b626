"""What breaks the SDK if it is forgotten: routing, session tokens, locations, resource ids, signatures."""

from __future__ import annotations

import base64
import http.client
import re
from urllib.parse import quote

import pytest

from bifrost_store.emulator import CosmosEmulator
from tests.emulator.support import Wire


def test_ranges_end_in_a_literal_304(wire: Wire) -> None:
    """The SDK asks for the partition key ranges until the answer is 304."""
    path = wire.make_container() + "/pkranges/"
    first = wire.send("GET", path, headers={"A-IM": "Incremental Feed"})
    assert first.status == 200
    (only,) = first.json["PartitionKeyRanges"]
    assert (only["id"], only["minInclusive"], only["maxExclusive"], only["parents"]) == ("0", "", "FF", [])
    second = wire.send("GET", path, headers={"A-IM": "Incremental Feed", "If-None-Match": first.headers["etag"]})
    assert (second.status, second.body) == (304, b"")


def test_every_answer_about_items_feeds_the_caches_of_the_sdk(wire: Wire) -> None:
    """Range id, session token and path by names are on reads, writes, queries and feeds."""
    path = wire.make_container()
    answers = [
        wire.create({"id": "a", "pk": "k"}),
        wire.send("GET", f"{path}/docs/a", key=["k"]),
        wire.query("SELECT * FROM c", key=["k"]),
        wire.send("GET", f"{path}/docs", headers={"A-IM": "Incremental Feed"}),
    ]
    for answer in answers:
        assert answer.headers["x-ms-documentdb-partitionkeyrangeid"] == "0"
        assert re.fullmatch(r"0:-1#\d+", answer.headers["x-ms-session-token"])
        assert answer.headers["x-ms-alt-content-path"] == "dbs/d/colls/c"
        assert answer.headers["x-ms-content-path"]


def test_the_account_names_the_address_that_was_asked(cosmos_emulator: CosmosEmulator, wire: Wire) -> None:
    """Scheme, host and port of the locations are the client's own, whatever name it uses for the machine."""
    assert wire.send("GET", "/").json["writableLocations"][0]["databaseAccountEndpoint"] == cosmos_emulator.endpoint
    other = wire.send("GET", "/", headers={"Host": "cosmos.test:1234"}).json
    assert other["readableLocations"][0]["databaseAccountEndpoint"] == "http://cosmos.test:1234/"
    assert other["userConsistencyPolicy"] == {"defaultConsistencyLevel": "Session"}


def test_items_are_found_by_resource_ids(wire: Wire) -> None:
    """`_self` is a path, signed by the last id in lower case; an id of another kind of thing leads nowhere."""
    wire.make_container()
    item = wire.create({"id": "a", "pk": "k"}).json
    answer = wire.send("GET", "/" + item["_self"], key=["k"])
    assert answer.json == item
    container = "/" + item["_self"].rpartition("docs/")[0]
    assert wire.send("GET", container).json["id"] == "c"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"authorization": "type%3Dmaster%26ver%3D1.0%26sig%3Dabc%3D"}, 401),
        ({"authorization": "nonsense"}, 401),
        ({"authorization": ""}, 401),
        ({"x-ms-date": "Sat, 01 Jan 2000 00:00:00 GMT"}, 401),
        ({"x-ms-date": "yesterday"}, 401),
    ],
)
def test_requests_must_be_signed(wire: Wire, headers: dict[str, str], status: int) -> None:
    """No signature, another one, or one for another date: 401."""
    answer = wire.send("GET", "/dbs", headers=headers)
    assert (answer.status, answer.json["code"]) == (status, "Unauthorized")


def test_a_wrong_key_is_refused(cosmos_emulator: CosmosEmulator) -> None:
    """Another account's key does not open this one."""
    with Wire(cosmos_emulator, key="bm90IHRoZSBrZXk=") as wire:
        assert wire.send("GET", "/").status == 401


def test_an_old_signature_is_refused(cosmos_emulator: CosmosEmulator, wire: Wire) -> None:
    """A date more than 15 minutes off is 403; the clock for times to live does not count."""
    cosmos_emulator.clock.advance(86_400)
    assert wire.send("GET", "/").status == 200
    cosmos_emulator.clock.token_skew = 901
    assert wire.send("GET", "/").status == 403
    cosmos_emulator.clock.token_skew = -890
    assert wire.send("GET", "/").status == 200


def test_a_container_made_anew_is_told_apart(wire: Wire) -> None:
    """Who comes with the resource id of an earlier container of that name is told so: 400/1024."""
    path = wire.make_container()
    rid = wire.send("GET", path).json["_rid"]
    wire.send("DELETE", path)
    assert wire.send("GET", f"{path}/docs/a", key=["k"]).sub_status == 1003
    wire.make_container()
    answer = wire.send("GET", f"{path}/docs/a", key=["k"], headers={"x-ms-cosmos-intended-collection-rid": rid})
    assert (answer.status, answer.sub_status) == (400, 1024)


def test_a_stronger_consistency_is_refused(wire: Wire) -> None:
    """A request may ask for less than the account's level, not for more."""
    path = wire.make_container()
    wire.create({"id": "a", "pk": "k"})
    found = {
        level: wire.send("GET", f"{path}/docs/a", key=["k"], headers={"x-ms-consistency-level": level}).status
        for level in ("Eventual", "Session", "BoundedStaleness", "Strong", "None")
    }
    assert found == {"Eventual": 200, "Session": 200, "BoundedStaleness": 400, "Strong": 400, "None": 400}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 400),
        ("GET", "/dbs/d/nothing", 400),
        ("GET", "/dbs/d/colls/c/nothing", 400),
        ("GET", "/dbs/d/colls/c/docs/a/attachments", 400),
        ("GET", "/dbs/missing", 404),
        ("GET", "/dbs/d/colls/missing/docs", 404),
        ("OPTIONS", "/", 403),
        ("TRACE", "/dbs", 405),
        ("PUT", "/dbs/d/colls/c/docs", 405),
        ("DELETE", "/", 405),
    ],
)
def test_paths_that_lead_nowhere(wire: Wire, method: str, path: str, status: int) -> None:
    """Unknown paths and verbs are errors of the service."""
    wire.make_container()
    answer = wire.send(method, path)
    assert answer.status == status
    assert answer.json["code"]


@pytest.mark.cosmos_emulator(partitions=3)
def test_partitions_have_ranges_that_meet(wire: Wire) -> None:
    """With several physical partitions the ranges cover the key space, and tokens name the range of the key."""
    path = wire.make_container()
    ranges = wire.send("GET", f"{path}/pkranges").json["PartitionKeyRanges"]
    assert [each["id"] for each in ranges] == ["0", "1", "2"]
    assert [each["minInclusive"] for each in ranges][1:] == [each["maxExclusive"] for each in ranges][:-1]
    found = {wire.create({"id": "a", "pk": f"org-{n}"}).headers["x-ms-session-token"].partition(":")[0] for n in range(20)}
    assert found == {"0", "1", "2"}


def test_a_split_puts_two_ranges_in_place_of_one(cosmos_emulator: CosmosEmulator, wire: Wire) -> None:
    """The parent's id answers 410/1002 from then on; the children name it."""
    path = wire.make_container()
    cosmos_emulator.split("d", "c")
    ranges = wire.send("GET", f"{path}/pkranges").json["PartitionKeyRanges"]
    assert [(each["id"], each["parents"]) for each in ranges] == [("1", ["0"]), ("2", ["0"])]
    gone = wire.query("SELECT * FROM c", headers={"x-ms-documentdb-partitionkeyrangeid": "0"})
    assert (gone.status, gone.sub_status) == (410, 1002)


def test_tokens_made_for_emulators(cosmos_emulator: CosmosEmulator) -> None:
    """A token as of Entra ID is taken if its signature is the account's key, which is what emulators' credentials make."""
    for key, status in ((cosmos_emulator.key, 200), ("bm90IHRoZSBrZXk=", 401)):
        token = f"e30.e30.{base64.urlsafe_b64encode(key.encode()).decode().rstrip('=')}"
        connection = http.client.HTTPConnection("127.0.0.1", cosmos_emulator.port, timeout=20)
        connection.request("GET", "/dbs", headers={"authorization": quote(f"type=aad&ver=1.0&sig={token}", safe="")})
        response = connection.getresponse()
        assert response.status == status
        connection.close()
