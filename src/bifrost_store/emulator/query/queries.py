"""Queries as requests: what the gateway serves at once, what it leaves to the client, and what it refuses."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from typing import Any, Final

from bifrost_store.emulator.containers import charges
from bifrost_store.emulator.containers.container import Container
from bifrost_store.emulator.containers.hashing import MAX_EPK, MIN_EPK, EpkRange
from bifrost_store.emulator.engine import Engine
from bifrost_store.emulator.query.pinned import key_ranges, pinned_scope
from bifrost_store.emulator.query.rowpages import RowPage, RowReader, row_text
from bifrost_store.emulator.requests.calls import Call, Reply, container_headers, feed_body
from bifrost_store.emulator.requests.pages import PageSize, page_size, position_from, token_for
from bifrost_store.emulator.requests.scope import Scope
from bifrost_store.emulator.sql.aggregates import has_aggregate
from bifrost_store.emulator.sql.analysis import (
    FILTER_PLACEHOLDER,
    Service,
    check_plannable,
    classify,
    inner_queries,
    is_rowwise,
    reads_items,
    unsupported_features,
)
from bifrost_store.emulator.sql.errors import SqlError, TimeLimitError
from bifrost_store.emulator.sql.execute import bind_parameters, execute, matches
from bifrost_store.emulator.sql.parser import parse
from bifrost_store.emulator.sql.plans import query_plan
from bifrost_store.emulator.sql.policy import check_order_by
from bifrost_store.emulator.sql.syntax import Query
from bifrost_store.emulator.sql.values import Value
from bifrost_store.emulator.wire import jsontext
from bifrost_store.emulator.wire.errors import ServiceError, bad_request

NOT_CROSS_PARTITION: Final = (
    "Cross partition query is required but disabled. Please set x-ms-documentdb-query-enablecrosspartition to true, specify "
    "x-ms-documentdb-partitionkey, or revise your query to avoid this exception."
)
_NOT_SERVED: Final = (
    "The provided cross partition query can not be directly served by the gateway. This is a first chance (internal) exception "
    "that all newer clients will know how to handle gracefully. This exception is traced, but unless you see it bubble up as an "
    "exception (which only happens on older SDK clients), then you can safely ignore this message."
)
_REFUSED: Final = "Cross partition query only supports 'VALUE <AggregateFunc>' for aggregates."


def condition_holds(condition: str, document: Mapping[str, Any]) -> bool:
    """Return whether a patch's condition, such as ``FROM c WHERE c.n = 1``, holds for an item.

    Raises:
        ServiceError: 400; it is no condition.
    """
    try:
        return matches(parse(f"SELECT * {condition}"), document)
    except SqlError as error:
        raise _refused(error) from None


class Queries:
    """Answers queries and requests for their plans."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def over_list(self, call: Call, documents: list[dict[str, Any]]) -> list[str]:
        """Return the rows of a query over a list of documents, as JSON."""
        try:
            query, parameters = _read(call)
            return list(map(row_text, execute(query, documents, parameters, now=self._engine.clock.now)))
        except SqlError as error:
            raise _refused(error) from None

    def plan(self, call: Call, container: Container) -> Reply:
        """Answer a request for the plan by which the client queries each physical partition."""
        try:
            query, parameters = _read(call)
            supported = call.optional("x-ms-cosmos-supported-query-features")
            if supported is not None:
                _check_features(unsupported_features(query, [name.strip() for name in supported.split(",")]))
            plan = query_plan(query, parameters, key_ranges(container, query, parameters))
        except SqlError as error:
            raise _refused(error) from None
        return Reply(200, jsontext.dump(plan), container_headers(container))

    def answer(self, call: Call, container: Container, scope: Scope) -> Reply:
        """Answer a query with its first page, or the next one."""
        try:
            query, parameters = _read(call)
            if scope.is_whole and not call.flag("x-ms-documentdb-query-enablecrosspartition"):
                pinned = pinned_scope(container, query, parameters)
                if pinned is None:
                    raise bad_request(NOT_CROSS_PARTITION)
                scope = pinned
            if scope.is_whole:
                self._check_whole(query, parameters, container)
            elif not self._engine.options.is_lenient:
                check_order_by(query, container.indexing_policy, parameters)
            page, part = self._page(call, container, scope, query, parameters)
        except SqlError as error:
            raise _refused(error) from None
        return self._reply(call, container, part, page, query)

    def _page(
        self, call: Call, container: Container, scope: Scope, query: Query, parameters: Mapping[str, Value]
    ) -> tuple[RowPage, Scope]:
        """Return a page, and the scope of its rows: across partitions, the gateway reads one after the other."""
        size = page_size(call.number("x-ms-max-item-count"))
        if call.page_items is not None:
            size = PageSize(call.page_items)
        position = position_from(call.optional("x-ms-continuation"), call.request.body)
        try:
            if scope.is_whole and reads_items(query) and classify(query) is Service.DIRECT:
                return self._page_of_next(container, query, parameters, size, position)
            return RowReader(self._engine, container, scope, query, parameters).page(size, position), scope
        except (ValueError, TypeError, IndexError, OverflowError) as error:
            if position is None:
                raise
            raise bad_request("Invalid Continuation Token") from error

    def _page_of_next(
        self, container: Container, query: Query, parameters: Mapping[str, Value], size: PageSize, position: list[Any] | None
    ) -> tuple[RowPage, Scope]:
        """Return a page of the next physical partition that has rows left.

        The position names the parts of the key space that come next, each with its own position; what lies beyond them is
        unread. A partition that was split since is read as two parts, both from where the one had come to.
        """
        parts = position or [[MIN_EPK, container.ranges[0].epks.high, None]]
        (low, high, inner), following = parts[0], parts[1:]
        physical = container.range_of(low)
        end = min(high, physical.epks.high)
        if end < high:
            following = [[end, high, inner], *following]
        part = Scope(EpkRange(low, end), (physical,))
        page = RowReader(self._engine, container, part, query, parameters).page(size, inner)
        if page.position is not None:
            page.position = [[low, end, page.position], *following]
        elif following:
            page.position = following
        elif end != MAX_EPK:
            page.position = [[end, container.range_of(end).epks.high, None]]
        return page, part

    def _check_whole(self, query: Query, parameters: Mapping[str, Value], container: Container) -> None:
        if self._engine.options.is_lenient:
            return
        check_order_by(query, container.indexing_policy, parameters)
        service = classify(query)
        if service is Service.REFUSED:
            if not all(map(is_rowwise, inner_queries(query))):
                check_plannable(query)
            raise bad_request(_REFUSED)
        if service is Service.PLAN:
            plan = json.dumps(query_plan(query, parameters, key_ranges(container, query, parameters)))
            raise ServiceError(400, _NOT_SERVED, sub_status=1004, more={"additionalErrorInfo": plan})

    def _reply(self, call: Call, container: Container, scope: Scope, page: RowPage, query: Query) -> Reply:
        headers = container_headers(container, scope.physicals[0] if len(scope.physicals) == 1 else None)
        headers["x-ms-item-count"] = str(len(page.rows))
        if page.position is not None:
            headers["x-ms-continuation"] = token_for(call.request.body, page.position)
        needs_documents = query.where is not None or not has_aggregate(query.selection)
        if call.flag("x-ms-documentdb-populatequerymetrics"):
            headers["x-ms-documentdb-query-metrics"] = page.metrics(needs_documents=needs_documents)
        if call.flag("x-ms-cosmos-populateindexmetrics"):
            headers["x-ms-cosmos-index-utilization"] = _index_metrics(container)
        loaded_bytes = page.loaded_bytes if needs_documents else 0
        charge = charges.query(len(page.rows), loaded_bytes, page.loaded if page.is_scan else 0)
        return Reply(200, feed_body(container.resource.rid, "Documents", page.rows), headers, charge)


def _check_features(missing: list[str]) -> None:
    if missing:
        raise bad_request(
            "Query contains 1 or more unsupported features. Upgrade your SDK to a version that does support the requested features:"
            + "".join(f"\nQuery contained {name}, which the calling client does not support." for name in missing)
        )


def _read(call: Call) -> tuple[Query, dict[str, Value]]:
    """Return the query and the parameters in a request."""
    body = call.json_object()
    text, parameters = body.get("query"), body.get("parameters")
    if not isinstance(text, str):
        raise bad_request("The request's body must be an object with a query.")
    if parameters is not None and not isinstance(parameters, list):
        raise bad_request("The parameters of a query must be a list.")
    return parse(text.replace(FILTER_PLACEHOLDER, "true")), bind_parameters(parameters or [])


def _refused(error: SqlError) -> ServiceError:
    if isinstance(error, TimeLimitError):
        return ServiceError(408, error.message)
    return bad_request(f"Message: {json.dumps(error.as_json())}", sub_status=error.substatus or 0)


def _index_metrics(container: Container) -> str:
    single = [
        {
            "FilterExpression": "",
            "IndexSpec": f"/{'/'.join(path)}/?",
            "FilterPreciseSet": True,
            "IndexPreciseSet": True,
            "IndexImpactScore": "High",
        }
        for path in container.partition_key.paths
    ]
    metrics: dict[str, list[dict[str, Any]]] = {
        "UtilizedSingleIndexes": single,
        "PotentialSingleIndexes": [],
        "UtilizedCompositeIndexes": [],
        "PotentialCompositeIndexes": [],
    }
    return base64.b64encode(json.dumps(metrics).encode()).decode()
