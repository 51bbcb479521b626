"""Whatever a change feed brings, a trigger goes past it: told of, or kept as a dead letter; never handed over for ever."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bifrost_store import Scope, StoreSettings, open_store
from bifrost_store.backends.cosmos.data_documents import document_from_data
from bifrost_store.backends.cosmos.documents import document_from_record
from bifrost_store.backends.cosmos.feed_items import read_feed_items
from bifrost_store.changefeed import DeadLetters
from bifrost_store.core.execution_data import DataDocument, Run
from bifrost_store.core.version import new_write_id
from bifrost_store.realtime import Delivery, RunPublisher, TriggerDelivery
from bifrost_store.testing.examples import execution
from tests.realtime.senders import KeepingSender
from tests.thorough import examples

NOW = datetime.now(UTC)
RUN = Run(Scope.organization("acme"), "run-1", "c-1")
LINE = {"number": 1, "timestamp": "2025-11-20T12:00:00.000000Z", "level": "info", "message": "hello"}
GOOD = {
    "execution_data": document_from_data(
        DataDocument(RUN, "d-0-1", "log", {"lines": [LINE]}, NOW, new_write_id(), NOW + timedelta(days=1), 0, 1, 1), NOW
    ),
    "executions": document_from_record(execution(1), NOW, has_ttl=True),
}
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(st.characters(), max_size=20)
    | st.sampled_from(["GLOBAL", "log", "variables", "state", "payload", "execution", "tombstone", "feed_lease", "never", "\ud800"])
)
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3))


@st.composite
def documents(draw: st.DrawFn, feed: str) -> dict[str, Any]:
    """Give a document that was good before some of its members were changed, at any depth, or taken away; or anything."""
    document: dict[str, Any] = dict(GOOD[feed])
    for name in draw(st.lists(st.sampled_from(sorted(document)), max_size=4)):
        value = document.get(name)
        if isinstance(value, dict) and value and draw(st.booleans()):
            document[name] = {**value, draw(st.sampled_from(sorted(value))): draw(JSON)}
        elif draw(st.booleans()):
            document[name] = draw(JSON)
        else:
            document.pop(name, None)
    return draw(st.just(document) | st.dictionaries(st.text(max_size=8), JSON, max_size=4))


@examples(25)
@given(data=st.lists(documents("execution_data"), max_size=6), runs=st.lists(documents("executions"), max_size=6))
def test_no_document_is_handed_over_for_ever(data: list[dict[str, Any]], runs: list[dict[str, Any]]) -> None:
    """Arbitrary JSON, and good documents with arbitrary parts, end as told or kept; the good one behind them is told."""

    async def bring() -> list[str]:
        sender = KeepingSender()
        publisher = RunPublisher(sender)
        async with open_store(StoreSettings(sqlite_path=":memory:")) as store:
            await store.provision()
            letters = DeadLetters(store.backend.backend("sqlite"), "p")
            trigger = TriggerDelivery(Delivery(store, "sqlite", publisher), publisher, letters, read_feed_items)  # type: ignore[arg-type]
            await trigger.handle("execution_data", [*data, GOOD["execution_data"]])
            await trigger.handle("executions", runs)
            async for row in letters.all():
                assert len(row.state.message) <= 1_000
        await publisher.aclose()
        lines = [line for told in sender.sent.values() for _, body in told for line in body.get("lines", [])]
        return [str(line["message"]) for line in lines]

    assert "hello" in asyncio.run(bring())
