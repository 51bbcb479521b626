"""Links to blobs: what each store signs, who accepts it, and what becomes of the keys."""

from __future__ import annotations

import base64
import os
import stat
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, patch
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from azure.storage.blob import UserDelegationKey
from azure.storage.blob.aio import BlobServiceClient
from yarl import URL

from bifrost_store.blobs.azure import AzureBlobStore
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.blobs.protocol import UPLOADS, Blob, BlobStore
from bifrost_store.core.meter import count_requests
from bifrost_store.errors import ConfigurationError, InvalidKeyError, InvalidLinkError
from bifrost_store.testing.concurrently import at_once

pytestmark = pytest.mark.anyio

NAMES = ["a", "a b/ü?#%41.png", "%%2F+&=;", "x" * 1024, "🙂" * 250, "'\"<>", " a "]
SECOND = timedelta(seconds=1)


@pytest.fixture
def now() -> datetime:
    """The real moment, which Azurite goes by."""
    return datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def folder(tmp_path: Path) -> FolderBlobStore:
    return FolderBlobStore(tmp_path)


@pytest.fixture
async def azure(azurite: Any) -> AsyncIterator[AzureBlobStore]:
    opened = AzureBlobStore.from_connection_string(azurite.connection_string)
    yield opened
    await opened.aclose()


@pytest.fixture(params=["folder", "azure"])
def store(request: pytest.FixtureRequest) -> BlobStore:
    found: BlobStore = request.getfixturevalue(request.param)
    return found


async def status_of(url: str) -> tuple[int, bytes]:
    """Return what anybody gets who follows a link."""
    async with aiohttp.ClientSession() as session, session.get(URL(url, encoded=True)) as answer:
        return answer.status, await answer.read()


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
async def test_a_blob_is_read_with_its_type_by_name_and_by_link(store: BlobStore, now: datetime, name: str) -> None:
    """Whatever a blob is called, its bytes and its content type come back."""
    await store.put(UPLOADS, name, b"data", content_type="text/x-test")
    url = await store.link(UPLOADS, name, now=now, expires_at=now + timedelta(minutes=5))

    assert await store.read(UPLOADS, name) == Blob(name, b"data", "text/x-test")
    assert await store.read_link(UPLOADS, url, now=now) == Blob(name, b"data", "text/x-test")
    assert url.startswith(await store.address(UPLOADS, name) + "?")
    await store.delete(UPLOADS, name)
    assert await store.read(UPLOADS, name) is None
    assert await store.read_link(UPLOADS, url, now=now) is None


async def test_names_are_checked(store: BlobStore, now: datetime) -> None:
    """A name that would leave its container gets neither address nor link."""
    for name in ("../x", "", "a\\b"):
        with pytest.raises(InvalidKeyError):
            await store.address(UPLOADS, name)
        with pytest.raises(InvalidKeyError):
            await store.link(UPLOADS, name, now=now, expires_at=now + SECOND)
        with pytest.raises(InvalidKeyError):
            await store.read(UPLOADS, name)


async def test_the_type_of_an_untyped_blob(store: BlobStore) -> None:
    """A blob that was put without a type has that of plain bytes."""
    await store.put(UPLOADS, "untyped", b"data")

    assert await store.read(UPLOADS, "untyped") == Blob("untyped", b"data", "application/octet-stream")


async def test_anybody_can_follow_a_sas_link_until_its_time(azure: AzureBlobStore, now: datetime) -> None:
    """Azurite itself gives the file for a good link, and nothing for one that is altered or whose time is over."""
    await azure.put(UPLOADS, "a b.txt", b"data", content_type="text/plain")
    await azure.put(UPLOADS, "c.txt", b"other")
    good = await azure.link(UPLOADS, "a b.txt", now=now, expires_at=now + timedelta(minutes=5))
    an_hour_ago = now - timedelta(hours=1)
    expired = await azure.link(UPLOADS, "a b.txt", now=an_hour_ago, expires_at=an_hour_ago + timedelta(minutes=30))

    assert await status_of(good) == (200, b"data")
    assert (await status_of(expired))[0] == 403
    assert (await status_of(good.replace("a%20b.txt", "c.txt")))[0] == 403
    async with aiohttp.ClientSession() as session, session.delete(URL(good, encoded=True)) as answer:
        assert answer.status == 403
    with pytest.raises(InvalidLinkError) as caught:
        # The library believes the time to be an hour ago; the service knows better.
        await azure.read_link(UPLOADS, expired, now=an_hour_ago)
    assert "sig=" not in str(caught.value)


async def test_a_link_costs_no_request_and_reading_it_one(azure: AzureBlobStore, now: datetime) -> None:
    """An account key signs here; following a link is one request."""
    await azure.put(UPLOADS, "a", b"data")
    with count_requests() as signing:
        url = await azure.link(UPLOADS, "a", now=now, expires_at=now + timedelta(minutes=5))
    with count_requests() as reading:
        await azure.read_link(UPLOADS, url, now=now)

    assert dict(signing) == {}
    assert dict(reading) == {"blob": 1}


class Credential:
    """An identity."""

    async def get_token(self, *scopes: str, **options: Any) -> Any:
        raise AssertionError("nothing is sent")

    async def close(self) -> None:
        """Nothing is open."""


async def test_an_identity_signs_with_a_key_that_the_service_gives(now: datetime) -> None:
    """Without an account key the link names the identity, and one key serves until a link would outlive it."""
    key = UserDelegationKey()  # type: ignore[no-untyped-call]
    key.signed_oid, key.signed_tid = "11111111-1111-1111-1111-111111111111", "22222222-2222-2222-2222-222222222222"
    key.signed_start, key.signed_expiry = "2025-01-01T00:00:00Z", "2025-01-07T00:00:00Z"
    key.signed_service, key.signed_version, key.value = "b", "2025-01-05", base64.b64encode(b"k" * 32).decode()
    store = AzureBlobStore.from_endpoint("https://acct.blob.core.windows.net", Credential())  # type: ignore[arg-type]
    with patch.object(BlobServiceClient, "get_user_delegation_key", AsyncMock(return_value=key)) as asked:
        first = await store.link(UPLOADS, "a.txt", now=now, expires_at=now + timedelta(hours=1))
        await store.link(UPLOADS, "b.txt", now=now + timedelta(hours=1), expires_at=now + timedelta(days=6, hours=1))
        assert asked.await_count == 1
        await store.link(UPLOADS, "b.txt", now=now + timedelta(days=1), expires_at=now + timedelta(days=7))
        assert asked.await_count == 2
    await store.aclose()
    start, expiry = asked.await_args_list[0].args
    parts = urlsplit(first)
    query = parse_qs(parts.query)

    assert start <= now
    assert timedelta(days=6) < expiry - now < timedelta(days=7)
    assert (parts.netloc, parts.path) == ("acct.blob.core.windows.net", "/uploads/a.txt")
    assert (query["skoid"], query["sp"], query["sr"]) == ([key.signed_oid], ["r"], ["b"])
    assert query["se"] == [f"{now + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"]


async def test_a_signature_cannot_sign(now: datetime) -> None:
    """An account that is known by a shared access signature alone gives no links, and its addresses do not show it."""
    text = "BlobEndpoint=https://acct.blob.core.windows.net/;SharedAccessSignature=sv=2025-01-05&sig=s3cr3t"
    store = AzureBlobStore.from_connection_string(text)
    with pytest.raises(ConfigurationError, match="account key") as caught:
        await store.link(UPLOADS, "a", now=now, expires_at=now + SECOND)
    assert "s3cr3t" not in str(caught.value)
    assert await store.address(UPLOADS, "a b") == "https://acct.blob.core.windows.net/uploads/a%20b"
    await store.aclose()


async def test_the_key_of_a_folder_is_its_owners(tmp_path: Path, now: datetime) -> None:
    """The key is made once, random, readable by its owner alone; whoever has the folder opens its links."""
    first, second = FolderBlobStore(tmp_path / "new" / "blobs"), FolderBlobStore(tmp_path / "new" / "blobs")
    await first.put(UPLOADS, "a", b"data")
    links = await at_once(
        6, lambda number: (first, second)[number % 2].link(UPLOADS, "a", now=now, expires_at=now + timedelta(seconds=number + 1))
    )
    path = tmp_path / "new" / "blobs" / "+link-key"

    assert os.name == "nt" or stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(path.read_bytes()) == 32
    for link in links:
        assert isinstance(link, str)
        assert (await second.read_link(UPLOADS, link, now=now)).data == b"data"  # type: ignore[union-attr]
    assert sorted(one.name for one in path.parent.iterdir()) == ["+link-key", "uploads"]
    assert [blob.name async for blob in first.list(UPLOADS)] == ["a"]


async def test_a_link_of_another_folder_opens_nothing(tmp_path: Path, now: datetime) -> None:
    """Two folders do not accept each other's links, nor does one accept its own once its key is gone."""
    mine, other = FolderBlobStore(tmp_path / "mine"), FolderBlobStore(tmp_path / "other")
    for store in (mine, other):
        await store.put(UPLOADS, "a", b"data")
    link = await mine.link(UPLOADS, "a", now=now, expires_at=now + SECOND)
    with pytest.raises(InvalidLinkError):
        await other.read_link(UPLOADS, link, now=now)
    (tmp_path / "mine" / "+link-key").unlink()

    with pytest.raises(InvalidLinkError):
        await mine.read_link(UPLOADS, link, now=now)
