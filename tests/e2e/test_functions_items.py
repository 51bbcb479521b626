"""What the example application shows of a run that goes on, and to whom."""

from __future__ import annotations

import json
import logging
from typing import Any

import azure.functions as func
import pytest

from bifrost_store import ExecutionStatus, Scope, StoreSettings, open_store
from tests.e2e.functions_app.replay import registered

pytestmark = pytest.mark.anyio
ACME = Scope.organization("acme")
KIM = {"X-Organization-Id": "acme", "X-User-Id": "kim@acme.example"}
LEE = {**KIM, "X-User-Id": "lee@acme.example"}
ADMIN = {**KIM, "X-User-Id": "ada@msp.example", "X-Platform-Admin": "true"}


async def get(part: str, headers: dict[str, str], **params: str) -> tuple[int, Any]:
    functions = {one.get_function_name(): one.get_user_function() for one in registered()}
    request = func.HttpRequest(
        method="GET",
        url=f"http://localhost/api/executions/run-1/{part}",
        headers=headers,
        params=params,
        route_params={"executionId": "run-1", "part": part},
        body=b"",
    )
    response = await functions["get_execution_part"](request)
    return response.status_code, json.loads(response.get_body())


async def test_admins_see_everything_and_the_caller_neither_debug_nor_tracebacks(monkeypatch: pytest.MonkeyPatch) -> None:
    logger = logging.getLogger("workflow.items")
    logger.setLevel(logging.DEBUG)
    registered()
    async with open_store(StoreSettings(backend="sqlite", sqlite_path=":memory:")) as store:
        monkeypatch.setattr("bifrost_functions.opened._store", store)
        run = await store.executions.create(
            ACME, workflow_name="w", executed_by="kim@acme.example", executed_by_name="Kim", execution_id="run-1"
        )
        async with store.execution_data.recording(run) as recording:
            logger.debug("a secret way")
            logger.info("one", extra={"data": {"k": 1}})
            recording.set_variables({"inner": True})
            try:
                raise RuntimeError("inside")
            except RuntimeError:
                logger.exception("two")
            await recording.flush()
            status, live = await get("items", KIM)
        assert (status, live["isLive"], live["isLast"]) == (200, True, True)
        assert [(item["type"], item["message"], item.get("traceback")) for item in live["items"]] == [
            ("log", "one", None),
            ("log", "two", None),
        ]
        assert "inside" not in json.dumps(live)
        assert "secret" not in json.dumps(live)
        assert (await get("items", KIM, level="debug"))[1]["items"] == live["items"]

        _, everything = await get("items", ADMIN)
        assert [item["type"] for item in everything["items"]] == ["log", "log", "variables", "log"]
        assert "RuntimeError: inside" in everything["items"][3]["traceback"]
        _, page = await get("items", ADMIN, limit="1", after=everything["after"])
        assert page["items"] == []
        _, first = await get("items", ADMIN, limit="3")
        _, rest = await get("items", ADMIN, after=first["after"])
        assert first["items"] + rest["items"] == everything["items"]
        _, back = await get("items", ADMIN, before=rest["before"], limit="2")
        assert back["items"] == everything["items"][1:3]
        assert [1, 0, 1] == [
            len((await get("items", who, find=text))[1]["items"])
            for who, text in ((ADMIN, "inside"), (KIM, "inside"), (KIM, "TWO"))
        ]
        _, found = await get("items", ADMIN, find="ONE")
        assert [item["number"] for item in found["items"]] == [2]

        assert (await get("items", LEE))[0] == 403
        assert (await get("items", KIM, after="nonsense"))[0] == 400
        assert (await get("items", KIM, limit="no"))[0] == 400

        await store.executions.complete(run, ExecutionStatus.FAILED)
        assert [entry["message"] for entry in (await get("logs", KIM))[1]] == ["one", "two"]
        assert [entry["level"] for entry in (await get("logs", ADMIN))[1]] == ["debug", "info", "error", "traceback"]
        assert not (await get("items", KIM))[1]["isLive"]
