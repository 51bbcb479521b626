"""Who is let in, and who is not: each rule refuses, and says why."""

from __future__ import annotations

import pytest

from bifrost_store import ExecutionStatus
from bifrost_store.console import Access
from bifrost_store.errors import ConfigurationError
from tests.console.conftest import HOST, JUNIPER, SECRET, TOKEN, Console, user

pytestmark = pytest.mark.anyio


async def test_without_a_session_nothing_is_told(closed_console: Console) -> None:
    """Every answer of the API but the exchange of the token is 401 with what to do, also for what does not exist."""
    run = await closed_console.run()
    paths = ["me", "scopes", "runs/GLOBAL", "runs/nonsense", "nothing", f"runs/GLOBAL/{run.execution_id}"]
    paths += [f"runs/GLOBAL/{run.execution_id}/{part}" for part in ("items", "find", "outline", "log.txt", "result", "result.html")]

    for path in paths:
        answer = await closed_console.get(path)
        assert 401 == answer.status_code
        assert "open the address that the console printed" in answer.json()["error"]["message"]


async def test_the_token_is_exchanged_for_a_cookie_that_no_script_reads(closed_console: Console) -> None:
    """The cookie is HttpOnly and SameSite=Strict, and holds no token."""
    answer = await closed_console.client.post("/api/session", json={"token": TOKEN}, headers={"origin": f"http://{HOST}"})
    cookie = answer.headers["set-cookie"]

    assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
    assert TOKEN not in cookie
    assert 200 == (await closed_console.get("me")).status_code


@pytest.mark.parametrize("token", ["", "t" * 42, "t" * 44, "\ud800", "T" * 43])
async def test_another_token_is_refused(closed_console: Console, token: str) -> None:
    """Whoever guesses gets no cookie."""
    answer = await closed_console.client.post(
        "/api/session",
        content=b'{"token": "\\ud800"}' if token == "\ud800" else f'{{"token": "{token}"}}'.encode(),
        headers={"origin": f"http://{HOST}"},
    )

    assert 401 == answer.status_code
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("body", [b"", b"[]", b"1", b'{"token": 1}', b"{" * 3000, b"[" * 4000, b"x" * 100_000, b"\xff"])
async def test_a_body_that_is_no_exchange_is_refused(closed_console: Console, body: bytes) -> None:
    """Bodies of another shape, too long or too deep are 400."""
    answer = await closed_console.client.post("/api/session", content=body, headers={"origin": f"http://{HOST}"})

    assert 400 == answer.status_code


async def test_a_session_ends(console: Console) -> None:
    """After 12 hours the address has to be opened again; a cookie that was changed or made up is none."""
    console.now.seconds += 12 * 3600 - 1
    assert 200 == (await console.get("me")).status_code
    console.now.seconds += 1
    assert 401 == (await console.get("me")).status_code

    for value in ("", ".", "9999999999.", "9999999999.abc", "x.y", f"{'9' * 400}.{'a' * 64}", "é.é"):
        console.client.cookies.clear()
        cookie = f"bifrost_console_8765={value}".encode("latin-1")
        answer = await console.client.get("/api/me", headers=[(b"cookie", cookie)])
        assert 401 == answer.status_code


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:8765.evil.example", ""])
async def test_a_host_that_is_not_allowed_is_refused(console: Console, host: str) -> None:
    """A page elsewhere cannot reach the console by a name of its own that leads here (DNS rebinding)."""
    for path in ("/", "/api/me", "/assets/x.js"):
        answer = await console.client.get(path, headers={"host": host})
        assert 421 == answer.status_code
        assert "--allow-host" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", f"http://{HOST}.evil.example", "http://127.0.0.1:9", "http://["]
)
async def test_what_changes_something_must_come_from_the_page(console: Console, origin: str | None) -> None:
    """Other origins, and none, are refused with everything but GET, before anything is done."""
    run = await console.run()
    for path in (f"/api/runs/GLOBAL/{run.execution_id}/cancel", "/api/session"):
        answer = await console.client.post(path, headers={} if origin is None else {"origin": origin}, json={"token": TOKEN})
        assert 403 == answer.status_code
        assert "Origin" in answer.json()["error"]["message"]

    assert ExecutionStatus.RUNNING == await console.store.executions.get_status(run.scope, run.execution_id)


async def test_headers_are_believed_with_the_secret_alone(closed_console: Console) -> None:
    """Nobody names a user without the proxy's secret; a wrong one is refused though there is a session."""
    named = user("ada@msp.example", **{"x-platform-admin": "true"})
    without = {name: value for name, value in named.items() if name != "x-bifrost-proxy-secret"}

    assert 401 == (await closed_console.get("me", without)).status_code
    assert 200 == (await closed_console.get("me", named)).status_code
    await closed_console.enter()
    assert 401 == (await closed_console.get("me", {**named, "x-bifrost-proxy-secret": SECRET[:-1]})).status_code
    assert 401 == (await closed_console.get("me", {**named, "x-user-id": ""})).status_code
    assert 403 == (await closed_console.get("me", {**named, "x-organization-id": "a b"})).status_code
    assert "" == (await closed_console.get("me", without)).json()["id"]


def test_a_secret_that_can_be_guessed_is_refused() -> None:
    """A console does not start with a short one."""
    with pytest.raises(ConfigurationError, match="guessed"):
        Access({HOST}, TOKEN, "short")


async def test_what_may_not_be_seen_looks_as_if_it_did_not_exist(closed_console: Console) -> None:
    """Runs of others, of another organization, that do not exist, with ids that cannot be: one answer but for the request's id."""
    own = await closed_console.run(JUNIPER)
    others = await closed_console.run(JUNIPER, executed_by="ada@msp.example")
    elsewhere = await closed_console.run()
    kim = user(organization="juniper")

    seen = await closed_console.get(f"runs/{JUNIPER}/{own.execution_id}", kim)
    assert 200 == seen.status_code
    paths = [f"{JUNIPER}/{others.execution_id}", f"GLOBAL/{elsewhere.execution_id}", f"{JUNIPER}/missing", f"{JUNIPER}/a%20b"]
    paths += ["SYSTEM/x", "org-/x", f"{JUNIPER}/{'x' * 65}", "%00/x", f"{JUNIPER}/..%2f..", f"{JUNIPER}/é"]
    for path in paths:
        for part in ("", "/items", "/find?text=x", "/outline", "/log.txt", "/log.jsonl", "/result", "/result.html", "/variables"):
            answer = await closed_console.client.get(f"/api/runs/{path}{part}", headers=kim)
            told = answer.json()["error"]
            assert (404, "there is nothing here, or you may not see it") == (answer.status_code, told["message"])
        cancelled = await closed_console.post(f"runs/{path}/cancel", kim)
        assert 404 == cancelled.status_code


async def test_a_list_shows_ones_own_runs_alone(closed_console: Console) -> None:
    """Who is no administrator gets one's own runs of one's own organization, whatever is asked for."""
    own = await closed_console.run(JUNIPER)
    await closed_console.run(JUNIPER, executed_by="ada@msp.example")
    kim = user(organization="juniper")

    listed = await closed_console.get(f"runs/{JUNIPER}", kim, user="ada@msp.example")
    assert [own.execution_id] == [run["id"] for run in listed.json()["runs"]]
    assert 404 == (await closed_console.get("runs/GLOBAL", kim)).status_code
    assert [str(JUNIPER)] == [one["scope"] for one in (await closed_console.get("scopes", kim)).json()]


async def test_details_are_for_administrators(closed_console: Console) -> None:
    """DEBUG lines, tracebacks, variables and states are not shown to others, nor found, counted or downloaded by them."""
    run = await closed_console.run(JUNIPER)
    async with closed_console.store.execution_data.recording(run) as recording:
        recording.debug("debugged")
        recording.log("error", "failed", traceback="ValueError: hidden", data={"a": 1})
        recording.set_variables({"secret": 1})
        recording.set_state({"secret": 2})
    kim, path = user(organization="juniper"), f"runs/{JUNIPER}/{run.execution_id}"

    shown = (await closed_console.get(f"{path}/items", kim, level="debug")).json()["items"]
    assert ["failed"] == [line["message"] for line in shown]
    assert "traceback" not in shown[0]
    assert [] == (await closed_console.get(f"{path}/find", kim, text="hidden")).json()["items"]
    assert 1 == len((await closed_console.get(f"{path}/find", kim, text="FAILED")).json()["items"])
    slices = (await closed_console.get(f"{path}/outline", kim)).json()["slices"]
    assert [{"error": 1}] == [one["levels"] for one in slices]
    for name in ("log.txt", "log.jsonl"):
        text = (await closed_console.get(f"{path}/{name}", kim, level="debug")).text
        assert "failed" in text
        assert not {"debugged", "hidden"} & set(text.split())
    assert 403 == (await closed_console.get(f"{path}/items", kim, types="variables")).status_code
    assert 403 == (await closed_console.get(f"{path}/items", kim, types="log,state")).status_code
    assert 403 == (await closed_console.get(f"{path}/variables", kim)).status_code

    ada = user("ada@msp.example", **{"x-platform-admin": "true"})
    whole = (await closed_console.get(f"{path}/items", ada, types="log,variables,state")).json()["items"]
    assert 4 == len(whole)
    assert 1 == len((await closed_console.get(f"{path}/find", ada, text="hidden")).json()["items"])


async def test_every_answer_keeps_browsers_from_harm(console: Console) -> None:
    """A policy without inline code, no sniffing, no framing, nothing kept; errors too."""
    for path in ("/", "/runs/GLOBAL/x", "/api/me", "/api/nothing", "/assets/none.js"):
        headers = (await console.client.get(path)).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'; script-src 'self'; style-src 'self'" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert "nosniff" == headers["x-content-type-options"]
        assert headers["cache-control"] in ("no-store", "no-cache")
        assert headers["x-request-id"]


async def test_html_results_can_neither_run_nor_reach_anything(console: Console) -> None:
    """They come from an endpoint of their own, whose policy is a sandbox; other results do not come as HTML."""
    hostile = "<script>alert(1)</script><img src=x onerror=alert(2)>"
    html = await console.run()
    await console.store.executions.complete(html, ExecutionStatus.SUCCESS, result=hostile, result_type="html")
    text = await console.run()
    await console.store.executions.complete(text, ExecutionStatus.SUCCESS, result=hostile, result_type="text")

    answer = await console.get(f"runs/GLOBAL/{html.execution_id}/result.html")
    assert hostile == answer.text
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "allow-" not in policy
    assert 404 == (await console.get(f"runs/GLOBAL/{text.execution_id}/result.html")).status_code
    as_json = await console.get(f"runs/GLOBAL/{html.execution_id}/result")
    assert "application/json" == as_json.headers["content-type"]
