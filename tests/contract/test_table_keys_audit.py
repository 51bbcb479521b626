"""API keys, schedules, job statuses and audit events as rows of Table Storage, beside an old application that writes them too."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import ResourceModifiedError
from azure.data.tables import UpdateMode
from azure.data.tables.aio import TableServiceClient

from bifrost_store.core.scope import GLOBAL
from bifrost_store.documents import JobOutcome, JobTrigger, Schedule
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.concurrently import at_once
from bifrost_store.testing.examples import ORGANIZATION
from bifrost_store.testing.repositories import Repositories, repositories_over
from tests.contract.harness import TableStore, rows_of

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("table_only")]
NAIVE = START.replace(tzinfo=None).isoformat()
NEXT = START + timedelta(hours=1)


@pytest.fixture
def repositories(tables: TableStore, clock: SettableClock) -> Repositories:
    """The repositories over them."""
    return repositories_over(tables.backend, tables.blobs, clock)


async def rows(tables: TableStore) -> dict[tuple[str, str, str], dict[str, Any]]:
    """Return today's columns of every row but guards."""
    return {
        key: {name: value for name, value in row.items() if name not in ("PartitionKey", "RowKey")}
        for key, row in (await rows_of(tables.azurite)).items()
        if not key[2].startswith("bs-tomb:")
    }


async def merge(tables: TableStore, row_key: str, etag: str | None = None, **columns: Any) -> str:
    """Merge into a row of Config as the old application does, and return the etag that the row had."""
    async with TableServiceClient.from_connection_string(tables.azurite.connection_string) as service:
        config = service.get_table_client("Config")
        row = await config.get_entity("GLOBAL", row_key)
        found = str(row.metadata["etag"])
        if columns:
            condition: dict[str, Any] = {} if etag is None else {"etag": etag, "match_condition": MatchConditions.IfNotModified}
            new = {"PartitionKey": "GLOBAL", "RowKey": row_key, **columns}
            await config.update_entity(new, mode=UpdateMode.MERGE, **condition)
    return found


async def test_rows_are_those_of_today(tables: TableStore, repositories: Repositories) -> None:
    """What the repositories write lies where the old application looks, with its columns and no others of its own."""
    own = (await repositories.api_keys.create(created_by="ada", workflow_id="w/1", description="portal")).document
    shared = (await repositories.api_keys.create(created_by="ada", expires_at=NEXT)).document
    await repositories.schedules.create("a/b", cron_expression="0 * * * *", next_run_at=NEXT, description="Nightly")
    await repositories.job_statuses.set(
        "Job", status=JobOutcome.COMPLETED, start_time=START, end_time=START, trigger_type=JobTrigger.AUTOMATIC, errors=["x"]
    )
    event = await repositories.audit.append(ORGANIZATION, "cross_org_access", user_id="kim", status_code=200, details={"n": 1})
    key = {"CreatedBy": "ada", "CreatedAt": NAIVE, "Revoked": False, "DisableGlobalKey": False}

    assert await rows(tables) == {
        ("Config", "GLOBAL", f"workflowkey:{own.id}"): {
            **key,
            "KeyId": own.id,
            "HashedKey": own.hashed_key,
            "WorkflowId": "w/1",
            "Description": "portal",
        },
        ("Config", "GLOBAL", f"systemconfig:globalkey:{shared.id}"): {
            **key,
            "KeyId": shared.id,
            "HashedKey": shared.hashed_key,
            "ExpiresAt": NEXT.replace(tzinfo=None).isoformat(),
        },
        ("Config", "GLOBAL", "schedule:%%a%2Fb"): {
            "WorkflowName": "Nightly",
            "CronExpression": "0 * * * *",
            "NextRunAt": NEXT.replace(tzinfo=None).isoformat(),
            "ExecutionCount": 0,
            "CreatedAt": NAIVE,
        },
        ("Config", "SYSTEM", "jobstatus:Job"): {
            "Status": "completed",
            "StartTime": NAIVE,
            "EndTime": NAIVE,
            "DurationSeconds": 0.0,
            "TriggerType": "automatic",
            "Errors": '["x"]',
        },
        ("AuditLog", "2025-11-14", event.id): {
            "EventType": "cross_org_access",
            "UserId": "kim",
            "OrgId": "o-1",
            "StatusCode": 200,
            "Details": '{"n": 1}',
        },
    }


async def test_no_row_stands_beside_an_event(tables: TableStore, repositories: Repositories) -> None:
    """AuditLog holds events alone: nothing of ours that the old application's ranges would meet."""
    events = [await repositories.audit.append(scope, "x") for scope in (GLOBAL, ORGANIZATION)]

    assert {("AuditLog", "2025-11-14", event.id) for event in events} == set(await rows_of(tables.azurite))


async def test_the_old_application_revokes(tables: TableStore, repositories: Repositories) -> None:
    """A key that the old application revoked is refused, whoever made it, and the document says who did it."""
    for workflow_id, prefix in (("w", "workflowkey:"), (None, "systemconfig:globalkey:")):
        new = await repositories.api_keys.create(created_by="ada", workflow_id=workflow_id)
        assert await repositories.api_keys.validate(new.key, "w") is not None
        await merge(tables, prefix + new.document.id, Revoked=True, RevokedAt=NAIVE, RevokedBy="dana")

        assert await repositories.api_keys.validate(new.key, "w") is None
        stored = await repositories.api_keys.get(new.document.id)
        assert stored is not None
        assert (stored.is_revoked, stored.revoked_by, stored.revoked_at) == (True, "dana", START)


async def test_an_older_note_of_use_undoes_no_revocation(tables: TableStore, repositories: Repositories) -> None:
    """A key that was read before the old application revoked it is not written back as it was."""
    document = (await repositories.api_keys.create(created_by="ada", workflow_id="w")).document
    await merge(tables, f"workflowkey:{document.id}", Revoked=True)

    revoked = await repositories.api_keys.revoke(document.id, revoked_by="eve")
    assert (revoked.is_revoked, revoked.revoked_by) == (True, None)


async def test_a_key_has_one_row_whatever_it_is_for(tables: TableStore, repositories: Repositories) -> None:
    """A record whose workflow was taken away or given moves: nothing of it stays where it was."""
    new = await repositories.api_keys.create(created_by="ada", workflow_id="w")
    record = new.document.record
    for workflow_id, prefix in ((None, "systemconfig:globalkey:"), ("v", "workflowkey:")):
        record = await tables.backend.replace(record.with_body({**record.body, "workflowId": workflow_id}), record.etag)
        assert [key[2] for key in await rows(tables)] == [prefix + new.document.id]
        assert list(await everything(tables.backend)) == [record.key]
    assert await repositories.api_keys.delete(new.document.id) is True
    assert await rows(tables) == {}


async def test_the_old_application_claims_too(tables: TableStore, repositories: Repositories) -> None:
    """Of ours and the old application's timer, which merges NextRunAt under an etag, one gets each run."""
    await repositories.schedules.create("w", cron_expression="* * * * *", next_run_at=START)
    wins = []
    for run in range(6):
        now = START + timedelta(minutes=run)
        following = now + timedelta(minutes=1)
        etag = await merge(tables, "schedule:w")

        async def claim(number: int, ours: int = run % 2, now: Any = now, following: Any = following, etag: str = etag) -> Any:
            if number == ours:
                return await repositories.schedules.claim("w", now=now, next_run_at=following)
            try:
                return await merge(tables, "schedule:w", etag, NextRunAt=following.replace(tzinfo=None).isoformat())
            except ResourceModifiedError:
                return None

        outcomes = await at_once(2, claim)
        wins.append(sum(outcome is not None for outcome in outcomes))

    assert [1] * 6 == wins
    stored = await repositories.schedules.get("w")
    assert isinstance(stored, Schedule)
    assert stored.next_run_at == START + timedelta(minutes=6)


async def test_a_model_from_before_the_old_application_claimed(tables: TableStore, repositories: Repositories) -> None:
    """A model whose run the old application took since gets nothing."""
    known = await repositories.schedules.create("w", cron_expression="* * * * *", next_run_at=START)
    await merge(tables, "schedule:w", NextRunAt=NEXT.replace(tzinfo=None).isoformat())

    assert await repositories.schedules.claim(known, now=START, next_run_at=NEXT) is None
    assert await repositories.schedules.claim(known, now=NEXT, next_run_at=NEXT + timedelta(hours=1)) is None
    assert await repositories.schedules.claim("w", now=NEXT, next_run_at=NEXT + timedelta(hours=1)) is not None
