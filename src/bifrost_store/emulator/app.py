"""`App`: takes a request to who answers it, and gives every answer what all have in common."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from email.utils import formatdate
from typing import Final
from uuid import uuid4

from bifrost_store.emulator.account.description import account
from bifrost_store.emulator.account.ranges import read_ranges
from bifrost_store.emulator.account.resources import PARENTS, Resources
from bifrost_store.emulator.containers.charges import METADATA
from bifrost_store.emulator.containers.container import Container
from bifrost_store.emulator.containers.throttle import Throttle
from bifrost_store.emulator.control.admin import Admin
from bifrost_store.emulator.control.faults import Fault, Faults
from bifrost_store.emulator.control.requestlog import Entry, RequestLog
from bifrost_store.emulator.documents.documents import Documents
from bifrost_store.emulator.engine import Engine
from bifrost_store.emulator.query.queries import NOT_CROSS_PARTITION, Queries
from bifrost_store.emulator.requests.calls import Call, Reply, container_headers, feed_body
from bifrost_store.emulator.requests.operations import operation_of
from bifrost_store.emulator.requests.unserved import refuse_unserved
from bifrost_store.emulator.store.database import DiskFullError
from bifrost_store.emulator.wire import jsontext
from bifrost_store.emulator.wire.auth import Authority
from bifrost_store.emulator.wire.errors import ServiceError, bad_request, not_found
from bifrost_store.emulator.wire.http import Answer, Cut, Request, Response

_log = logging.getLogger("bifrost_store.emulator")
_COMMON: Final = {
    "Content-Type": "application/json",
    "Server": "bifrost-store-emulator",
    "x-ms-gatewayversion": "version=2.14.0",
    "x-ms-serviceversion": "version=2.14.0.0",
    "x-ms-schemaversion": "1.18",
}
_FROZEN_POLL_SECONDS: Final = 0.02


class App:
    """Answers requests.

    Args:
        engine: What they are about.
        authority: Who may ask.
        public_endpoint: Where clients reach the server, if that is not where a request says it came to.
    """

    def __init__(self, engine: Engine, authority: Authority, public_endpoint: str | None = None) -> None:
        self.engine = engine
        self.faults = Faults()
        self.log = RequestLog()
        self.throttle = Throttle(engine.clock.monotonic, engine.options.ru_limit)
        self._authority = authority
        self._public_endpoint = public_endpoint
        queries = Queries(engine)
        self._resources = Resources(engine, queries.over_list)
        self._documents = Documents(engine, queries, self.throttle)
        self._admin = Admin(engine, self.faults, self.log, self.throttle)

    def reset(self) -> None:
        """Remove all data, faults and log entries, and return the clock to the machine's time."""
        self._admin.reset()

    def __call__(self, request: Request) -> Answer | Awaitable[Answer]:
        """Answer a request; never raises."""
        call = Call(request)
        if self.faults.is_quiet or call.segments[:1] == ["_emulator"]:
            return self._answer(call)
        return self._answer_badly(call)

    def malformed(self, status: int, message: str) -> Response:
        """Return the answer to what is no request."""
        return self._finish(_reply_of(ServiceError(status, message)), str(uuid4()))

    def _answer(self, call: Call, fault: Fault | None = None) -> Response:
        started = time.perf_counter()
        try:
            reply = self._route(call, fault)
            reply.headers["Content-Location"] = f"{call.request.scheme}://{call.header('host')}{call.request.target}"
        except ServiceError as error:
            reply = _reply_of(error)
        except DiskFullError as error:
            reply = _reply_of(ServiceError(507, str(error)))
        except Exception:  # noqa: BLE001 - a mistake of ours must not end the server
            _log.exception("%s %s failed", call.method, call.request.target)
            reply = _reply_of(ServiceError(500, "The emulator failed; its log has the details."))
        milliseconds = (time.perf_counter() - started) * 1000
        if call.segments[:1] != ["_emulator"]:
            self._keep(call, reply, milliseconds, fault)
        return self._finish(reply, call.header("x-ms-activity-id"))

    async def _answer_badly(self, call: Call) -> Answer:
        while self.faults.is_frozen:  # noqa: ASYNC110 - set from any thread, so there is no event to wait for
            await asyncio.sleep(_FROZEN_POLL_SECONDS)
        fault = self.faults.take(call)
        if fault is None:
            return self._answer(call)
        if fault.delay:
            await asyncio.sleep(fault.delay)
        if fault.drop == "before":
            self._keep(call, Reply(0), 0.0, fault)
            return Cut(is_reset=fault.reset)
        response = self._answer(call, fault)
        if fault.delay_after:
            await asyncio.sleep(fault.delay_after)
        if fault.drop is not None:
            return Cut(response if fault.drop == "half" else None, fault.reset)
        return response

    def _route(self, call: Call, fault: Fault | None) -> Reply:
        segments, method = call.segments, call.method
        if method == "OPTIONS":
            raise ServiceError(403, "The request is not allowed.")
        if segments[:1] == ["_emulator"]:
            return self._admin.answer(call, self._authority)
        refuse_unserved(call)
        self._authority.check(method, segments, call.request.headers, self.engine.clock.token_time())
        if fault is not None and fault.status is not None:
            raise _ordered(fault)
        if not segments:
            return self._account(call)
        if segments[0] == "offers" and len(segments) <= 2:
            return self._resources.answer_offers(call)
        if segments[0] != "dbs":
            raise bad_request("Request url is invalid.")
        if len(segments) > 4 and segments[2] == "colls" and segments[4] in ("docs", "pkranges", "operations", "conflicts"):
            if fault is not None:
                call.page_items = fault.page_items
            return self._inside_container(call)
        if not _is_known_path(segments[::2]):
            raise bad_request("Request url is invalid.")
        if segments[2:3] == ["colls"] and len(segments) > 4:
            self.engine.container(segments[1], segments[3])
        return self._resources.answer(call)

    def _inside_container(self, call: Call) -> Reply:
        segments = call.segments
        container = self.engine.container(segments[1], segments[3])
        if segments[4] == "pkranges":
            return read_ranges(call, container)
        if segments[4] == "docs" and len(segments) <= 6:
            return self._documents.answer(call, container)
        if segments[4:] == ["operations", "partitionkeydelete"] and call.method == "POST":
            return self._documents.delete_partition(call, container)
        if segments[4] == "conflicts" and len(segments) <= 6:
            return _no_conflicts(call, container)
        raise not_found("Resource Not Found.")

    def _account(self, call: Call) -> Reply:
        if call.method != "GET":
            raise ServiceError(405, f"The requested verb {call.method} is not supported.")
        endpoint = self._public_endpoint or f"{call.request.scheme}://{call.header('host', 'localhost')}/"
        return Reply(200, jsontext.dump(account(endpoint, self.engine.options.consistency)))

    def _keep(self, call: Call, reply: Reply, milliseconds: float, fault: Fault | None) -> None:
        self.log.add(
            Entry(
                self.engine.clock.now(),
                call.method,
                call.request.target,
                operation_of(call),
                call.kind,
                reply.status,
                int(reply.headers.get("x-ms-substatus", "0")),
                round(reply.charge or 0.0, 2),
                milliseconds,
                fault is not None,
            )
        )

    def _finish(self, reply: Reply, activity_id: str) -> Response:
        date = formatdate(self.engine.clock.token_time(), usegmt=True)
        headers = {**_COMMON, "Date": date, "x-ms-activity-id": activity_id or str(uuid4()), **reply.headers}
        if reply.charge is not None:
            headers["x-ms-request-charge"] = f"{reply.charge:.2f}"
        return Response(reply.status, headers, reply.body.encode())


def _no_conflicts(call: Call, container: Container) -> Reply:
    """Answer that nothing conflicts: there is one region."""
    if len(call.segments) == 6:
        raise not_found()
    is_keyed = call.optional("x-ms-documentdb-partitionkey") is not None
    if call.method == "POST" and not is_keyed and not call.flag("x-ms-documentdb-query-enablecrosspartition"):
        raise bad_request(NOT_CROSS_PARTITION)
    return Reply(200, feed_body(container.resource.rid, "Conflicts", []), container_headers(container), METADATA)


def _is_known_path(kinds: list[str]) -> bool:
    above = ""
    for kind in kinds:
        if PARENTS.get(kind) != above:
            return False
        above = kind
    return True


def _ordered(fault: Fault) -> ServiceError:
    headers = {} if fault.retry_after_ms is None else {"x-ms-retry-after-ms": str(fault.retry_after_ms)}
    sub_status = fault.sub_status or (3200 if fault.status == 429 else 0)
    return ServiceError(fault.status or 500, "This fault was asked for.", sub_status=sub_status, headers=headers, charge=0.0)


def _reply_of(error: ServiceError) -> Reply:
    body = jsontext.dump({"code": error.code, "message": error.message, **error.more})
    return Reply(error.status, body, {"x-ms-substatus": str(error.sub_status), **error.headers}, error.charge)
