"""Items: identity, conditions, what bodies come back as, and what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.emulator.support import Answer, Wire

DOCS = "/dbs/d/colls/c/docs"


@pytest.fixture(autouse=True)
def _container(wire: Wire) -> None:
    wire.make_container()


def raw(wire: Wire, text: str) -> Answer:
    """Create an item from JSON as it is written."""
    return wire.send("POST", DOCS, text.encode(), key=["k"])


def test_the_life_of_an_item(wire: Wire) -> None:
    """Create, read, replace, upsert and delete answer with the service's statuses and keep the resource id."""
    created = wire.create({"id": "a", "pk": "k", "n": 1})
    assert (created.status, created.headers["etag"]) == (201, created.json["_etag"])
    read = wire.send("GET", f"{DOCS}/a", key=["k"])
    assert (read.status, read.json) == (200, created.json)
    replaced = wire.send("PUT", f"{DOCS}/a", {"id": "a", "pk": "k", "n": 2}, key=["k"])
    assert (replaced.status, replaced.json["_rid"]) == (200, created.json["_rid"])
    assert replaced.json["_etag"] != created.json["_etag"]
    upsert = {"x-ms-documentdb-is-upsert": "True"}
    assert wire.send("POST", DOCS, {"id": "a", "pk": "k"}, upsert, key=["k"]).status == 200
    assert wire.send("POST", DOCS, {"id": "b", "pk": "k"}, upsert, key=["k"]).status == 201
    assert wire.send("DELETE", f"{DOCS}/a", key=["k"]).status == 204
    assert wire.send("GET", f"{DOCS}/a", key=["k"]).status == 404
    assert wire.create({"id": "a", "pk": "k"}).json["_rid"] != created.json["_rid"]


def test_identity_is_partition_key_and_id(wire: Wire) -> None:
    """Equal ids under keys of other values, types, null and undefined are items of their own."""
    keys: list[Any] = ["1", 1, True, None, {}]
    for key in keys:
        item = {"id": "a"} | ({} if key == {} else {"pk": key})
        assert wire.send("POST", DOCS, item, key=[key]).status == 201
        assert wire.send("POST", DOCS, item, key=[key]).status == 409
    assert len(wire.send("GET", DOCS).json["Documents"]) == len(keys)
    assert wire.send("GET", f"{DOCS}/a", key=[1.0]).json["pk"] == 1


def test_a_body_comes_back_as_it_was(wire: Wire) -> None:
    """Order, unknown properties, numbers, NUL and every script are kept; system properties are the service's."""
    numbers = "[1,1.5,-9223372036854775808,18446744073709551615,1e300]"
    text = f'{{"z":1,"id":"a","pk":"k","n":{numbers},"s":"\\u0000é😀","_x":{{"":null}},"_ts":1}}'
    answer = raw(wire, text)
    body = answer.json
    assert list(body)[:6] == ["z", "id", "pk", "n", "s", "_x"]
    assert body["n"] == [1, 1.5, -(2**63), float(2**64), 1e300]
    assert (body["s"], body["_x"]) == ("\0é😀", {"": None})
    assert list(body)[6:] == ["_rid", "_self", "_etag", "_attachments", "_ts"]
    assert body["_ts"] > 1
    assert wire.query("SELECT * FROM c", key=["k"]).json["Documents"] == [body]


def test_half_a_surrogate_pair_becomes_a_mark(wire: Wire) -> None:
    """What UTF-8 cannot hold is replaced, in ids as well."""
    body = raw(wire, '{"id":"a\\ud800","pk":"k","s":"\\udc00x"}').json
    assert (body["id"], body["s"]) == ("a\ufffd", "\ufffdx")


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("", 400),
        ("{", 400),
        ("[]", 400),
        ('"a"', 400),
        ("null", 400),
        ('{"id":"a","pk":"k","n":NaN}', 400),
        ('{"id":"a","pk":"k","n":1e400}', 400),
        ('{"id":"a","pk":"k","n":' + "9" * 400 + "}", 400),
        ('{"pk":"k"}', 400),
        ('{"id":1,"pk":"k"}', 400),
        ('{"id":"","pk":"k"}', 400),
        ('{"id":"a/b","pk":"k"}', 400),
        ('{"id":"a\\\\b","pk":"k"}', 400),
        ('{"id":"' + "é" * 512 + '","pk":"k"}', 400),
        ('{"id":"a","pk":"other"}', 400),
        ('{"id":"a"}', 400),
        ('{"id":"a","pk":"k","ttl":0}', 400),
        ('{"id":"a","pk":"k","ttl":null}', 400),
        ('{"id":"a","pk":"k","ttl":"1"}', 400),
        ('{"id":"a","pk":"k","x":' + "[" * 128 + "]" * 128 + "}", 400),
        ('{"id":"a","pk":"k","x":' + "[" * 100_000 + "]" * 100_000 + "}", 400),
        ('{"id":"a","pk":"k","x":"' + "x" * 2_100_000 + '"}', 413),
        ('{"id":"a","pk":"k","x":' + "[" * 127 + "]" * 127 + "}", 201),
        ('{"id":"' + "a" * 1023 + '","pk":"k"}', 201),
        ('{"id":"a","pk":"k","x":"' + "x" * 2_000_000 + '"}', 201),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_a_body_may_be(wire: Wire, text: str, status: int) -> None:
    """Broken JSON, bad ids, deep nesting and too many bytes are refused; what is just allowed is stored."""
    assert raw(wire, text).status == status
    assert wire.send("GET", "/").status == 200


@pytest.mark.parametrize("key", [None, ["a", "b"], "k", 5, [["k"]], [{"a": 1}], ["x" * 2049]])
def test_what_a_partition_key_may_be(wire: Wire, key: Any) -> None:
    """No header, too many values, or values that are no scalars: 400, with 1001 where a key does not fit."""
    answer = wire.send("POST", DOCS, {"id": "a", "pk": "k"}, key=key)
    assert answer.status == 400
    if key is not None and key == ["a", "b"]:
        assert answer.sub_status == 1001


def test_etags_decide(wire: Wire) -> None:
    """If-Match and If-None-Match decide writes and reads; a failed one changes nothing."""
    old = wire.create({"id": "a", "pk": "k", "n": 1}).json["_etag"]
    new = wire.send("PUT", f"{DOCS}/a", {"id": "a", "pk": "k", "n": 2}, {"If-Match": old}, key=["k"]).json["_etag"]
    for method, body in (("PUT", {"id": "a", "pk": "k"}), ("DELETE", None), ("PATCH", {"operations": [SET_N]})):
        assert wire.send(method, f"{DOCS}/a", body, {"If-Match": old}, key=["k"]).status == 412
    upsert = {"x-ms-documentdb-is-upsert": "True", "If-Match": old}
    assert wire.send("POST", DOCS, {"id": "a", "pk": "k"}, upsert, key=["k"]).status == 412
    assert wire.send("POST", DOCS, {"id": "new", "pk": "k"}, upsert, key=["k"]).status == 201
    assert wire.send("GET", f"{DOCS}/a", headers={"If-None-Match": old}, key=["k"]).json["n"] == 2
    unchanged = wire.send("GET", f"{DOCS}/a", headers={"If-None-Match": new}, key=["k"])
    assert (unchanged.status, unchanged.body) == (304, b"")
    assert wire.send("DELETE", f"{DOCS}/a", headers={"If-Match": "*"}, key=["k"]).status == 204


SET_N = {"op": "set", "path": "/n", "value": 9}


def test_a_body_that_is_not_wanted_is_not_sent(wire: Wire) -> None:
    """`Prefer: return=minimal` empties the answers to writes, and keeps their headers."""
    answer = wire.send("POST", DOCS, {"id": "a", "pk": "k"}, {"Prefer": "return=minimal"}, key=["k"])
    assert (answer.status, answer.body) == (201, b"")
    assert answer.headers["etag"]
    assert wire.send("GET", f"{DOCS}/a", headers={"Prefer": "return=minimal"}, key=["k"]).json["id"] == "a"


def test_a_replace_may_rename(wire: Wire) -> None:
    """Another id in the body of a replace renames the item, unless the new id is taken."""
    first = wire.create({"id": "a", "pk": "k"}).json
    wire.create({"id": "b", "pk": "k"})
    assert wire.send("PUT", f"{DOCS}/a", {"id": "b", "pk": "k"}, key=["k"]).status == 409
    renamed = wire.send("PUT", f"{DOCS}/a", {"id": "c", "pk": "k"}, key=["k"])
    assert (renamed.status, renamed.json["_rid"]) == (200, first["_rid"])
    assert wire.send("GET", f"{DOCS}/a", key=["k"]).status == 404


def test_all_items_of_a_key_are_removed_at_once(wire: Wire) -> None:
    """Deleting by partition key leaves the items of other keys."""
    for pk in ("k", "k", "other"):
        wire.create({"id": str(len(wire.send("GET", DOCS).json["Documents"])), "pk": pk})
    assert wire.send("POST", "/dbs/d/colls/c/operations/partitionkeydelete", key=["k"]).status == 200
    assert [item["pk"] for item in wire.send("GET", DOCS).json["Documents"]] == ["other"]


def test_a_list_of_items_comes_in_pages(wire: Wire) -> None:
    """Reading all items gives every item once, whatever the size of a page."""
    for index in range(7):
        wire.create({"id": str(index), "pk": f"k{index}"})
    found: list[str] = []
    token: dict[str, str] | None = {}
    while token is not None:
        answer = wire.send("GET", DOCS, headers={"x-ms-max-item-count": "3", **token})
        found += [item["id"] for item in answer.json["Documents"]]
        token = {"x-ms-continuation": answer.headers["x-ms-continuation"]} if "x-ms-continuation" in answer.headers else None
    assert found == [str(index) for index in range(7)]


def test_unique_keys_hold_within_a_partition(wire: Wire) -> None:
    """A value is taken once per partition key; a missing one counts as null; a deleted item frees its value."""
    properties = {"uniqueKeyPolicy": {"uniqueKeys": [{"paths": ["/email"]}, {"paths": ["/a/b", "/c"]}]}, "id": "u"}
    wire.make_container(properties)
    docs = "/dbs/d/colls/u"
    assert wire.create({"id": "1", "pk": "k", "email": "x", "c": 1}, docs).status == 201
    assert wire.create({"id": "2", "pk": "k", "email": "x", "c": 2}, docs).status == 409
    assert wire.create({"id": "3", "pk": "other", "email": "x"}, docs).status == 201
    assert wire.create({"id": "4", "pk": "k", "c": 3}, docs).status == 201
    assert wire.create({"id": "5", "pk": "k", "c": 4}, docs).status == 409
    assert wire.create({"id": "6", "pk": "k", "email": "y", "a": {"b": None}, "c": 1}, docs).status == 409
    assert wire.send("PUT", f"{docs}/docs/4", {"id": "4", "pk": "k", "email": "x", "c": 3}, key=["k"]).status == 409
    assert wire.send("PUT", f"{docs}/docs/1", {"id": "1", "pk": "k", "email": "x", "c": 9}, key=["k"]).status == 200
    wire.send("DELETE", f"{docs}/docs/1", key=["k"])
    assert wire.create({"id": "7", "pk": "k", "email": "x", "c": 9}, docs).status == 201


def test_hierarchical_keys(wire: Wire) -> None:
    """A hierarchical key is given whole to items, and by its first levels to queries."""
    wire.make_container({"id": "h", "partitionKey": {"paths": ["/a", "/b"], "kind": "MultiHash", "version": 2}})
    docs = "/dbs/d/colls/h/docs"
    for b in ("x", "y"):
        assert wire.send("POST", docs, {"id": "1", "a": "k", "b": b}, key=["k", b]).status == 201
    assert wire.send("GET", f"{docs}/1", key=["k"]).sub_status == 1001
    query = {"content-type": "application/query+json", "x-ms-documentdb-isquery": "True"}
    rows = wire.send("POST", docs, {"query": "SELECT VALUE c.b FROM c"}, query, key=["k"])
    assert json.loads(rows.body)["Documents"] == ["x", "y"]
