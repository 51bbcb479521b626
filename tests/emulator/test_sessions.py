"""Session tokens: a session that has seen more than the server has is not answered from less."""

from __future__ import annotations

import pytest

from tests.emulator.support import Wire

DOCS = "/dbs/d/colls/c/docs"
AHEAD = "0:-1#1000"


def read(wire: Wire, token: str, level: str = "") -> tuple[int, int]:
    """Return what a point read of ``a`` in that session is answered: status and substatus."""
    consistency = {"x-ms-consistency-level": level} if level else {}
    answer = wire.send("GET", f"{DOCS}/a", headers={"x-ms-session-token": token, **consistency}, key=["k"])
    return answer.status, answer.sub_status


def test_a_session_that_is_ahead(wire: Wire) -> None:
    """Reads, queries and feeds are 404/1002 until the server has what the session has seen; writes are not."""
    wire.make_container()
    token = wire.create({"id": "a", "pk": "k"}).headers["x-ms-session-token"]
    ahead = {"x-ms-session-token": AHEAD}

    assert (200, 0) == read(wire, token)
    assert (404, 1002) == read(wire, AHEAD)
    refused = [
        wire.query("SELECT * FROM c", headers=ahead, key=["k"]),
        wire.send("GET", DOCS, headers=ahead, key=["k"]),
        wire.send("GET", DOCS, headers={**ahead, "a-im": "Incremental Feed", "x-ms-documentdb-partitionkeyrangeid": "0"}),
    ]
    assert [(404, 1002)] * 3 == [(one.status, one.sub_status) for one in refused]
    assert "session" in refused[0].json["message"]
    assert 201 == wire.send("POST", DOCS, {"id": "b", "pk": "k"}, ahead, key=["k"]).status
    assert (200, 0) == read(wire, wire.send("GET", f"{DOCS}/b", key=["k"]).headers["x-ms-session-token"])


@pytest.mark.parametrize("token", ["7:-1#1000", "nothing", "", "0:-1#1", "0:1", "0:1#1#3=9,7:-1#1000", "0:-1#1,"])
def test_tokens_that_are_not_ahead(wire: Wire, token: str) -> None:
    """Parts about other partitions, and what is no part at all, change nothing."""
    wire.make_container()
    wire.create({"id": "a", "pk": "k"})
    assert (200, 0) == read(wire, token)


@pytest.mark.parametrize("token", ["0:x", "0:-1#x", "0:"])
def test_tokens_that_are_none(wire: Wire, token: str) -> None:
    """A part that names a partition and no position is a 400."""
    wire.make_container()
    wire.create({"id": "a", "pk": "k"})
    assert (400, 0) == read(wire, token)


def test_other_levels_do_not_look_at_the_session(wire: Wire) -> None:
    """An eventual read is answered from what is there."""
    wire.make_container()
    wire.create({"id": "a", "pk": "k"})
    assert (200, 0) == read(wire, AHEAD, "Eventual")
    assert (404, 1002) == read(wire, AHEAD, "Session")


@pytest.mark.cosmos_emulator(partitions=2)
def test_the_partition_counts_that_is_read(wire: Wire) -> None:
    """With several partitions a session is ahead only where the key lies, or of any that a query reads."""
    wire.make_container()
    here = wire.create({"id": "a", "pk": "k"}).headers["x-ms-documentdb-partitionkeyrangeid"]
    there = "1" if here == "0" else "0"

    assert (200, 0) == read(wire, f"{there}:-1#1000")
    assert (404, 1002) == read(wire, f"{there}:-1#1,{here}:-1#1000")
    assert 1002 == wire.query("SELECT * FROM c", headers={"x-ms-session-token": f"{there}:-1#1000"}).sub_status
