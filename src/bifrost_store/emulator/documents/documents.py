"""Requests about items: ``/dbs/d/colls/c/docs`` and what lies below."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from bifrost_store.emulator.containers import charges, rids
from bifrost_store.emulator.containers.container import Container
from bifrost_store.emulator.containers.items import ItemReader, Key, Outcome, Preconditions
from bifrost_store.emulator.containers.partition import mismatch
from bifrost_store.emulator.containers.patch import patch_request
from bifrost_store.emulator.containers.throttle import Throttle
from bifrost_store.emulator.documents.batch import execute_batch
from bifrost_store.emulator.documents.bulk import execute_bulk, is_bulk
from bifrost_store.emulator.documents.change_feed import read_changes
from bifrost_store.emulator.engine import CONSISTENCY_LEVELS, Engine
from bifrost_store.emulator.query.queries import Queries
from bifrost_store.emulator.requests.calls import Call, Reply, container_headers, feed_body, with_container
from bifrost_store.emulator.requests.pages import PageSize, page_size, position_from, size_of, token_for
from bifrost_store.emulator.requests.scope import Scope, key_of, scope_of
from bifrost_store.emulator.requests.sessions import check_session
from bifrost_store.emulator.wire import jsontext
from bifrost_store.emulator.wire.errors import ServiceError, bad_request, not_found

_QUERY: Final = "application/query+json"
_TWO_REPLICAS: Final = frozenset({"boundedstaleness", "strong"})
"""Consistency levels whose reads ask two replicas."""


class Documents:
    """Answers requests about items."""

    def __init__(self, engine: Engine, queries: Queries, throttle: Throttle) -> None:
        self._engine = engine
        self._queries = queries
        self._throttle = throttle

    def answer(self, call: Call, container: Container) -> Reply:
        """Answer a request, unless the throughput of the physical partitions it touches is spent."""
        intended = call.header("x-ms-cosmos-intended-collection-rid")
        if intended and intended != container.resource.rid:
            raise bad_request("The container was made anew under this name.", sub_status=1024)
        level = self._engine.options.consistency.lower()
        asked = call.header("x-ms-consistency-level").lower()
        _check_consistency(asked, level)
        is_read = _is_read(call)
        factor = charges.STRONG_READS if is_read and (asked or level) in _TWO_REPLICAS else 1.0
        if is_bulk(call):
            return execute_bulk(self._engine, call, container, self._throttle)
        scope = scope_of(call, container)
        self._throttle.admit(container, scope.physicals)
        try:
            if is_read and (asked or level) == "session" and (session := call.optional("x-ms-session-token")):
                check_session(session, container, scope.physicals)
            reply = self._dispatch(call, container, scope)
        except ServiceError as error:
            error.charge = None if error.charge is None else factor * error.charge
            self._throttle.spend(container, scope.physicals, error.charge or 0.0)
            raise with_container(error, container, scope.physicals[0]) from None
        if reply.charge is not None and factor != 1.0:
            reply = replace(reply, charge=factor * reply.charge)
        self._throttle.spend(container, scope.physicals, reply.charge or 0.0)
        return reply

    def _dispatch(self, call: Call, container: Container, scope: Scope) -> Reply:
        match len(call.segments) % 2, call.method:
            case 0, _:
                return self._item(call, container)
            case 1, "GET":
                if "a-im" in call.request.headers:
                    return read_changes(call, container, scope, self._engine.clock.now())
                return self._read_all(call, container, scope)
            case 1, "POST":
                return self._post(call, container, scope)
        raise ServiceError(405, f"The requested verb {call.method} is not supported.")

    def _post(self, call: Call, container: Container, scope: Scope) -> Reply:
        if call.flag("x-ms-cosmos-is-query-plan-request"):
            return self._queries.plan(call, container)
        if call.flag("x-ms-documentdb-isquery") or call.header("content-type").startswith(_QUERY):
            return self._queries.answer(call, container, scope)
        if call.flag("x-ms-cosmos-is-batch-request"):
            return execute_batch(self._engine, call, container)
        body, key = call.json_object(), key_of(call, container)
        with self._engine.writing(container) as writer:
            write = writer.upsert if call.flag("x-ms-documentdb-is-upsert") else writer.create
            outcome = write(key, body, _preconditions(call))
        return self._reply(call, container, key, outcome)

    def _item(self, call: Call, container: Container) -> Reply:
        item_id = call.segments[5]
        key = key_of(call, container)
        if call.segments[3] != container.resource.name:
            item_id = self._id_from_rid(container, key, item_id)
        preconditions = _preconditions(call)
        if call.method == "GET":
            outcome = ItemReader(container, self._engine.clock.now()).read(key, item_id, preconditions)
            return self._reply(call, container, key, outcome)
        with self._engine.writing(container) as writer:
            match call.method:
                case "PUT":
                    outcome = writer.replace(key, item_id, call.json_object(), preconditions)
                case "PATCH":
                    outcome = writer.patch(key, item_id, _patch(call), preconditions)
                case "DELETE":
                    outcome = writer.delete(key, item_id, preconditions)
                case _:
                    raise ServiceError(405, f"The requested verb {call.method} is not supported.")
        return self._reply(call, container, key, outcome)

    def _id_from_rid(self, container: Container, key: Key, rid: str) -> str:
        number = rids.item_number(container.rid_bytes, rid)
        item = None if number is None else container.table.by_number(number)
        if item is None:
            raise not_found()
        if item.epk != key.epk:
            raise mismatch()
        return item.id

    def _reply(self, call: Call, container: Container, key: Key, outcome: Outcome) -> Reply:
        headers = container_headers(container, container.range_of(key.epk))
        body = ""
        if outcome.item is not None:
            headers["etag"] = outcome.item.etag
            headers["x-ms-item-lsn"] = str(outcome.item.lsn)
            is_minimal = call.method != "GET" and call.header("prefer") == "return=minimal"
            if outcome.status != 304 and not is_minimal:
                body = container.document_text(outcome.item)
        return Reply(outcome.status, body, headers, outcome.charge)

    def _read_all(self, call: Call, container: Container, scope: Scope) -> Reply:
        size = page_size(call.number("x-ms-max-item-count"))
        if call.page_items is not None:
            size = PageSize(call.page_items)
        after = position_from(call.optional("x-ms-continuation"), b"read_all")
        conditions = [scope.condition(), container.live(self._engine.clock.now()), ("number > ?", (after[0] if after else 0,))]
        documents: list[str] = []
        last = used = 0
        headers = container_headers(container, scope.physicals[0] if len(scope.physicals) == 1 else None)
        for item in container.table.select(conditions, "number"):
            text = container.document_text(item)
            if not size.has_room(len(documents), used, text):
                headers["x-ms-continuation"] = token_for(b"read_all", [last])
                break
            documents.append(text)
            used += size_of(text)
            last = item.number
        headers["x-ms-item-count"] = str(len(documents))
        charge = charges.feed([len(document) for document in documents])
        return Reply(200, feed_body(container.resource.rid, "Documents", documents), headers, charge)

    def delete_partition(self, call: Call, container: Container) -> Reply:
        """Remove all items of a partition key."""
        key = key_of(call, container)
        with self._engine.writing(container) as writer:
            writer.has_written = container.table.delete_where(("epk = ?", (key.epk,))) > 0
        return Reply(200, "", container_headers(container, container.range_of(key.epk)), charges.METADATA)


def _is_read(call: Call) -> bool:
    """Return whether a request only reads: an item, a feed, or a page of a query."""
    return call.method == "GET" or call.flag("x-ms-documentdb-isquery") or call.header("content-type").startswith(_QUERY)


def _patch(call: Call) -> dict[str, Any]:
    change = patch_request(jsontext.load(call.body()))
    if not isinstance(change, dict):
        raise bad_request("A patch is an object with operations.")
    return change


def _preconditions(call: Call) -> Preconditions:
    return Preconditions(call.optional("if-match"), call.optional("if-none-match"))


def _check_consistency(asked: str, given: str) -> None:
    if not asked:
        return
    if asked not in CONSISTENCY_LEVELS:
        raise bad_request(f"Consistency level {asked} specified in the request is invalid.")
    if CONSISTENCY_LEVELS.index(asked) > CONSISTENCY_LEVELS.index(given):
        raise bad_request(
            f"ConsistencyLevel {asked} specified in the request is invalid when service is configured with consistency level "
            f"{given}. Ensure the request consistency level is not stronger than the service consistency level."
        )
