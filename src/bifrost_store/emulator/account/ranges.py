"""Physical partitions as clients read them: ``/dbs/d/colls/c/pkranges``."""

from __future__ import annotations

from bifrost_store.emulator.containers.container import Container, PhysicalRange
from bifrost_store.emulator.containers.rids import new_child_rid
from bifrost_store.emulator.requests.calls import Call, Reply, feed_body
from bifrost_store.emulator.wire import jsontext
from bifrost_store.emulator.wire.errors import ServiceError

_MARK = 0x50


def read_ranges(call: Call, container: Container) -> Reply:
    """Answer with the physical partitions, or with 304 to who has them: the SDK asks until then."""
    if call.method != "GET" or len(call.segments) != 5:
        raise ServiceError(405, f"The requested verb {call.method} is not supported.")
    etag = f'"{"-".join([physical.id for physical in container.ranges])}"'
    headers = {"etag": etag, "x-ms-alt-content-path": container.path, "x-ms-content-path": container.resource.rid}
    if call.header("if-none-match") == etag:
        return Reply(304, "", headers)
    share = 1 / len(container.ranges)
    documents = [jsontext.dump(_document(container, physical, share, etag)) for physical in container.ranges]
    headers["x-ms-item-count"] = str(len(documents))
    return Reply(200, feed_body(container.resource.rid, "PartitionKeyRanges", documents), headers)


def _document(container: Container, physical: PhysicalRange, share: float, etag: str) -> dict[str, object]:
    rid = new_child_rid(container.resource.rid, int(physical.id), _MARK)
    return {
        "_rid": rid,
        "id": physical.id,
        "_etag": etag,
        "minInclusive": physical.epks.low,
        "maxExclusive": physical.epks.high,
        "ridPrefix": int(physical.id),
        "_self": f"{container.self_link}pkranges/{rid}/",
        "throughputFraction": share,
        "status": "online",
        "parents": list(physical.parents),
        "ownedArchivalPKRangeIds": [],
        "_ts": container.resource.ts,
        "lsn": container.lsn,
    }
