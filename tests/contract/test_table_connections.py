"""OAuth connections, integrations and branding as rows of today's layout, side by side with the old application."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from bifrost_store.backends.table.account import Insert, Put, Row
from bifrost_store.blobs.protocol import BRANDING
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import LogoShape, OAuthConnection, OAuthFlowType, OAuthStatus
from bifrost_store.errors import PreconditionFailedError
from bifrost_store.protocols import Logo
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.images import png
from bifrost_store.testing.repositories import Repositories, repositories_over
from tests.contract.harness import TableHarness, TableStore, rows_of
from tests.innermost import innermost

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("table_only")]

ORGANIZATION = Scope.organization("o-1")
METADATA = {
    "oauth_flow_type": "authorization_code",
    "client_id": "graph-client",
    "authorization_url": None,
    "token_url": "https://login.example.com/token",
    "scopes": "User.Read.All,Mail.Read",
    "redirect_uri": "/oauth/callback/graph",
    "status": "completed",
    "updated_at": "2025-10-01T09:07:00.682405",
    "expires_at": "2025-11-20T14:20:00+02:00",
    "last_refresh_at": "2025-10-01T09:08:00",
}
STAMP = {"UpdatedAt": "2025-10-01T09:08:00.845349", "UpdatedBy": "dana@x.example"}


def connection_rows(name: str = "graph", **metadata: Any) -> dict[str, Row]:
    """Return the three rows of a connection as the old application writes them, by part."""

    def row(part: str, value: str, kind: str, description: str) -> Row:
        key = {"PartitionKey": "o-1", "RowKey": f"config:oauth_{name}_{part}"}
        return {**key, "Value": value, "Type": kind, "Description": f"{description} for {name}", **STAMP}

    text = json.dumps({**METADATA, **metadata})
    return {
        "metadata": row("metadata", text, "json", "OAuth metadata"),
        "client_secret": row("client_secret", "bifrost-o-1-secret", "secret_ref", "OAuth client secret"),
        "oauth_response": row("oauth_response", "bifrost-o-1-response", "secret_ref", "OAuth tokens"),
    }


@pytest.fixture
async def table(table_harness: TableHarness, clock: SettableClock) -> AsyncIterator[TableStore]:
    async with table_harness.open_empty(clock) as opened:
        yield opened


@pytest.fixture
def repositories(table: TableStore, clock: SettableClock) -> Repositories:
    return repositories_over(table.backend, table.blobs, clock)


async def insert(table: TableStore, *rows: Row) -> None:
    """Write rows as the old application does."""
    await innermost(table.backend).account.write("Config", [Insert(row) for row in rows])


async def overwrite(table: TableStore, row: Row) -> None:
    """Write over a row as the old application does: what it does not know stays."""
    stored = (await rows_with_ours(table))[row["RowKey"]]
    await innermost(table.backend).account.write("Config", [Put({**stored, **row})])


async def rows_with_ours(table: TableStore) -> dict[str, Row]:
    account = innermost(table.backend).account
    return {row.row_key: dict(row.properties) async for row in account.rows("Config", "", {})}


async def stored_rows(table: TableStore) -> dict[str, dict[str, Any]]:
    """Return the rows that old code sees in Config, by row key."""
    found = await rows_of(table.azurite)
    return {key: row for (name, _, key), row in found.items() if name == "Config" and not key.startswith("bs-")}


async def make(repositories: Repositories, name: str = "graph") -> OAuthConnection:
    return await repositories.oauth.create(
        ORGANIZATION,
        name,
        oauth_flow_type=OAuthFlowType.CLIENT_CREDENTIALS,
        client_id="c",
        token_url="t",
        description="mine",
        created_by="ada",
    )


async def test_todays_rows_are_a_connection(table: TableStore, repositories: Repositories) -> None:
    """Three rows are read as one connection; what they do not keep is None, times with a zone are UTC."""
    await insert(table, *connection_rows().values())
    found = await repositories.oauth.get(ORGANIZATION, "graph")

    assert found is not None
    assert (found.client_secret_ref, found.oauth_response_ref) == ("bifrost-o-1-secret", "bifrost-o-1-response")
    assert (found.status, found.status_message, found.scopes) == (OAuthStatus.COMPLETED, None, "User.Read.All,Mail.Read")
    assert found.expires_at == datetime(2025, 11, 20, 12, 20, tzinfo=UTC)
    assert found.last_refresh_at == datetime(2025, 10, 1, 9, 8, tzinfo=UTC)
    assert (found.created_at, found.created_by, found.description) == (None, None, None)
    assert (found.updated_at, found.updated_by) == (datetime(2025, 10, 1, 9, 8, 0, 845349, tzinfo=UTC), "dana@x.example")
    assert list(await repositories.oauth.list(ORGANIZATION)) == [found]
    assert [key.kind for key in await everything(table.backend)] == ["oauth_connection"]
    assert list(await repositories.config.list(ORGANIZATION)) == []


async def test_a_change_leaves_todays_rows(table: TableStore, repositories: Repositories, clock: SettableClock) -> None:
    """Changed by the library, the rows have today's keys, columns and metadata; unknown members of it travel along."""
    rows = connection_rows(token_type="Bearer", größe=[1, None])
    await insert(table, *rows.values())
    found = await repositories.oauth.get(ORGANIZATION, "graph")
    assert found is not None
    await repositories.oauth.set_status(found, OAuthStatus.FAILED, message="später", updated_by="ada")
    stored = await stored_rows(table)
    now = f"{clock.now:%Y-%m-%dT%H:%M:%S}"
    metadata: dict[str, Any] = {name: METADATA[name] for name in list(METADATA)[:6]}
    metadata |= {"status": "failed", "status_message": "später", "expires_at": "2025-11-20T12:20:00"}
    metadata |= {"last_refresh_at": "2025-10-01T09:08:00", "updated_at": now, "token_type": "Bearer", "größe": [1, None]}

    assert stored == {
        str(row["RowKey"]): {**row, "UpdatedAt": now, "UpdatedBy": "ada"}
        | ({"Value": json.dumps(metadata)} if part == "metadata" else {})
        for part, row in rows.items()
    }


async def test_a_new_connection_has_the_rows_it_needs(table: TableStore, repositories: Repositories, clock: SettableClock) -> None:
    """Rows of secrets are there while there are references; metadata has every name that old code wants, null or not."""
    made = await make(repositories)
    assert list(await stored_rows(table)) == ["config:oauth_graph_metadata"]
    row = (await stored_rows(table))["config:oauth_graph_metadata"]
    assert json.loads(row["Value"]) == {
        "oauth_flow_type": "client_credentials",
        "client_id": "c",
        "authorization_url": None,
        "token_url": "t",
        "scopes": "",
        "redirect_uri": "/oauth/callback/graph",
        "status": "not_connected",
    }
    assert (row["Type"], row["Description"], row["UpdatedBy"]) == ("json", "OAuth metadata for graph", "ada")
    connected = await repositories.oauth.set_tokens(made, oauth_response_ref="t-1", expires_at=None, updated_by="ada")
    both = await repositories.oauth.update(connected, client_secret_ref="s-1", updated_by="ada")
    names = {key: row["Value"] for key, row in (await stored_rows(table)).items() if row["Type"] == "secret_ref"}
    assert names == {"config:oauth_graph_client_secret": "s-1", "config:oauth_graph_oauth_response": "t-1"}
    none = await repositories.oauth.set_tokens(both, oauth_response_ref=None, expires_at=None, updated_by="ada")
    assert sorted(await stored_rows(table)) == ["config:oauth_graph_client_secret", "config:oauth_graph_metadata"]

    await repositories.oauth.update(made, client_secret_ref=None, updated_by="ada", etag=none.etag)
    assert list(await stored_rows(table)) == ["config:oauth_graph_metadata"]
    await repositories.oauth.delete(ORGANIZATION, "graph")
    assert await stored_rows(table) == {}


async def test_old_code_that_writes_a_row_makes_a_new_state(table: TableStore, repositories: Repositories) -> None:
    """After the old application has stored tokens, then metadata, an etag from before fits no more and nothing of ours is lost."""
    made = await make(repositories)
    rows = connection_rows()
    await insert(table, rows["oauth_response"])
    assert await repositories.oauth.get(ORGANIZATION, "graph") == made
    await overwrite(table, rows["metadata"])
    with pytest.raises(PreconditionFailedError):
        await repositories.oauth.delete(ORGANIZATION, "graph", etag=made.etag)
    seen = await repositories.oauth.get(ORGANIZATION, "graph")
    assert seen is not None
    assert (seen.client_id, seen.oauth_response_ref) == ("graph-client", "bifrost-o-1-response")
    assert (seen.created_by, seen.description) == ("ada", "mine")
    both = await repositories.oauth.update(seen, client_secret_ref="s-1", updated_by="ada")
    await overwrite(table, rows["client_secret"])
    await overwrite(table, rows["metadata"])

    with pytest.raises(PreconditionFailedError):
        await repositories.oauth.set_status(both, OAuthStatus.FAILED, updated_by="ada", etag=both.etag)
    again = await repositories.oauth.get(ORGANIZATION, "graph")
    assert again is not None
    assert (again.client_secret_ref, again.oauth_response_ref) == ("bifrost-o-1-secret", "bifrost-o-1-response")


async def test_secrets_without_metadata_are_legacy_rows(table: TableStore, repositories: Repositories) -> None:
    """Rows that a broken delete left behind are no connection and are carried; a new connection of the name does not take them."""
    rows = connection_rows()
    await insert(table, rows["client_secret"], rows["oauth_response"])
    assert await repositories.oauth.get(ORGANIZATION, "graph") is None
    assert list(await repositories.oauth.list(ORGANIZATION)) == []
    assert await repositories.oauth.delete(ORGANIZATION, "graph") is False
    assert {key.kind for key in await everything(table.backend)} == {"legacy_row"}
    made = await make(repositories)

    assert (made.client_secret_ref, made.oauth_response_ref) == (None, None)
    assert await repositories.oauth.get(ORGANIZATION, "graph") == made
    assert list(await repositories.oauth.list(ORGANIZATION)) == [made]
    changed = await repositories.oauth.update(made, client_secret_ref="s-1", updated_by="ada", etag=made.etag)
    assert (changed.client_secret_ref, changed.oauth_response_ref) == ("s-1", None)
    assert await repositories.oauth.get(ORGANIZATION, "graph") == changed
    assert {key.kind for key in await everything(table.backend)} == {"oauth_connection"}


@pytest.mark.parametrize("value", ["", "no JSON", "[]", "null", '"x"', '{"status": NaN}', '{"expires_at": "soon"}', "{}"])
async def test_unreadable_metadata_hides_no_other_connection(table: TableStore, repositories: Repositories, value: str) -> None:
    """Metadata that cannot be read is named by the list, which goes on with the others."""
    await insert(table, {**connection_rows()["metadata"], "Value": value})
    other = await make(repositories, "other")
    found = await repositories.oauth.list(ORGANIZATION)

    assert list(found) == [other]
    assert "graph" in str(found.unreadable[0])


async def test_metadata_that_fills_its_column(table: TableStore, repositories: Repositories) -> None:
    """What old code put into the metadata and no field claims moves to a column of ours when both no longer fit into one."""
    await insert(table, connection_rows(note="n" * 20_000)["metadata"])
    found = await repositories.oauth.get(ORGANIZATION, "graph")
    assert found is not None
    full = await repositories.oauth.update(found, scopes="s" * 20_000, updated_by="ada")
    assert await repositories.oauth.get(ORGANIZATION, "graph") == full
    assert "note" not in json.loads((await stored_rows(table))["config:oauth_graph_metadata"]["Value"])
    short = await repositories.oauth.update(full, scopes="s", updated_by="ada")

    assert json.loads((await stored_rows(table))["config:oauth_graph_metadata"]["Value"])["note"] == "n" * 20_000
    assert await repositories.oauth.get(ORGANIZATION, "graph") == short


async def test_an_integration_is_todays_row(table: TableStore, repositories: Repositories, clock: SettableClock) -> None:
    """An integration has today's key, columns and types."""
    await repositories.integrations.set(ORGANIZATION, "halopsa", enabled=False, settings={"größe": 1}, updated_by="ada")

    assert (await stored_rows(table))["integration:halopsa"] == {
        "PartitionKey": "o-1",
        "RowKey": "integration:halopsa",
        "Type": "halopsa",
        "Enabled": False,
        "Settings": '{"gr\\u00f6\\u00dfe": 1}',
        "UpdatedAt": f"{clock.now:%Y-%m-%dT%H:%M:%S}",
        "UpdatedBy": "ada",
    }


async def test_branding_is_todays_row_and_blobs(table: TableStore, repositories: Repositories, clock: SettableClock) -> None:
    """A branding's key is ``branding`` and nothing more; its addresses lead to the blobs that old code reads."""
    await repositories.branding.set(GLOBAL, primary_color="#0A5", updated_by="ada")
    await repositories.branding.save_logo(GLOBAL, LogoShape.SQUARE, png(), "image/png", updated_by="ada")
    base = f"http://127.0.0.1:{table.azurite.blob_port}/devstoreaccount1/branding/GLOBAL"

    assert await stored_rows(table) == {
        "branding": {
            "PartitionKey": "GLOBAL",
            "RowKey": "branding",
            "SquareLogoUrl": f"{base}/square-logo.png",
            "PrimaryColor": "#0A5",
            "UpdatedAt": f"{clock.now:%Y-%m-%dT%H:%M:%S}",
            "UpdatedBy": "ada",
        }
    }
    blob = await table.blobs.read(BRANDING, "GLOBAL/square-logo.png")
    assert blob is not None
    assert (blob.data, blob.content_type) == (png(), "image/png")


async def test_a_logo_that_old_code_saved_over_ours_is_read(table: TableStore, repositories: Repositories) -> None:
    """Where the old application wrote last its blob is the logo, be it under the same name or another."""
    for extension, content_type in (("png", "image/png"), ("jpg", "image/jpeg")):
        await repositories.branding.save_logo(ORGANIZATION, LogoShape.SQUARE, png(), "image/png", updated_by="ada")
        url = f"http://127.0.0.1:1/devstoreaccount1/branding/o-1/square-logo.{extension}"
        await table.blobs.put(BRANDING, f"o-1/square-logo.{extension}", b"theirs", content_type=content_type)
        await overwrite(table, {"PartitionKey": "o-1", "RowKey": "branding", "SquareLogoUrl": url, "UpdatedBy": extension})

        assert await repositories.branding.read_logo(ORGANIZATION, LogoShape.SQUARE) == Logo(b"theirs", content_type)
        assert (await repositories.branding.get(ORGANIZATION)).updated_by == extension


async def test_keys_that_begin_like_branding_are_no_branding(table: TableStore, repositories: Repositories) -> None:
    """Only the key ``branding`` itself is a branding; others are legacy rows."""
    for key in ("branding:", "branding:logo", "branding ", "Branding", "branding2"):
        await insert(table, {"PartitionKey": "o-1", "RowKey": key, "PrimaryColor": "#123"})

    assert (await repositories.branding.get(ORGANIZATION)).updated_by == "system"
    assert {key.kind for key in await everything(table.backend)} == {"legacy_row"}
