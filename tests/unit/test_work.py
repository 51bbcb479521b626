"""How much is done for a record on its way out of a store and into one: parses, digests, texts and visits to a thread, counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import wraps
from typing import Any

import pytest

from bench.work import a_run, readers
from bifrost_store import Scope, Store, StoreSettings, open_store
from bifrost_store.backends.cosmos.documents import document_from_record
from bifrost_store.backends.sqlite import connection
from bifrost_store.core import json as json_module
from bifrost_store.core import record as record_module
from bifrost_store.core.clock import utc_now
from bifrost_store.core.operations import Apply
from bifrost_store.core.record import Record
from bifrost_store.core.version import Version
from bifrost_store.documents import Execution
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.examples import ORGANIZATION, execution
from bifrost_store.transfer.lines import line_of, record_of

pytestmark = pytest.mark.anyio

PAGE = 20
SCOPE: Scope = ORGANIZATION


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """What is done from here on, by its name."""
    counted: Counter[str] = Counter()

    def count(owner: Any, name: str, what: str) -> None:
        inner: Callable[..., Any] = getattr(owner, name)

        @wraps(inner)
        def counting(*args: Any, **kwargs: Any) -> Any:
            counted[what] += 1
            return inner(*args, **kwargs)

        monkeypatch.setattr(owner, name, counting)

    count(json.JSONDecoder, "decode", "parses")
    count(json_module, "from_json", "parses")
    count(json_module, "to_json", "dumps")
    count(json.JSONEncoder, "encode", "dumps")
    count(record_module, "canonical_json", "digests")
    count(Record, "__init__", "records")
    count(connection._Driver, "_on_thread", "visits")
    return counted


@pytest.fixture
async def store() -> AsyncIterator[Store]:
    async with open_store(StoreSettings(sqlite_path=":memory:", realtime="off")) as opened:
        await opened.provision()
        await create_all(opened.backend, [execution(number, inputData={"ticket": number}) for number in range(PAGE)])
        yield opened


@pytest.mark.parametrize(
    ("backend", "expected"),
    [
        # The body; of a row of Tables the two columns with JSON in it; a document was parsed by the SDK.
        ("sqlite", {"parses": 1, "records": 1}),
        ("table", {"parses": 2, "records": 1}),
        ("cosmos", {"records": 1}),
    ],
)
def test_a_stored_run_becomes_a_model_without_a_digest(work: Counter[str], backend: str, expected: dict[str, int]) -> None:
    """What is stored is parsed once, and nothing is written out to tell its version before somebody asks for that."""
    read = readers(a_run())[backend]
    work.clear()
    model = Execution.from_record(read())
    done = dict(work)
    etags = {model.etag, model.etag}

    assert expected == done
    assert 1 == len(etags)
    assert (backend == "cosmos") == work["digests"]


@pytest.mark.parametrize("backend", ["table", "cosmos"])
def test_a_run_that_is_compared_has_one_digest(work: Counter[str], backend: str) -> None:
    """Its version, its content and the document that it is copied to are told by the same; what was made of it has its own."""
    read = readers(a_run())[backend]
    work.clear()
    record = read()
    compared = record.version, record.digest, document_from_record(record, utc_now(), has_ttl=True)["meta"]["digest"]

    assert 1 == work["digests"]
    assert compared[1] == compared[2] == replace(record).digest
    assert record.digest != replace(record, body={**record.body, "status": "Failed"}).digest
    assert record.digest != replace(record, expires_at=None).digest
    assert 4 == work["digests"]


def test_a_line_is_parsed_once(work: Counter[str]) -> None:
    """A line of a dump becomes a record without being written out again."""
    line = line_of(a_run())
    work.clear()
    record_of(line)

    assert {"parses": 1, "records": 1} == dict(work)


async def test_a_page_is_parsed_once_for_each_record(store: Store, work: Counter[str]) -> None:
    """A list of runs parses each once, and makes one record and one model of it."""
    page = await store.executions.list(SCOPE, limit=PAGE)

    assert PAGE == len(page)
    assert {"parses": PAGE, "records": PAGE, "visits": 1} == dict(work)


async def test_a_new_run_is_written_out_three_times(store: Store, work: Counter[str]) -> None:
    """As what is stored, as what is filtered by, and for its digest: sizes are measured without a text."""
    await store.executions.create(SCOPE, workflow_name="w", executed_by="u", executed_by_name="U", input_data={"ticket": 1})

    assert {"dumps": 3, "digests": 1} == {name: work[name] for name in ("dumps", "digests")}
    assert 0 == work["parses"]


async def test_a_batch_is_written_out_three_times_for_each_record(store: Store, work: Counter[str]) -> None:
    """Its bytes are counted without a text too, while they are far from the limit; all of it is one visit to SQLite's thread."""
    records = [replace(execution(100 + number), version=Version(1, f"{number:032x}")) for number in range(10)]
    assert [True] * 10 == await store.backend.batch([Apply(record) for record in records])
    assert {"dumps": 30, "digests": 10, "visits": 1} == {name: work[name] for name in ("dumps", "digests", "visits")}
