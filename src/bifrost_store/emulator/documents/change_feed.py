"""The change feed in latest-version mode: every item once, at its last write, in the order of the writes."""

from __future__ import annotations

from email.utils import parsedate_to_datetime

from bifrost_store.emulator.containers import charges
from bifrost_store.emulator.containers.container import Container
from bifrost_store.emulator.requests.calls import Call, Reply, container_headers, feed_body
from bifrost_store.emulator.requests.pages import page_size, size_of
from bifrost_store.emulator.requests.scope import Scope
from bifrost_store.emulator.store.items import Condition
from bifrost_store.emulator.wire.errors import bad_request


def read_changes(call: Call, container: Container, scope: Scope, now: float) -> Reply:
    """Answer a request for changes.

    A transaction is never cut, so a page may be longer than asked for. Deleted and expired items leave nothing behind.
    """
    if call.header("a-im").lower() != "incremental feed":
        raise bad_request(
            "Only the latest-version mode of the change feed is supported; this account keeps no backup to read from."
        )
    start = _start(call, container)
    size = page_size(call.number("x-ms-max-item-count"))
    conditions: list[Condition] = [("lsn > ?", (start,)), scope.condition(), container.live(now), *_since(call)]
    documents: list[str] = []
    used, last, end = 0, start, container.lsn
    for item in container.table.select(conditions, "lsn, number", index=f"{container.table.name}_feed"):
        text = container.document_text(item, with_lsn=True)
        if item.lsn != last and documents and not size.has_room(len(documents), used, text):
            end = last
            break
        documents.append(text)
        used += size_of(text)
        last = item.lsn
    headers = container_headers(container, scope.physicals[0] if len(scope.physicals) == 1 else None)
    headers["etag"] = f'"{end}"'
    if not documents:
        return Reply(304, "", headers, charges.MISSING)
    headers["x-ms-item-count"] = str(len(documents))
    charge = charges.feed([len(document) for document in documents])
    return Reply(200, feed_body(container.resource.rid, "Documents", documents), headers, charge)


def _start(call: Call, container: Container) -> int:
    text = call.optional("if-none-match")
    if text is None:
        return 0
    if text == "*":
        return container.lsn
    digits = text.strip('"')
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 18:
        raise bad_request(f"The continuation '{text[:100]}' of the change feed is invalid.")
    return int(digits)


def _since(call: Call) -> list[Condition]:
    text = call.optional("if-modified-since")
    if text is None:
        return []
    try:
        return [("ts >= ?", (int(parsedate_to_datetime(text).timestamp()),))]
    except (ValueError, TypeError, OverflowError):
        raise bad_request(f"The date '{text[:100]}' in the header 'If-Modified-Since' is invalid.") from None
