"""What the API answers about runs and what they leave."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bifrost_store import ExecutionStatus
from tests.console.conftest import Console

pytestmark = pytest.mark.anyio
_FROM_THE_END: dict[str, Any] = {"from": "end"}
BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)


async def test_runs_are_listed_page_by_page_by_what_is_asked_for(console: Console) -> None:
    """The newest first, filtered by status, workflow, user and time, as far as pages go."""
    for number in range(5):
        run = await console.run(
            workflow_name=f"w{number % 2}", execution_id=f"r{number}", started_at=BEGAN + timedelta(hours=number)
        )
        if number == 4:
            await console.store.executions.complete(run, ExecutionStatus.FAILED, error_message="no", error_type="E", duration_ms=7)

    async def ids(**query: Any) -> list[str]:
        found, cursor = [], None
        while True:
            page = (await console.get("runs/GLOBAL", **query, **({"cursor": cursor} if cursor else {}))).json()
            found += [one["id"] for one in page["runs"]]
            cursor = page["next"]
            if cursor is None:
                return found

    assert ["r4", "r3", "r2", "r1", "r0"] == await ids(limit=2)
    assert ["r4"] == await ids(status="Failed,Timeout")
    assert ["r3", "r1"] == await ids(workflow="w1")
    assert [] == await ids(user="nobody")
    assert ["r2", "r1"] == await ids(since="2026-11-01T13:00:00Z", until="2026-11-01T15:00:00Z")
    first = (await console.get("runs/GLOBAL", limit=1)).json()["runs"][0]
    assert ("Failed", True, 7, "no", "E") == tuple(
        first[name] for name in "status isFinal durationMs errorMessage errorType".split()
    )


@pytest.mark.parametrize(
    ("path", "query"),
    [
        ("runs/GLOBAL", {"limit": "0"}),
        ("runs/GLOBAL", {"limit": "501"}),
        ("runs/GLOBAL", {"limit": "²"}),
        ("runs/GLOBAL", {"limit": "9" * 5000}),
        ("runs/GLOBAL", {"status": "Nonsense"}),
        ("runs/GLOBAL", {"since": "yesterday"}),
        ("runs/GLOBAL", {"since": "0001-01-01T00:00:00+23:59"}),
        ("runs/GLOBAL", {"cursor": "nonsense"}),
        ("runs/GLOBAL/r/items", {"after": "x", "before": "y"}),
        ("runs/GLOBAL/r/items", {"after": "x"}),
        ("runs/GLOBAL/r/items", {"before": "\ud83d"}),
        ("runs/GLOBAL/r/items", {"types": "payload"}),
        ("runs/GLOBAL/r/items", {"level": "loud"}),
        ("runs/GLOBAL/r/items", {"level": "info,error"}),
        ("runs/GLOBAL/r/find", {}),
        ("runs/GLOBAL/r/find", {"text": "x" * 201}),
        ("runs/GLOBAL/r/variables", {"count": "-1"}),
        ("runs/GLOBAL/r/outline", {"after": "x"}),
    ],
)
async def test_what_makes_no_sense_is_refused(console: Console, path: str, query: dict[str, Any]) -> None:
    """400 in the one shape of errors, with the name of what is wrong."""
    await console.run(execution_id="r")
    query = {name: value.encode("utf-8", "replace").decode() for name, value in query.items()}
    answer = await console.get(path, **query)

    assert 400 == answer.status_code
    told = answer.json()["error"]
    assert {"message", "isRetryable", "retryAfterSeconds", "requestId"} == set(told)
    assert not told["isRetryable"]
    assert answer.headers["x-request-id"] == told["requestId"]


async def test_other_methods_and_addresses_are_told_alike(console: Console) -> None:
    """What is no address of the API is 404 for every method; every other address is the page's own to read."""
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        answer = await console.client.request(method, "/api/runs/GLOBAL", headers={"origin": "http://127.0.0.1:8765"})
        assert (404, "there is nothing here, or you may not see it") == (answer.status_code, answer.json()["error"]["message"])
    for path in ("/", "/runs/GLOBAL", "/runs/GLOBAL/x?q=1", "/any/thing"):
        answer = await console.client.get(path)
        assert (200, "text/html; charset=utf-8") == (answer.status_code, answer.headers["content-type"])


async def test_lines_are_read_in_both_directions(console: Console) -> None:
    """From the end backwards, and on from there while more come: each line once."""
    run = await console.run(execution_id="r")
    async with console.store.execution_data.recording(run) as recording:
        for number in range(30):
            recording.info(f"line {number}", data={"n": number})
        await recording.flush()
        end = (await console.get("runs/GLOBAL/r/items", **_FROM_THE_END, limit=10)).json()
        before = (await console.get("runs/GLOBAL/r/items", before=end["before"], limit=500)).json()
        recording.info("line 30")
        await recording.flush()
        after = (await console.get("runs/GLOBAL/r/items", after=end["after"])).json()

    pages = (before, end, after)
    assert [f"line {number}" for number in range(31)] == [line["message"] for page in pages for line in page["items"]]
    assert (None, True, True) == (before["before"], after["isLast"], after["isLive"])
    assert {"n": 0} == before["items"][0]["data"]


async def test_a_page_says_how_far_it_has_come(console: Console) -> None:
    """What levels leave out counts: a page that is also told by messages can tell what it has from what it misses."""
    run = await console.run(execution_id="r")
    async with console.store.execution_data.recording(run) as recording:
        recording.info("shown")
        recording.debug("left out")
        recording.debug("left out")
        await recording.flush()
        queries: list[dict[str, Any]] = [{"level": "info"}, {"from": "end", "level": "info"}, {}]
        for query in queries:
            assert {"0": 3} == (await console.get("runs/GLOBAL/r/items", **query)).json()["reached"]


async def test_pages_of_large_lines_are_short(console: Console) -> None:
    """However many lines are asked for, an answer is one that a browser takes in at once, and the next goes on from there."""
    run = await console.run(execution_id="r")
    async with console.store.execution_data.recording(run) as recording:
        for number in range(100):
            recording.info("x" * 30_000 if number % 2 else "short", data={"n": number})
    found: dict[str, list[int]] = {"items": [], "find": []}
    asked: list[tuple[str, dict[str, Any]]] = [("items", {}), ("find", {"text": "X" * 200}), ("find", {"text": "short"})]
    for path, query in asked:
        page: dict[str, Any] = {"isLast": False}
        while not page["isLast"]:
            cursor: dict[str, Any] = {"after": page["after"]} if "after" in page else {}
            answer = await console.get(f"runs/GLOBAL/r/{path}", limit=500, **query, **cursor)
            assert len(answer.content) <= 1_000_000
            page = answer.json()
            found[path] += [line["data"]["n"] for line in page["items"]]
    assert {"items": [*range(100)], "find": [*range(1, 100, 2), *range(0, 100, 2)]} == found


async def test_an_outline_counts_every_line_and_names_the_errors(console: Console) -> None:
    """Whatever its length is, a run is outlined in slices whose cursors lead to what they hold."""
    run = await console.run(execution_id="r")
    async with console.store.execution_data.recording(run) as recording:
        for number in range(6_000):
            recording.log("error" if number == 2_900 else "debug" if number % 3 == 0 else "info", f"line {number}")
    slices, after, calls = [], None, 0
    is_last = False
    while not is_last:
        answer = (await console.get("runs/GLOBAL/r/outline", **({"after": after} if after else {}))).json()
        slices += answer["slices"]
        after, is_last, calls = answer["after"], answer["isLast"], calls + 1

    assert 2 == calls
    assert 6_000 == sum(sum(one["levels"].values()) for one in slices) == sum(sum(one["bins"]) for one in slices)
    place = next(error for one in slices for error in one["errors"])
    index = next(index for index, one in enumerate(slices) if one["errors"])
    page = (await console.get("runs/GLOBAL/r/items", after=slices[index - 1]["after"], limit=500)).json()
    found = [line for line in page["items"] if line["number"] == place["number"]]
    assert ["line 2900"] == [line["message"] for line in found]


async def test_downloads_hold_every_line(console: Console) -> None:
    """As text without what a terminal would obey, and as JSON lines as they were written."""
    run = await console.run(execution_id="r")
    hostile = "\x1b[31mred\x1b[0m \u202eevil \x00 caf\u00e9"
    async with console.store.execution_data.recording(run) as recording:
        for number in range(1_200):
            recording.info(f"line {number}")
        recording.error(hostile, data={"a": [1]})
    text = await console.get("runs/GLOBAL/r/log.txt")
    lines = await console.get("runs/GLOBAL/r/log.jsonl")

    assert 1_201 == len(text.text.splitlines())
    assert text.text.splitlines()[-1].endswith(r'ERROR    red \x202eevil \x00 café  {"a": [1]}')
    assert hostile == json.loads(lines.text.splitlines()[-1])["message"]
    assert 'attachment; filename="r.log"' == text.headers["content-disposition"]
    assert 'attachment; filename="r.jsonl"' == lines.headers["content-disposition"]


async def test_variables_are_shown_as_they_were(console: Console) -> None:
    """The last ones, or those with a count; null where there are none."""
    run = await console.run(execution_id="r")
    assert (await console.get("runs/GLOBAL/r/variables")).json() is None
    async with console.store.execution_data.recording(run) as recording:
        for number in range(3):
            recording.set_variables({"n": number})
            await recording.flush()

    assert {"n": 2} == (await console.get("runs/GLOBAL/r/variables")).json()["variables"]
    assert {"n": 0} == (await console.get("runs/GLOBAL/r/variables", count=1)).json()["variables"]


async def test_a_run_is_cancelled_once(console: Console) -> None:
    """Cancelling moves a live run to Cancelling; one that has ended is not touched, which is told."""
    run = await console.run(execution_id="r")
    assert "Cancelling" == (await console.post("runs/GLOBAL/r/cancel")).json()["status"]
    assert "Cancelling" == (await console.post("runs/GLOBAL/r/cancel")).json()["status"]
    await console.store.executions.complete(run, ExecutionStatus.SUCCESS)

    answer = await console.post("runs/GLOBAL/r/cancel")
    assert 409 == answer.status_code


async def test_what_the_store_cannot_do_is_told_without_its_words(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """An outage is 503, retryable, with how long to wait; a defect 500; neither quotes what was raised."""
    from bifrost_store.errors import ThrottledError

    await console.run(execution_id="r")
    for error, status in ((ThrottledError("secret", retry_after_seconds=7), 503), (ValueError("secret"), 500)):

        async def fail(*_: Any, _error: Exception = error, **__: Any) -> None:
            raise _error

        monkeypatch.setattr(console.store.executions, "get", fail)
        answer = await console.get("runs/GLOBAL/r")
        assert status == answer.status_code
        assert "secret" not in answer.text
        assert (status == 503) == answer.json()["error"]["isRetryable"]
        assert ("7" if status == 503 else None) == answer.headers.get("retry-after")


async def test_what_is_nested_too_deeply_is_told(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """A result of ten thousand levels, as old code may have stored, is answered with a sentence, and everything else goes on."""
    from bifrost_store import Result

    run = await console.run(execution_id="r")
    deep: Any = None
    for _ in range(10_000):
        deep = [deep]

    async def load(_: Any) -> Result:
        return Result("json", deep)

    monkeypatch.setattr(console.store.executions, "load_result", load)
    answer = await console.get("runs/GLOBAL/r/result")
    assert (422, "this is nested too deeply to be shown") == (answer.status_code, answer.json()["error"]["message"])
    async with console.store.execution_data.recording(run) as recording:
        recording.info("a line", data=deep)
        recording.set_variables({"deep": deep})
    assert "nested too deeply" in (await console.get("runs/GLOBAL/r/items")).text
    assert "nested too deeply" in (await console.get("runs/GLOBAL/r/variables")).text
