"""What is said to those who watch: one message per run and flush, in two forms, for those who may see all and for the others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from bifrost_store.core.clock import format_time
from bifrost_store.core.execution_data import DataDocument
from bifrost_store.core.record import Record
from bifrost_store.documents import Execution
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.repositories.execution_data.items import items_of
from bifrost_store.repositories.execution_data.json_items import item_json_for
from bifrost_store.repositories.executions.creation import creation_of

LOG: Final = "executionLog"
VARIABLES: Final = "executionVariables"
STATE: Final = "executionState"
STATUS: Final = "executionStatus"
MAX_MESSAGE_BYTES: Final = 64_000
_MAX_ERROR_CHARACTERS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Message:
    """An invocation of a client's method *target* with one argument, *body*: JSON.

    Attributes:
        size: Bytes of the body.
    """

    target: str
    body: Mapping[str, Any]
    size: int


def message(target: str, body: Mapping[str, Any]) -> Message:
    """Return a message; of one that is too large only the members that say what it is of, and ``size``: its reader reads it."""
    size = _bytes(body)
    if size > MAX_MESSAGE_BYTES:
        named = ("executionId", "scope", "run", "recording", "covers", "count", "status", "version")
        body = {name: body[name] for name in named if name in body} | {"size": size}
        size = _bytes(body)
    return Message(target, body, size)


def messages_of(document: DataDocument, *, details: bool) -> list[Message]:
    """Return the messages that tell of a document of a run; together they cover all of its items.

    ``covers`` holds the first and the last number, so that gaps can be told; ``run`` is another text for another run that has the
    same id later. A log is cut where a message would be too large. A document that cannot be read is told of as one that is.
    """
    named = {
        "executionId": document.run.execution_id,
        "scope": document.run.scope.value,
        "run": document.run.creation,
        "recording": document.recording,
    }
    covers = [document.first, document.last]
    try:
        shown = [one for item in items_of(document) if (one := item_json_for(item, details=details)) is not None]
    except CorruptDocumentError:
        return [message(LOG, {**named, "covers": covers, "size": MAX_MESSAGE_BYTES})]
    if document.type == "log" or not shown:
        ends = document.body.get("ends")
        return list(_log_messages(named, covers, shown, {} if ends is None else {"ends": ends}))
    (values,) = shown
    target = VARIABLES if document.type == "variables" else STATE
    return [message(target, {**named, "covers": covers, **{name: values[name] for name in values if name not in named}})]


def status_message(record: Record) -> Message:
    """Return the message that tells where a run stands; of one that was deleted, that it was.

    ``version`` grows with every change, so that of two messages the later is known.
    """
    body: dict[str, Any] = {"executionId": record.key.id, "scope": record.key.scope.value, "version": record.version.revision}
    if record.is_tombstone:
        return message(STATUS, {**body, "deleted": True})
    run = Execution.from_record(record)
    return message(
        STATUS,
        {
            **body,
            "run": creation_of(record),
            "workflowName": run.workflow_name,
            "formId": run.form_id,
            "executedBy": run.executed_by,
            "executedByName": run.executed_by_name,
            "status": run.status.value,
            "startedAt": format_time(run.started_at),
            "completedAt": None if run.completed_at is None else format_time(run.completed_at),
            "durationMs": run.duration_ms,
            "errorType": run.error_type,
            "errorMessage": None if run.error_message is None else run.error_message[:_MAX_ERROR_CHARACTERS],
        },
    )


def joined(messages: Iterable[Message]) -> Iterator[Message]:
    """Join messages of a log that follow each other without a gap, as far as the size of a message allows."""
    last: Message | None = None
    for one in messages:
        if last is not None and _continues(last, one):
            merged = {
                **last.body,
                "covers": [last.body["covers"][0], one.body["covers"][1]],
                "lines": [*last.body["lines"], *one.body["lines"]],
                **({"ends": one.body["ends"]} if "ends" in one.body else {}),
            }
            last = Message(LOG, merged, last.size + one.size)
            continue
        if last is not None:
            yield last
        last = one
    if last is not None:
        yield last


def covering(one: Message) -> Message:
    """Return the message that stands in for *one* in the order of a run, without what it shows."""
    names = ("executionId", "scope", "run", "recording", "covers")
    return message(LOG, {**{name: one.body[name] for name in names}, "lines": []})


def unsent(messages: Iterable[Message]) -> list[Message]:
    """Return what stands in for messages that cannot be sent: per recording one that says what to read, per run its last status."""
    last: dict[tuple[object, ...], Message] = {}
    for one in messages:
        body = one.body
        if one.target == STATUS:
            last[body["executionId"], STATUS] = one
            continue
        key = (body["executionId"], body["run"], body["recording"])
        earlier = last.get(key)
        first, size = (body["covers"][0], 0) if earlier is None else (earlier.body["covers"][0], earlier.body["size"])
        named = {name: body[name] for name in ("executionId", "scope", "run", "recording")}
        until = body["covers"][1] if earlier is None else max(body["covers"][1], earlier.body["covers"][1])
        last[key] = message(LOG, {**named, "covers": [first, until], "size": size + one.size})
    return list(last.values())


def _log_messages(
    named: Mapping[str, Any], covers: list[int], lines: list[dict[str, Any]], ends: Mapping[str, Any]
) -> Iterator[Message]:
    first, last = covers
    chunk: list[dict[str, Any]] = []
    room = MAX_MESSAGE_BYTES - _bytes({**named, "covers": [last, last], "lines": [], **ends})
    size = 0
    for item in lines:
        line = {name: value for name, value in item.items() if name not in ("type", "recording")}
        needed = _bytes(line) + 2
        if chunk and size + needed > room:
            yield message(LOG, {**named, "covers": [first, line["number"] - 1], "lines": chunk})
            first, chunk, size = line["number"], [], 0
        chunk.append(line)
        size += needed
    yield message(LOG, {**named, "covers": [first, last], "lines": chunk, **ends})


def _continues(before: Message, after: Message) -> bool:
    return (
        before.target == after.target == LOG
        and "lines" in before.body
        and "lines" in after.body
        and "ends" not in before.body
        and all(before.body[name] == after.body[name] for name in ("executionId", "scope", "run", "recording"))
        and before.body["covers"][1] + 1 == after.body["covers"][0]
        and before.size + after.size <= MAX_MESSAGE_BYTES
    )


def _bytes(body: Mapping[str, Any]) -> int:
    return len(json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass"))
