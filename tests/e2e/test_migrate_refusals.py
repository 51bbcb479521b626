"""What an operator does wrong, or what fails under a migration: a clear error, the state saved, and the next step named."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import anyio
import pytest
from azure.data.tables import TableServiceClient

from bifrost_store import GLOBAL, ConfigType, StoreSettings, open_store
from bifrost_store.demo.azurite import Azurite
from bifrost_store.emulator import CosmosEmulator, Options
from tests.commands import Settings, environment
from tests.e2e.calling import run
from tests.e2e.migrating import command, migrate, refusal, settings_of
from tests.e2e.test_cli import DATA

pytestmark = pytest.mark.anyio


@pytest.fixture
def settings(empty_azurite: Azurite, empty_cosmos: CosmosEmulator) -> Settings:
    """Both accounts, the table's with the rows of the demo."""
    made = settings_of(empty_azurite, empty_cosmos)
    run("tables", "load", DATA, settings=made)
    return made


def test_the_wrong_order_is_refused_step_by_step(settings: Settings) -> None:
    """Each refusal names what comes next, and doing that leads to the end."""
    for step in ("backfill", "verify", "cutover", "rollback", "finish"):
        assert "NEXT bifrost-store migrate start" in refusal(step, *_yes(step), settings=settings)
    migrate("start", settings=settings)
    for step in ("verify", "cutover", "rollback", "finish"):
        assert "NEXT bifrost-store migrate backfill" in refusal(step, *_yes(step), settings=settings)
    migrate("backfill", settings=settings)
    assert "NEXT bifrost-store migrate verify" in refusal("cutover", "--yes", settings=settings)
    migrate("verify", settings=settings)
    migrate("cutover", "--yes", settings=settings)
    for step in ("start", "backfill", "abandon", "run"):
        assert "phase cut-over NEXT " in refusal(step, *_yes(step), settings=settings)
    assert "30 days are left to roll back" in refusal("finish", "--yes", settings=settings)
    assert "finished" == migrate("finish", "--force", "--yes", settings=settings | {"BIFROST_STORE_BACKEND": "cosmos"})["phase"]
    assert "cannot be done in phase finished" in refusal("rollback", "--yes", settings=settings)


def _yes(step: str) -> list[str]:
    return ["--yes"] if step in ("cutover", "rollback", "abandon", "finish") else []


def test_twice_changes_nothing(settings: Settings) -> None:
    """Every step may be given again, and says that it holds."""
    for step in ("start", "start", "backfill", "backfill", "verify", "verify", "cutover", "cutover", "rollback", "rollback"):
        assert migrate(step, *_yes(step), settings=settings)["ok"]
        if step == "rollback":
            assert "rolled-back" == migrate("status", settings=settings)["phase"]
    assert "abandoned" == migrate("abandon", "--yes", settings=settings)["phase"]
    assert "abandoned" == migrate("abandon", "--yes", settings=settings)["phase"]
    assert "verified" == migrate("run", settings=settings)["phase"]


def test_a_dry_run_changes_nothing(settings: Settings) -> None:
    """It says what would be done, or why it would be refused."""
    for step in ("start", "run"):
        assert migrate(step, "--dry-run", settings=settings)["plan"]
    assert "none" == migrate("status", settings=settings)["phase"]
    migrate("run", settings=settings)
    assert migrate("cutover", "--dry-run", settings=settings)["plan"]
    assert "verified" == migrate("status", settings=settings)["phase"]


def test_a_cut_over_asks_and_there_is_nobody(settings: Settings) -> None:
    """Without a terminal it wants ``--yes``, and changes nothing."""
    migrate("run", settings=settings)

    assert "--yes" in refusal("cutover", settings=settings)
    assert "verified" == migrate("status", settings=settings)["phase"]


@pytest.mark.parametrize("missing", ["TABLE", "COSMOS"])
def test_both_accounts_must_be_named(settings: Settings, missing: str) -> None:
    """Wrong settings exit with 2 and name the variable."""
    name = f"BIFROST_STORE_{missing}_CONNECTION_STRING"
    rest = {key: value for key, value in settings.items() if key != name}

    assert name in refusal("start", settings=rest, check=2)


def test_a_weak_account_is_refused(empty_azurite: Azurite) -> None:
    """Default consistency below Strong: `start` says so and changes nothing that counts."""
    with CosmosEmulator(options=Options(consistency="Session")) as weak:
        settings = settings_of(empty_azurite, weak)
        run("init", settings=settings)

        assert "default consistency is Session" in refusal("start", settings=settings)
        assert "none" == migrate("status", settings=settings)["phase"]


async def test_a_target_with_data_of_something_else_is_refused(settings: Settings) -> None:
    """Whoever owns these records would be written over."""
    own = StoreSettings.from_environment(settings | {"BIFROST_STORE_BACKEND": "cosmos"})
    async with open_store(own) as store:
        await store.provision()
        await store.config.set(GLOBAL, "foreign", "1", config_type=ConfigType.STRING, updated_by="a@b.example")

    said = await anyio.to_thread.run_sync(lambda: refusal("start", settings=settings))
    assert "hold" in said


async def test_a_half_provisioned_target_is_completed(settings: Settings, empty_cosmos: CosmosEmulator) -> None:
    """What is missing of it is made."""
    from azure.cosmos import CosmosClient

    with CosmosClient.from_connection_string(empty_cosmos.connection_string) as client:
        client.create_database("bifrost")
    report = await anyio.to_thread.run_sync(lambda: migrate("start", settings=settings))

    assert "started" == report["phase"]


def test_wrong_credentials_in_the_middle(settings: Settings) -> None:
    """The phase stops with the reason, and goes on once they are right."""
    migrate("start", settings=settings)
    other = settings["BIFROST_STORE_COSMOS_CONNECTION_STRING"].partition("AccountKey=")[0] + "AccountKey=d3Jvbmc=;"

    said = refusal("backfill", settings=settings | {"BIFROST_STORE_COSMOS_CONNECTION_STRING": other})
    assert "correct the credentials, then bifrost-store migrate backfill" in said
    assert "d3Jvbmc" not in said
    assert "backfilled" == migrate("backfill", settings=settings)["phase"]


def test_an_operator_who_presses_ctrl_c(settings: Settings) -> None:
    """Interrupted at any moment: it says so, exits with 130, and the next run goes to the end."""
    for delay in (0.7, 1.2, 2.0):
        process = subprocess.Popen(
            [*command("run"), "--json"], env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        time.sleep(delay)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate()
        assert process.returncode in (0, 130, -signal.SIGINT), err
        if process.returncode == 130:
            assert "bifrost-store migrate run" in json.loads(out)["next"]
    assert "verified" == migrate("run", settings=settings)["phase"]


def test_two_operators_at_once(settings: Settings) -> None:
    """One at least comes to the end, whoever stops says why, and nothing is lost."""
    both = [
        subprocess.Popen(
            [*command("run"), "--json"], env=environment(settings), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    reports = [json.loads(process.communicate()[0]) for process in both]

    assert any(process.returncode == 0 for process in both), reports
    for report in reports:
        assert report["ok"] or "another operator" in report["error"]["message"], report
    assert "verified" == migrate("run", settings=settings)["phase"]


def test_a_difference_is_found_reported_and_repaired(settings: Settings, tmp_path: Path) -> None:
    """Somebody deleted a document past the library; reports that cannot be written stop the phase, and it goes on elsewhere."""
    from azure.cosmos import CosmosClient

    migrate("run", settings=settings)
    with CosmosClient.from_connection_string(settings["BIFROST_STORE_COSMOS_CONNECTION_STRING"]) as client:
        entities = client.get_database_client("bifrost").get_container_client("entities")
        query = "SELECT * FROM c WHERE c.type = 'role'"
        found = next(iter(entities.query_items(query, enable_cross_partition_query=True)))
        entities.delete_item(found["id"], partition_key=found["scope"])

    assert "--reports" in refusal("verify", "--reports", "/proc/migration", settings=settings)
    report = migrate("verify", "--reports", tmp_path, settings=settings, check=1)
    assert ("backfilled", 1, 1) == (report["phase"], report["only_primary"], report["kinds"]["role"]["only_primary"])
    assert "bifrost-store migrate verify --repair" == report["next"]
    assert [tmp_path] == [Path(file).parent for file in report["differences"]]
    assert "NEXT bifrost-store migrate verify" in refusal("cutover", "--yes", settings=settings)
    assert "verified" == migrate("verify", "--repair", "--reports", tmp_path, settings=settings)["phase"]
    assert 0 == migrate("verify", settings=settings)["only_primary"]


def test_a_disk_that_is_full(settings: Settings, tmp_path: Path) -> None:
    """By the kernel's word, in the midst of a line or of a database: the phase stops, and goes on once there is room."""
    reports = ("--reports", tmp_path / "reports")
    migrate("run", *reports, settings=settings)
    assert "TMPDIR" in refusal("verify", *reports, settings=settings, kilobytes=20)
    assert "TMPDIR" in refusal("verify", *reports, settings=settings, kilobytes=1)
    assert "verified" == migrate("verify", *reports, settings=settings)["phase"]

    broken = {"PartitionKey": "GLOBAL", "Email": "kim@contoso.com", "BsVersion": "rubbish", "BsRevision": "x", "BsBody": "{"}
    rows = [{**broken, "RowKey": f"user:kim-{number}@contoso.com"} for number in range(20)]
    (tmp_path / "rows" / "tables").mkdir(parents=True)
    (tmp_path / "rows" / "tables" / "Entities.jsonl").write_text("\n".join(map(json.dumps, rows)))
    run("tables", "load", tmp_path / "rows", settings=settings)
    assert "--reports" in refusal("backfill", *reports, settings=settings, kilobytes=1)
    left = [json.loads(line)["key"] for line in (tmp_path / "reports" / "rejected-rows.jsonl").read_text().splitlines()]
    assert 0 < len(left) < len(rows)
    done = migrate("backfill", *reports, settings=settings, check=1)
    told = {line["key"]: line["record"] for line in map(json.loads, Path(done["rejected_rows"]).read_text().splitlines())}
    assert (len(rows), len(rows)) == (done["counts"]["unreadable"], len(told))
    assert rows == [told[f"Entities/GLOBAL/{row['RowKey']}"] for row in rows]


def test_the_end_without_table_storage(settings: Settings) -> None:
    """Its account is gone for good: refused, named, and with `--force` done; what is lost is in the plan."""
    own = settings | {"BIFROST_STORE_BACKEND": "cosmos", "BIFROST_STORE_BLOB_CONNECTION_STRING": "UseDevelopmentStorage=true"}
    migrate("run", settings=settings)
    migrate("cutover", "--yes", settings=settings)
    gone = "AccountName=gone;AccountKey=Z29uZQ==;TableEndpoint=http://127.0.0.1:1/gone;"
    own = own | {"BIFROST_STORE_TABLE_CONNECTION_STRING": f"DefaultEndpointsProtocol=http;{gone}"}
    for given in (["finish", "--yes"], ["status"]):
        said = migrate(*given, settings=own, check=1)
        assert "bifrost-store migrate finish --force" in said["next"]
        assert "cut-over" == said["phase"]
    planned = migrate("finish", "--force", "--dry-run", settings=own)
    assert any("nothing can be rolled back" in line for line in planned["plan"])
    done = migrate("finish", "--force", "--yes", settings=own)
    assert ("finished", "table") == (done["phase"], done["given_up"])
    status = migrate("status", settings=own)
    assert (False, False) == (status["stores"]["table"]["ok"], status["stores"]["table"]["is_needed"])
    assert "BIFROST_STORE_BACKEND=cosmos" in status["next"]


def test_dropped_tables_are_made_again(settings: Settings, tmp_path: Path) -> None:
    """After the cut-over everything is in Cosmos DB: what `status` names puts it back, and rolling back loses nothing."""
    migrate("run", settings=settings)
    migrate("cutover", "--yes", settings=settings)
    with TableServiceClient.from_connection_string(settings["BIFROST_STORE_TABLE_CONNECTION_STRING"]) as tables:
        for table in list(tables.list_tables()):
            tables.delete_table(table.name)
    status = migrate("status", settings=settings, check=1)
    assert "tables are missing" in status["stores"]["table"]["problem"]
    assert "bifrost-store migrate verify --repair" in status["next"]
    repaired = migrate("verify", "--repair", "--reports", tmp_path, settings=settings)
    assert repaired["repaired"]
    assert "rolled-back" == migrate("rollback", "--yes", settings=settings)["phase"]
    assert not migrate("verify", settings=settings)["differs"]
