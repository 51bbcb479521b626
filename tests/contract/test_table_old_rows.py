"""Rows of the old application on Table Storage: doubled, without columns, damaged. Read by stated rules, or named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bifrost_store.backends.table.account import Put
from bifrost_store.backends.table.backend import TableBackend
from bifrost_store.core.clock import reverse_timestamp
from bifrost_store.core.meter import count_requests
from bifrost_store.core.query import Query, Range
from bifrost_store.core.record import Key
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.totals import Totals
from bifrost_store.documents import ConfigType, Execution, ExecutionStatus, OAuthFlowType, UserType
from bifrost_store.errors import CorruptDocumentError, DocumentExistsError, PreconditionFailedError
from bifrost_store.protocols import ExecutionFilter, ExecutionRef
from bifrost_store.testing.bulk import joined
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, execution
from bifrost_store.testing.repositories import Repositories, repositories_over
from tests.contract.harness import TableStore, rows_of
from tests.innermost import innermost

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("table_only")]
HOME = ORGANIZATION.partition_key
ID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def repositories(tables: TableStore, clock: SettableClock) -> Repositories:
    """The repositories over them."""
    return repositories_over(tables.backend, tables.blobs, clock)


def inner(tables: TableStore) -> TableBackend:
    found: TableBackend = innermost(tables.backend)
    return found


async def put(tables: TableStore, table: str, row: dict[str, Any]) -> None:
    await inner(tables).account.write(table, [Put({name: value for name, value in row.items() if value is not None})])


def run(started: datetime, id_: str = ID, **columns: Any) -> dict[str, Any]:
    """Return the primary row of a run as the old application has it; a column that is None is left out."""
    row = {
        "ExecutionId": id_,
        "WorkflowName": "w",
        "ExecutedBy": "u",
        "ExecutedByName": "U",
        "Status": "Running",
        "InputData": "{}",
        "StartedAt": started.replace(tzinfo=None).isoformat(),
        "ResultInBlob": False,
    }
    return {"PartitionKey": HOME, "RowKey": f"execution:{reverse_timestamp(started)}_{id_}", **row, **columns}


OLDER, NEWER = START - timedelta(hours=3), START - timedelta(hours=2)


async def put_twins(tables: TableStore, **older: Any) -> None:
    await put(tables, "Entities", run(OLDER, **older))
    await put(tables, "Entities", run(NEWER, Status="Success", Result='{"n": 2}'))


ANY = ExecutionFilter()


@pytest.mark.parametrize(
    ("where", "is_listed"),
    [
        (ANY, True),
        (ExecutionFilter(statuses=[ExecutionStatus.RUNNING]), False),
        (ExecutionFilter(statuses=[ExecutionStatus.SUCCESS]), True),
        (ExecutionFilter(workflow="other"), False),
        (ExecutionFilter(until=OLDER + timedelta(minutes=1)), False),
        (ExecutionFilter(since=OLDER + timedelta(minutes=1)), True),
    ],
)
async def test_one_run_is_one_row_in_every_list(
    tables: TableStore, repositories: Repositories, where: ExecutionFilter, is_listed: bool
) -> None:
    """Of two rows of one id the newest counts, whatever a filter sees of the older one, and whatever the page size."""
    await put_twins(tables, WorkflowName="other")
    for number in range(5):
        await put(tables, "Entities", run(OLDER + timedelta(minutes=number + 1), f"e-{number}", WorkflowName="third"))
    for size in (1, 2, 3, 500):
        ids, token = [], None
        while True:
            page = await repositories.executions.list(ORGANIZATION, where, limit=size, continuation_token=token)
            ids += [one.execution_id for one in page]
            token = page.continuation_token
            if token is None:
                break
        assert ids.count(ID) == is_listed
        assert len(ids) == len(set(ids))
    assert [one.execution_id for one in await repositories.executions.stuck(now=START) if one.execution_id == ID] == []
    counts = await repositories.executions.count_by_status(ORGANIZATION)
    assert counts == {ExecutionStatus.RUNNING: 5, ExecutionStatus.SUCCESS: 1}
    early = await repositories.executions.count_by_status(ORGANIZATION, until=NEWER - timedelta(minutes=30))
    assert early == {ExecutionStatus.RUNNING: 5}


@pytest.mark.parametrize(("age", "again"), [(timedelta(hours=30), 1), (timedelta(hours=20), 2)])
async def test_a_row_that_counts_is_checked_once(
    tables: TableStore, repositories: Repositories, age: timedelta, again: int
) -> None:
    """A day after it began no newer row of its id comes any more; before, a list looks for one each time."""
    await put(tables, "Entities", run(START - age))
    where = ExecutionFilter(workflow="w")
    requests = []
    for _ in range(2):
        with count_requests() as counted:
            assert [ID] == [one.execution_id for one in await repositories.executions.list(ORGANIZATION, where)]
        requests.append(counted["table"])

    assert [2, again] == requests


async def test_many_rows_are_checked_together(tables: TableStore, repositories: Repositories) -> None:
    """Also where more rows of a page are in question than ids fit into a few requests."""
    for number in range(70):
        await put(tables, "Entities", run(NEWER + timedelta(seconds=number), f"e-{number}", Status="Success"))
        await put(tables, "Entities", run(OLDER + timedelta(seconds=number), f"e-{number}"))

    assert (
        list(await repositories.executions.list(ORGANIZATION, ExecutionFilter(statuses=[ExecutionStatus.RUNNING]), limit=500)) == []
    )
    done = await repositories.executions.list(ORGANIZATION, ExecutionFilter(statuses=[ExecutionStatus.SUCCESS]), limit=500)
    assert len(done) == 70


async def stale(tables: TableStore, repositories: Repositories) -> Execution:
    """Return a run as a reader saw it before a retried creation wrote its newer row."""
    await put(tables, "Entities", run(OLDER))
    (found,) = await repositories.executions.list(ORGANIZATION)
    await put_twins(tables)
    return found


async def test_a_write_through_an_older_row_is_refused(tables: TableStore, repositories: Repositories) -> None:
    """With or without the etag the newer row is not written over by what was read of the older."""
    seen = await stale(tables, repositories)
    with pytest.raises(PreconditionFailedError):
        await repositories.executions.complete(seen, ExecutionStatus.TIMEOUT, etag=seen.etag)
    with pytest.raises(PreconditionFailedError):
        await repositories.executions.complete(seen, ExecutionStatus.TIMEOUT)
    found = await repositories.executions.get(ORGANIZATION, ID)

    assert found is not None
    assert (found.status, found.result) == (ExecutionStatus.SUCCESS, {"n": 2})


async def test_equal_rows_are_told_apart(tables: TableStore, repositories: Repositories) -> None:
    """Rows that differ in their keys alone have equal versions: the older is refused all the same."""
    await put(tables, "Entities", run(OLDER))
    (seen,) = await repositories.executions.list(ORGANIZATION)
    await put(tables, "Entities", {**run(OLDER), "RowKey": run(NEWER)["RowKey"]})
    with pytest.raises(PreconditionFailedError):
        await repositories.executions.save_logs(seen, [], etag=seen.etag)

    assert await repositories.executions.set_status(ExecutionRef(ORGANIZATION, ID), ExecutionStatus.CANCELLING)


async def test_repair_sets_the_older_row_aside(tables: TableStore, repositories: Repositories) -> None:
    """It stays, whole, where no reader of executions meets it; the locator names the newer one."""
    await put_twins(tables)
    report = await inner(tables).repair.run(old_application_stopped=True)
    again = await inner(tables).repair.run()
    (row,) = await repositories.legacy_rows.list(ORGANIZATION)

    assert (report.repaired["older rows of executions set aside"], again.repaired) == (1, {})
    assert row.row_key == run(OLDER)["RowKey"]
    assert {"Status": "Running", "ExecutionId": ID}.items() <= row.columns.items()
    assert await repositories.legacy_rows.get(row.id) == row
    aside = (await rows_of(tables.azurite))["Entities", HOME, f"bs-twin:{row.row_key}"]
    assert "ExecutionId" not in aside
    assert [one.status for one in await repositories.executions.list(ORGANIZATION)] == [ExecutionStatus.SUCCESS]


async def test_a_row_of_ours_counts_before_one_that_was_added(tables: TableStore, repositories: Repositories) -> None:
    """What has a locator is the run, to repair too."""
    made = await repositories.executions.create(
        ORGANIZATION, workflow_name="w", executed_by="u", executed_by_name="U", execution_id=ID, started_at=OLDER
    )
    await put(tables, "Entities", run(NEWER, Status="Failed"))
    failed = ExecutionFilter(statuses=[ExecutionStatus.FAILED])
    assert list(await repositories.executions.list(ORGANIZATION, failed)) == []
    await inner(tables).repair.run()

    assert await repositories.executions.get(ORGANIZATION, ID) == made
    assert list(await repositories.executions.list(ORGANIZATION)) == [made]


async def test_delete_leaves_no_older_row_to_come_back(tables: TableStore, repositories: Repositories) -> None:
    """With the newer row the older one goes out of every reader's way."""
    await put_twins(tables)

    assert await repositories.executions.delete(ORGANIZATION, ID)
    assert await repositories.executions.get(ORGANIZATION, ID) is None
    assert list(await repositories.executions.list(ORGANIZATION)) == []
    assert len(await repositories.legacy_rows.list(ORGANIZATION)) == 1


async def create(repositories: Repositories, execution_id: str | None = None) -> Execution:
    return await repositories.executions.create(
        ORGANIZATION, workflow_name="v", executed_by="u", executed_by_name="U", execution_id=execution_id
    )


async def test_an_old_run_is_not_hidden_by_a_creation(tables: TableStore, repositories: Repositories) -> None:
    """A given id is searched for, for one request more; an id of the library's own, or in a marked scope, is not."""
    with count_requests() as own:
        await create(repositories)
    with count_requests() as given:
        await create(repositories, "given")
    await put(tables, "Entities", run(OLDER))
    await put(tables, "Entities", run(OLDER, "broken", WorkflowName=5))
    for id_ in (ID, "broken"):
        with pytest.raises(DocumentExistsError):
            await create(repositories, id_)
    await inner(tables).repair.run(old_application_stopped=True)
    await create(repositories, "first")
    with count_requests() as marked:
        await create(repositories, "second")

    assert (own["table"], given["table"], marked["table"]) == (2, 3, 2)


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ({"StartedAt": None}, {"started_at": OLDER}),
        ({"StartedAt": "yesterday"}, {"started_at": OLDER}),
        ({"Status": None}, {"status": ExecutionStatus.PENDING}),
        ({"Status": ""}, {"status": ExecutionStatus.PENDING}),
        ({"WorkflowName": None}, {"workflow_name": ""}),
        ({"ExecutedBy": None, "ExecutedByName": None}, {"executed_by": "", "executed_by_name": ""}),
        ({"ExecutedByName": None}, {"executed_by_name": "u"}),
        ({"ExecutionId": None}, {"execution_id": ID}),
        ({"InputData": "[1, 2]"}, {"input_data": {}}),
        ({"InputData": 5}, {"input_data": {}}),
        ({"InputData": '{"a": "\\ud83d"}'}, {"input_data": {}}),
        ({"DurationMs": ""}, {"duration_ms": None}),
        ({"ResultInBlob": "True"}, {"result_in_blob": True}),
    ],
)
async def test_what_a_run_can_do_without(
    tables: TableStore, repositories: Repositories, columns: dict[str, Any], expected: dict[str, Any]
) -> None:
    """Lists, filters and a read by id see the same default; a later write keeps what stood in the row."""
    await put(tables, "Entities", run(OLDER, **columns))
    found = await repositories.executions.get(ORGANIZATION, ID)
    assert found is not None
    wheres = [ANY, ExecutionFilter(statuses=[found.status]), ExecutionFilter(workflow=found.workflow_name)]
    wheres += [ExecutionFilter(user=found.executed_by), ExecutionFilter(since=OLDER, until=NEWER)]
    for where in wheres:
        assert list(await repositories.executions.list(ORGANIZATION, where)) == [found]
    report = await inner(tables).repair.run()
    await repositories.executions.complete(found, ExecutionStatus.FAILED)
    stored = (await rows_of(tables.azurite))["Entities", HOME, run(OLDER)["RowKey"]]

    assert expected == {name: getattr(found, name) for name in expected}
    assert report.unreadable == []
    assert stored["InputData"] == columns.get("InputData", "{}")


OLD_ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "role": ("Entities", {"PartitionKey": HOME, "RowKey": "role:r-1", "Name": "Front office"}),
    "organization": ("Entities", {"PartitionKey": "GLOBAL", "RowKey": "org:o-9", "Name": "Mill", "CreatedAt": "soon"}),
    "user": ("Entities", {"PartitionKey": "GLOBAL", "RowKey": "user:kim@x.example"}),
    "form": ("Entities", {"PartitionKey": HOME, "RowKey": "form:f-1", "Name": "N", "LinkedWorkflow": "w", "FormSchema": ""}),
}


async def test_other_kinds_can_do_without(tables: TableStore, repositories: Repositories) -> None:
    """A name is enough for a role; times of creation come from other columns, else from 1970; nobody is made up."""
    for table, row in OLD_ROWS.values():
        await put(tables, table, row)
    await put(tables, "Entities", {"PartitionKey": "GLOBAL", "RowKey": "user:lee", "LastLogin": "2025-10-01T00:00:00"})
    role, organization = await repositories.roles.get(ORGANIZATION, "r-1"), await repositories.organizations.get("o-9")
    user, lee = await repositories.users.get("kim@x.example"), await repositories.users.get("lee")
    form = await repositories.forms.get(ORGANIZATION, "f-1")
    epoch = datetime(1970, 1, 1, tzinfo=UTC)

    assert role is not None
    assert organization is not None
    assert user is not None
    assert form is not None
    assert lee is not None
    assert [(one.created_at, one.updated_at, one.created_by) for one in (role, organization, form)] == [(epoch, epoch, "")] * 3
    assert (user.created_at, user.display_name, user.user_type, user.is_active) == (epoch, "kim", UserType.ORG, True)
    assert lee.created_at == datetime(2025, 10, 1, tzinfo=UTC)
    assert form.form_schema == {"fields": []}


async def test_an_unknown_status_is_named_and_stands_in_nothings_way(tables: TableStore, repositories: Repositories) -> None:
    """It is named with table, keys and column; what needs only the key goes on."""
    await put(tables, "Entities", run(OLDER, Status="Exploded"))
    with pytest.raises(CorruptDocumentError, match=f"row Entities/{HOME}/{run(OLDER)['RowKey']}, column Status"):
        await repositories.executions.get(ORGANIZATION, ID)
    (error,) = (await repositories.executions.list(ORGANIZATION)).unreadable
    assert error.document == ("execution", ORGANIZATION.value, ID)
    with pytest.raises(DocumentExistsError):
        await create(repositories, ID)
    assert await repositories.executions.delete(ORGANIZATION, ID)
    assert list(await repositories.executions.list(ORGANIZATION)) == []


async def test_what_needs_little_of_an_unreadable_run_gets_it(tables: TableStore, repositories: Repositories) -> None:
    """Its status can be asked for, repair gives it a locator, and a delete by the etag of the error removes exactly it."""
    await put(tables, "Entities", run(OLDER, CompletedAt="later", FormId=5))
    report = await inner(tables).repair.run()
    assert await repositories.executions.get_status(ORGANIZATION, ID) is ExecutionStatus.RUNNING
    with pytest.raises(CorruptDocumentError, match=r"column (FormId|CompletedAt)") as caught:
        await repositories.executions.get(ORGANIZATION, ID)
    assert caught.value.etag is not None
    await put(tables, "Entities", run(OLDER, CompletedAt="never", FormId=5))
    with pytest.raises(PreconditionFailedError):
        await repositories.executions.delete(ORGANIZATION, ID, etag=caught.value.etag)

    assert report.repaired["locators added"] == 1
    assert await repositories.executions.delete(ORGANIZATION, ID)
    assert await repositories.executions.get(ORGANIZATION, ID) is None


FLAG = {"PartitionKey": HOME, "RowKey": "config:flag", "Value": "yes", "Type": "bool", "Description": "kept"}


async def test_an_unreadable_value_is_written_over_and_hides_globals(tables: TableStore, repositories: Repositories) -> None:
    """Neither `get` nor `list` falls back past it; `set` keeps what can be read of it, and is one write on top of its state."""
    config = repositories.config
    await config.set(GLOBAL, "flag", True, config_type=ConfigType.BOOL, updated_by="ada")
    await put(tables, "Config", FLAG)
    with pytest.raises(CorruptDocumentError, match=f"row Config/{HOME}/config:flag: column Value"):
        await config.get(ORGANIZATION, "flag")
    page = await config.list(ORGANIZATION)
    assert (list(page), [error.document for error in page.unreadable]) == ([], [("config", ORGANIZATION.value, "flag")])
    (error,) = page.unreadable
    written = await config.set(ORGANIZATION, "flag", False, config_type=ConfigType.BOOL, updated_by="ada", etag=error.etag)

    assert (written.value, written.description, written.record.version.revision) == (False, "kept", 2)
    assert await config.get(ORGANIZATION, "flag") == written


async def test_an_unreadable_value_is_deleted(tables: TableStore, repositories: Repositories) -> None:
    """By its key, or by the etag that its error carries; afterwards it may be made again."""
    for etag in (False, True):
        await put(tables, "Config", FLAG)
        (error,) = (await repositories.config.list(ORGANIZATION)).unreadable
        assert await repositories.config.delete(ORGANIZATION, "flag", etag=error.etag if etag else None)
        assert await tables.backend.get(Key("config", ORGANIZATION, "flag")) is None


async def test_an_unreadable_connection_hides_globals(tables: TableStore, repositories: Repositories) -> None:
    """Its name is taken: GLOBAL's connection of that name does not stand in for it."""
    for scope in (GLOBAL, ORGANIZATION):
        made = await repositories.oauth.create(
            scope, "halo", oauth_flow_type=OAuthFlowType.CLIENT_CREDENTIALS, client_id="c", token_url="t", created_by="ada"
        )
    row = {"PartitionKey": HOME, "RowKey": "config:oauth_halo_metadata", "Value": "{", "Type": "json"}
    await put(tables, "Config", row)
    page = await repositories.oauth.list(ORGANIZATION)

    assert (list(page), len(page.unreadable)) == ([], 1)
    with pytest.raises(DocumentExistsError):
        await repositories.oauth.create(
            ORGANIZATION, "halo", oauth_flow_type=made.oauth_flow_type, client_id="c", token_url="t", created_by="ada"
        )
    assert await repositories.oauth.delete(ORGANIZATION, "halo")
    assert [one.scope for one in await repositories.oauth.list(ORGANIZATION)] == [GLOBAL]


async def test_an_administrator_by_contradiction_is_none_and_is_named(tables: TableStore, repositories: Repositories) -> None:
    """Of two columns that cannot both be right the stricter is believed; repair names the row. So with a revoked key."""
    await put(tables, "Entities", {"PartitionKey": "GLOBAL", "RowKey": "user:kim", "UserType": "ORG", "IsPlatformAdmin": True})
    key = {
        "RowKey": "workflowkey:k-1",
        "WorkflowId": "w",
        "HashedKey": "0" * 64,
        "Revoked": False,
        "RevokedAt": "2025-11-01T00:00:00",
    }
    await put(tables, "Config", {"PartitionKey": "GLOBAL", **key})
    user, api_key = await repositories.users.get("kim"), await repositories.api_keys.get("k-1")
    report = await inner(tables).repair.run()

    assert user is not None
    assert not user.is_platform_admin
    assert api_key is not None
    assert api_key.is_revoked
    assert ["user:kim" in report.contradictions[0], "workflowkey:k-1" in report.contradictions[1]] == [True, True]


async def test_a_permission_is_not_decided_by_leaving_rows_out(tables: TableStore, repositories: Repositories) -> None:
    """One bad time in an assignment, an unreadable user, organization or key: nobody is let in or kept out by it."""
    role = await repositories.roles.create(ORGANIZATION, "r", created_by="ada")
    form = await repositories.forms.create(ORGANIZATION, "f", linked_workflow="w", form_schema={"fields": []}, created_by="ada")
    await repositories.roles.assign_forms(ORGANIZATION, role.id, [form.id], assigned_by="ada")
    row = {"PartitionKey": "GLOBAL", "RowKey": f"userrole:kim:{role.id}", "UserId": "kim", "RoleId": role.id, "AssignedAt": "soon"}
    await put(tables, "Relationships", row)
    await put(tables, "Entities", {"PartitionKey": "GLOBAL", "RowKey": "user:kim", "EntraUserId": "e", "UserType": "Odd"})
    await put(tables, "Entities", {"PartitionKey": "GLOBAL", "RowKey": "org:o-9", "Domain": "x.example", "IsActive": True})
    await put(tables, "Config", {"PartitionKey": "GLOBAL", "RowKey": "workflowkey:k", "WorkflowId": "w", "Revoked": "perhaps"})
    for call in (
        repositories.forms.can_view(ORGANIZATION, "kim", form.id),
        repositories.users.find_by_entra_id("e"),
        repositories.organizations.find_by_domain("x.example"),
        repositories.api_keys.validate("bifrost_key_x", "w"),
    ):
        with pytest.raises(CorruptDocumentError):
            await call
    (mended,) = await repositories.roles.assign_users(ORGANIZATION, role.id, ["kim"], assigned_by="ada")

    assert mended.assigned_by == "ada"
    assert await repositories.forms.can_view(ORGANIZATION, "kim", form.id)


async def test_unreadable_memberships_of_others_are_nobodys(tables: TableStore, repositories: Repositories) -> None:
    """A list that asks about one user names no row of another; an unreadable membership still says where one belongs."""
    for email, organization in (("kim@x.co", "o-1"), ("kim@x.com", "o-2")):
        await repositories.users.create(email)
        row = {"PartitionKey": "GLOBAL", "RowKey": f"orgperm:{organization}:{email}", "UserId": email, "CreatedBy": 5}
        await put(tables, "Relationships", row)
    page = await repositories.users.memberships("kim@x.co")
    user = await repositories.users.get("kim@x.co")

    assert [error.document for error in page.unreadable] == [("membership", "org-o-1", "kim@x.co")]
    assert user is not None
    assert user.scope.value == "org-o-1"
    assert [one.id for one in await repositories.users.list_organization("o-2")] == ["kim@x.com"]


@pytest.mark.parametrize("twin", [True, False])
@pytest.mark.parametrize("anchor", [True, False])
@pytest.mark.parametrize("user_id", ["kim@x.co", "", None, "eve@x.co"])
async def test_memberships_of_a_user_say_what_their_keys_do(
    tables: TableStore, repositories: Repositories, anchor: bool, twin: bool, user_id: str | None
) -> None:
    """Either row suffices, with or without its user; where the one that counts names another user, it is told as damaged."""
    rows: dict[str, str | None] = {"orgperm:o-2:eve@x.co": "eve@x.co", "userperm:eve@x.co:o-2": "eve@x.co"}
    rows |= {"orgperm:o-1:kim@x.co": user_id} if anchor else {}
    rows |= {"userperm:kim@x.co:o-1": user_id} if twin else {}
    for row_key, named in rows.items():
        row = {"PartitionKey": "GLOBAL", "RowKey": row_key, "CreatedBy": "ada"}
        await put(tables, "Relationships", row if named is None else {**row, "UserId": named})
    page = await repositories.users.memberships("kim@x.co")
    told = [one.scope.value for one in page] + [error.document[1] for error in page.unreadable if error.document]

    is_damaged = user_id == "eve@x.co"
    # A lone row of the organization that names another user is only told where that organization's members are listed.
    is_told = twin or (anchor and not is_damaged)
    assert told == (["org-o-1"] if is_told else [])
    assert bool(page.unreadable) == (is_told and is_damaged)
    if anchor and is_damaged:
        assert [("membership", "org-o-1", "kim@x.co")] == [
            error.document for error in (await repositories.users.members("o-1")).unreadable
        ]


ENDS: list[dict[str, Any]] = [
    {"CompletedAt": "2025-03-01T10:30:00", "DurationMs": "100", "Status": "Success"},
    {"CompletedAt": "2025-03-01T12:30:00+02:00", "DurationMs": 100, "Status": "Success"},
    {"CompletedAt": "2025-03-01T10:30:00.5Z", "DurationMs": 100.0, "Status": "Success", "WorkflowName": None},
    {"CompletedAt": datetime(2025, 3, 1, 10, 30, tzinfo=UTC), "DurationMs": "", "Status": "Success"},
    {"CompletedAt": "2025-03-01T11:30:00", "DurationMs": 7, "Status": "Success"},
    {"CompletedAt": "2025-03-02T09:30:00+23:00", "DurationMs": 7, "Status": "Success", "WorkflowName": "far east"},
    {"CompletedAt": "2025-02-28T11:30:00-23:00", "DurationMs": 7, "Status": "Success", "WorkflowName": "far west"},
    {"CompletedAt": "20250301T103000", "DurationMs": 7, "Status": "Success", "WorkflowName": "without dashes"},
    {"CompletedAt": "2025-W09-6T10:30:00", "DurationMs": 7, "Status": "Success", "WorkflowName": "by week"},
    {"CompletedAt": "2025W096 103000", "DurationMs": 7, "Status": "Success", "WorkflowName": "by week"},
    {"CompletedAt": "2025-03-01T10:30:00+01:00", "DurationMs": 7, "Status": "Success"},
    {"CompletedAt": "", "DurationMs": 7, "Status": ""},
    {"CompletedAt": "soon", "DurationMs": 7},
    {"CompletedAt": "2025-03-01T10:30:00", "DurationMs": "long"},
]


async def test_old_runs_are_counted_by_what_they_say(tables: TableStore, repositories: Repositories) -> None:
    """As lists show them: times with offsets, numbers that are texts, defaults, rows of ours that the old application changed."""
    for number, columns in enumerate(ENDS):
        await put(tables, "Entities", run(NEWER, f"old-{number}", **columns))
    for number, lost in enumerate((None, "WorkflowName", "ExecutedBy", "Status")):
        await tables.backend.create(execution(number, status="Success", completedAt="2025-03-01T10:59:59.999999Z", durationMs=100))
        own = inner(tables).account.rows("Entities", "ExecutionId eq @id and RowKey ge 'execution:'", {"id": f"e-{number}"})
        (row,) = [one.properties async for one in own]
        await put(tables, "Entities", {**row, lost or "FormId": None, "DurationMs": 101 + number})
    hour = Range("completedAt", "2025-03-01T10:00:00.000000Z", "2025-03-01T11:00:00.000000Z")
    query, groups = Query("execution", ORGANIZATION, (hour,)), ("status", "workflowName", "executedBy")
    found = await tables.backend.aggregate(query, group_by=groups, sum_of=("durationMs",), histogram_of="durationMs")
    totals = Totals(groups, ("durationMs",), "durationMs")
    totals.add(await joined(tables.backend, query))

    assert found == totals.groups()
    assert {(group.values[1], group.count, *group.sums) for group in found} == {
        ("w", 3, 200),
        ("", 1, 100),
        ("far east", 1, 7),
        ("far west", 1, 7),
        ("without dashes", 1, 7),
        ("by week", 2, 14),
        ("nightly sync", 1, 101),
        ("", 1, 102),
        ("nightly sync", 1, 103),
        ("nightly sync", 1, 104),
    }
