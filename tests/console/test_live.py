"""Who may be told of what: pages watch through a hub what they may see, and nothing else."""

from __future__ import annotations

import pytest

from bifrost_store import Scope
from tests.console.conftest import HOST, JUNIPER, Console, user

pytestmark = pytest.mark.anyio
KIM = user(organization="juniper")
ADA = user("ada@msp.example", **{"x-platform-admin": "true"})


async def connect(console: Console, headers: dict[str, str] | None = None) -> str:
    """Negotiate as clients do, up to where a connection has its id."""
    found = (await console.post("hub/negotiate", headers)).json()
    assert f"http://{HOST}/hub/connect" == found["url"]
    bearer = {"authorization": f"Bearer {found['accessToken']}", "origin": f"http://{HOST}"}
    answer = await console.client.post(f"{found['url']}/negotiate?negotiateVersion=1", headers=bearer)
    assert 200 == answer.status_code
    connection_id: str = answer.json()["connectionId"]
    return connection_id


async def test_nobody_connects_without_a_session(closed_console: Console) -> None:
    """Neither a ticket nor a group is given to whom is not known, and the hub takes no tickets but its own."""
    for path in ("hub/negotiate", "hub/join", "hub/leave"):
        assert 401 == (await closed_console.post(path)).status_code
    for headers in ({}, {"authorization": "Bearer x"}):
        answer = await closed_console.client.post(
            "/hub/connect/negotiate?negotiateVersion=1", headers={"origin": f"http://{HOST}", **headers}
        )
        assert 401 == answer.status_code
    assert 401 == (await closed_console.client.post("/hub/negotiate", headers={"origin": f"http://{HOST}"})).status_code


async def test_the_hub_is_for_the_page_alone(console: Console) -> None:
    """Other origins and hosts get no ticket, and cannot reach the hub with one."""
    evil = {"origin": "https://evil.example"}
    assert 403 == (await console.client.post("/api/hub/negotiate", headers=evil)).status_code
    assert 403 == (await console.client.post("/hub/connect/negotiate", headers=evil)).status_code
    assert 421 == (await console.client.get("/hub/connect", headers={"host": "evil.example"})).status_code


@pytest.mark.parametrize(
    ("scope", "executed_by", "shown"),
    [(JUNIPER, "kim@x.example", True), (JUNIPER, "ada@msp.example", False), (Scope.organization("other"), "kim@x.example", False)],
)
async def test_others_watch_their_own_runs_alone(closed_console: Console, scope: Scope, executed_by: str, shown: bool) -> None:
    """What may not be watched looks as if it did not exist; so do connections of others."""
    run = await closed_console.run(scope, executed_by=executed_by)
    own, others = await connect(closed_console, KIM), await connect(closed_console, ADA)
    for connection_id in (own, others, "x"):
        body = {"connectionId": connection_id, "scope": str(scope), "executionId": run.execution_id}
        answer = await closed_console.post("hub/join", KIM, body)
        missing = await closed_console.post("hub/join", KIM, {**body, "executionId": "missing"})
        assert 404 == missing.status_code
        if not (shown and connection_id == own):
            assert (404, missing.json()["error"]["message"]) == (answer.status_code, answer.json()["error"]["message"])


async def test_two_hundred_tabs_are_let_in(console: Console) -> None:
    """All tabs of whoever holds the token are one user's: two hundred connect, and each is told of what it watches."""
    await console.run(execution_id="r")
    tabs: list[tuple[str, dict[str, str], dict[str, str]]] = []
    for _ in range(200):
        found = (await console.post("hub/negotiate")).json()
        url, headers = found["url"], {"authorization": f"Bearer {found['accessToken']}", "origin": f"http://{HOST}"}
        opened = (await console.client.post(f"{url}/negotiate?negotiateVersion=1", headers=headers)).json()
        params = {"id": opened["connectionToken"]}
        assert 200 == (await console.client.get(url, params=params, headers=headers)).status_code
        hello = await console.client.post(url, params=params, headers=headers, content=b'{"protocol":"json","version":1}\x1e')
        assert 200 == hello.status_code
        body = {"connectionId": opened["connectionId"], "scope": "GLOBAL", "executionId": "r"}
        assert (await console.post("hub/join", body=body)).json()["isLive"]
        tabs.append((url, params, headers))
    for url, params, headers in tabs:
        assert 202 == (await console.client.delete(url, params=params, headers=headers)).status_code
