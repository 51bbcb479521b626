"""Blob stores: one suite over the folder and Azure Blob Storage, then what is special to each."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import traceback
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import azure.core.exceptions
import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob.aio import BlobClient, BlobServiceClient
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.blobs import folder as folder_module
from bifrost_store.blobs.azure import METERED, AzureBlobStore
from bifrost_store.blobs.errors import Place, map_error
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.blobs.names import check_names
from bifrost_store.blobs.protocol import BRANDING, CONTAINERS, EXECUTION_DATA, Blob, BlobInfo, BlobStore, Holder
from bifrost_store.core.meter import count_requests
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    DocumentNotFoundError,
    DocumentTooLargeError,
    InvalidKeyError,
    InvalidRequestError,
    NotProvisionedError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
    ThrottledError,
)

pytestmark = pytest.mark.anyio
PLACE = Place("acme", "127.0.0.1:10000", "execution-data")

KEEPABLE_NAMES = [
    "a",
    "A",
    "a/b",
    "a/b/c",
    "a.b",
    ".hidden",
    "é",
    "e\u0301",
    "\U0001f600",
    "a b",
    " a",
    "a+b",
    "a+/b",
    "a+details",
    "%41",
    "a%2Fb",
    "a?b=c#d",
    "a:b*c|d<e>f",
    "/a",
    "a//b",
    "a/",
    "//",
    "..a/x",
    "a/...b",
    "nul",
    "x" * 1024,
    "\U0001f600" * 500,
    "y" * 300 + "/" + "z" * 300,
]
REFUSED_NAMES = [
    "",
    "x" * 1025,
    "../x",
    "a/../b",
    "./a",
    "a/..",
    "..",
    ".",
    "a.",
    "a./b",
    "a\\b",
    "a\x00b",
    "\x01",
    "\x7f",
    "\ud800",
]


async def names_of(store: BlobStore, container: str, prefix: str = "") -> list[str]:
    return [blob.name async for blob in store.list(container, prefix)]


@pytest.fixture
async def folder_store(tmp_path: Path) -> AsyncIterator[FolderBlobStore]:
    store = FolderBlobStore(tmp_path / "blobs")
    yield store
    await store.aclose()
    await store.aclose()


@pytest.fixture
async def azure_store(azurite: Any) -> AsyncIterator[AzureBlobStore]:
    store = AzureBlobStore.from_connection_string(azurite.connection_string)
    yield store
    await store.aclose()
    await store.aclose()


@pytest.fixture(params=["folder_store", "azure_store"])
def store(request: pytest.FixtureRequest) -> BlobStore:
    found: BlobStore = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def container() -> str:
    """A container that nobody made yet."""
    return f"test-{uuid.uuid4().hex}"


@pytest.mark.parametrize("store_class", [FolderBlobStore, AzureBlobStore])
def test_is_a_blob_store(store_class: type) -> None:
    """Every method of the protocol is there."""
    assert issubclass(store_class, BlobStore)


class TestEveryStore:
    @pytest.mark.parametrize("size", [0, 1, 70_000])
    async def test_round_trip(self, store: BlobStore, container: str, size: int) -> None:
        """Bytes come back equal, also none; a second put replaces the first. A missing container is made."""
        data = bytes(range(256)) * (size // 256 + 1)
        await store.put(container, "a", b"other")
        await store.put(container, "a", data[:size])

        assert data[:size] == await store.get(container, "a")

    async def test_absent(self, store: BlobStore, container: str) -> None:
        """What is not there is None, deletes as False and lists as nothing, with and without its container."""
        for _ in range(2):
            assert await store.get(container, "a") is None
            assert await store.delete(container, "a") is False
            assert await names_of(store, container, "a") == []
            with pytest.raises(DocumentNotFoundError):
                await store.copy(container, "a", "b")
            await store.put(container, "c", b"")

    async def test_names_stay_apart(self, store: BlobStore, container: str) -> None:
        """Every name that is allowed is a blob of its own, is listed as given, and is deleted alone."""
        for name in KEEPABLE_NAMES:
            await store.put(container, name, name.encode())

        assert sorted(KEEPABLE_NAMES) == sorted(await names_of(store, container))
        for name in KEEPABLE_NAMES:
            assert name.encode() == await store.get(container, name)
            assert name in await names_of(store, container, name)
        first, *others = KEEPABLE_NAMES
        assert await store.delete(container, first)
        assert sorted(others) == sorted(await names_of(store, container))

    @pytest.mark.parametrize("name", REFUSED_NAMES)
    async def test_names_that_cannot_be_kept(self, store: BlobStore, container: str, name: str) -> None:
        """A name that would leave its container or change on its way is refused by every method."""
        calls: list[Callable[[], Any]] = [
            lambda: store.put(container, name, b""),
            lambda: store.get(container, name),
            lambda: store.delete(container, name),
            lambda: store.copy(container, name, "a"),
            lambda: store.describe(container, name),
            lambda: store.copy_for("o", container, name, "a"),
            lambda: store.copy_for("o", container, "a", name),
            lambda: store.delete_for("o", container, name),
            lambda: store.copy(container, "a", name),
        ]
        for call in calls:
            with pytest.raises(InvalidKeyError):
                await call()

    @pytest.mark.parametrize("name", ["", "a", "UPPER", "a--b", "../x", "abc\n", "a/b/c", "x" * 64])
    async def test_container_names(self, store: BlobStore, name: str) -> None:
        """A container's name is checked like a blob's."""
        with pytest.raises(InvalidKeyError):
            await store.put(name, "a", b"")
        with pytest.raises(InvalidKeyError):
            await names_of(store, name)

    async def test_listing(self, store: BlobStore, container: str) -> None:
        """A listing tells name, size and content type, by prefix and in name order."""
        await store.put(container, "e-1/result.json", b"{}")
        await store.put(container, "e-1/logs.json", b"[]\n", content_type="application/json")
        await store.put(container, "e-10/logs.json", b"")
        await store.put(container, "e-1", b"x", content_type="text/plain; charset=utf-8")

        assert await names_of(store, container) == ["e-1", "e-1/logs.json", "e-1/result.json", "e-10/logs.json"]
        assert [
            BlobInfo("e-1/logs.json", 3, "application/json"),
            BlobInfo("e-1/result.json", 2, "application/octet-stream"),
        ] == [blob async for blob in store.list(container, "e-1/")]
        assert await names_of(store, container, "e-1/res") == ["e-1/result.json"]
        assert await names_of(store, container, "E-1") == []
        assert await names_of(store, container, "e-1/result.json/") == []
        with pytest.raises(InvalidKeyError):
            await names_of(store, container, "\ud800")

    async def test_copy_keeps_bytes_and_type(self, store: BlobStore, container: str) -> None:
        """A copy has the source's bytes and content type, replaces its target, and leaves the source."""
        await store.put(container, "a/logo é.png", b"PNG" * 50_000, content_type="image/png")
        await store.put(container, "b", b"old", content_type="text/plain")
        await store.copy(container, "a/logo é.png", "b")
        await store.copy(container, "b", "b")

        assert await store.get(container, "b") == b"PNG" * 50_000
        assert [(blob.name, blob.content_type) async for blob in store.list(container)] == [
            ("a/logo é.png", "image/png"),
            ("b", "image/png"),
        ]

    async def test_a_copy_for_an_owner_replaces_only_its_own(self, store: BlobStore, container: str) -> None:
        """Nobody's name is taken; an owner's copy is replaced and removed for that owner alone, and nobody's only on demand."""
        await store.put(container, "new", b"new", content_type="image/png")
        assert await store.describe(container, "x") is None
        assert await store.delete_for("a", container, "x", over_unknown=True) is Holder.NOBODY
        assert await store.copy_for("a", container, "new", "x") is Holder.NOBODY
        assert await store.describe(container, "x") == BlobInfo("x", 3, "image/png", "a")

        for over_unknown in (False, True):
            assert await store.copy_for("b", container, "new", "x", over_unknown=over_unknown) is Holder.ANOTHER
            assert await store.delete_for("b", container, "x", over_unknown=over_unknown) is Holder.ANOTHER
        await store.put(container, "new", b"newer")
        assert await store.copy_for("a", container, "new", "x") is Holder.OWNER
        assert await store.read(container, "x") == Blob("x", b"newer", "application/octet-stream", "a")
        assert await store.delete_for("a", container, "x") is Holder.OWNER
        assert await store.get(container, "x") is None

    async def test_what_names_no_owner_is_left_alone_unless_told(self, store: BlobStore, container: str) -> None:
        """A blob that another program wrote, also over an owned one with the same bytes, is replaced or removed on demand only."""
        await store.put(container, "new", b"new")
        for data in (b"old", b"new"):
            await store.copy_for("a", container, "new", "x")
            await store.put(container, "x", data)
            for owner in ("a", "b"):
                assert await store.copy_for(owner, container, "new", "x") is Holder.UNKNOWN
                assert await store.delete_for(owner, container, "x") is Holder.UNKNOWN
            assert await store.read(container, "x") == Blob("x", data, "application/octet-stream", None)
            assert await store.copy_for("b", container, "new", "x", over_unknown=True) is Holder.UNKNOWN
            assert [(blob.name, blob.owner) async for blob in store.list(container, "x")] == [("x", "b")]
            await store.put(container, "x", data)
            assert await store.delete_for("b", container, "x", over_unknown=True) is Holder.UNKNOWN
            assert await store.describe(container, "x") is None

    async def test_of_several_owners_at_once_one_takes_a_name(self, store: BlobStore, container: str) -> None:
        """The blob is then the winner's, bytes and owner, and every other was told so."""
        owners = [f"owner-{number}" for number in range(8)]
        for owner in owners:
            await store.put(container, owner, owner.encode())
        held: dict[str, Holder] = {}

        async def take(owner: str) -> None:
            held[owner] = await store.copy_for(owner, container, owner, "x")

        async with anyio.create_task_group() as tasks:
            for owner in owners:
                tasks.start_soon(take, owner)

        (winner,) = [owner for owner in owners if held[owner] is Holder.NOBODY]
        assert await store.read(container, "x") == Blob("x", winner.encode(), "application/octet-stream", winner)
        assert not {Holder.OWNER, Holder.NOBODY} & {held[owner] for owner in owners if owner != winner}

    async def test_a_missing_source_is_not_copied_for_anyone(self, store: BlobStore, container: str) -> None:
        """DocumentNotFoundError, whether the target is there or not."""
        for _ in range(2):
            with pytest.raises(DocumentNotFoundError):
                await store.copy_for("a", container, "missing", "x")
            await store.put(container, "x", b"", owner="a")

    async def test_content_type_is_replaced(self, store: BlobStore, container: str) -> None:
        """A put without a content type resets that of the blob before."""
        await store.put(container, "a", b"1", content_type="image/png")
        await store.put(container, "a", b"2")

        assert [BlobInfo("a", 1, "application/octet-stream")] == [blob async for blob in store.list(container)]

    async def test_concurrent_puts(self, store: BlobStore, container: str) -> None:
        """Readers and the last state see one writer's bytes whole, also while the container is being made."""
        values = [bytes([number]) * 20_000 for number in range(8)]
        seen: list[bytes | None] = []

        async def read() -> None:
            seen.append(await store.get(container, "a"))

        async with anyio.create_task_group() as tasks:
            for value in values:
                tasks.start_soon(store.put, container, "a", value)
                tasks.start_soon(read)

        assert await store.get(container, "a") in values
        assert all(value is None or value in values for value in seen)

    async def test_provision_and_ping(self, store: BlobStore) -> None:
        """Provisioning twice is harmless; then the store answers."""
        await store.provision()
        await store.provision()

        assert all([await names_of(store, container, "no such") == [] for container in CONTAINERS])
        assert "\n" not in await store.ping()


@given(st.text(), st.text())
def test_folder_paths_are_one_to_one(one: str, other: str) -> None:
    """Different names have different paths, also to a file system that ignores letter case, inside the container."""
    paths: list[list[str]] = []
    for name in (one, other):
        try:
            check_names("abc", name)
        except InvalidKeyError:
            return
        parts = folder_module._parts(name)
        paths.append([part.casefold() for part in parts])
        assert all(part.isascii() and part not in (".", "..") and not set(part) & set('/\\:*?"<>|\x00') for part in parts)

    assert (one == other) == (paths[0] == paths[1])


class TestFolder:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / "deep" / "blobs"

    async def test_files_can_be_read_by_people(self, root: Path) -> None:
        """The usual names stand in the folder nearly as they are, and hold just the bytes."""
        await FolderBlobStore(root).put(EXECUTION_DATA, "0b7e-1/result.json", b"{}")

        assert (root / "execution-data" / "0b7e-1+" / "result.json").read_bytes() == b"{}"

    async def test_nothing_is_left_over(self, root: Path) -> None:
        """Deleting the last blob of a folder removes the folder; replacing a blob leaves no temporary file."""
        store = FolderBlobStore(root)
        await store.put(BRANDING, "a/b/c", b"1", content_type="image/png")
        await store.put(BRANDING, "a/b/c", b"2")

        assert [path.name for path in (root / BRANDING / "a+" / "b+").iterdir()] == ["c"]
        await store.delete(BRANDING, "a/b/c")
        assert list((root / BRANDING).iterdir()) == []

    async def test_foreign_files_are_not_listed(self, root: Path) -> None:
        """Files that no put made, and those of a process that died, are no blobs."""
        store = FolderBlobStore(root)
        await store.put(BRANDING, "a", b"", content_type="image/png")
        for name in ("README", ".DS_Store", "%zz", "+0123", "a+details.bak", "x%ff"):
            (root / BRANDING / name).write_text("x")
        (root / BRANDING / "+long").mkdir()
        (root / BRANDING / "+long" / ("0" * 64)).write_text("x")
        for damage in ("{", "[" * 100_000):
            (root / BRANDING / "a+details").write_text(damage)

            assert [BlobInfo("a", 0, "application/octet-stream")] == [blob async for blob in store.list(BRANDING)]

    async def test_a_writer_that_dies_changes_nothing(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Until the new bytes are complete and on disk, readers see the old ones; what was begun is cleaned up."""
        store = FolderBlobStore(root)
        await store.put(BRANDING, "a", b"old")

        def fail(_descriptor: int) -> None:
            raise OSError(5, "quotes a document")

        monkeypatch.setattr("os.fsync", fail)
        with pytest.raises(BackendError, match=r"check the disk.*EIO") as raised:
            await store.put(BRANDING, "a", b"new")

        assert "quotes" not in str(raised.value)
        assert await store.get(BRANDING, "a") == b"old"
        assert [path.name for path in (root / BRANDING).iterdir()] == ["a"]

    async def test_deleting_folders_while_others_write(self, root: Path) -> None:
        """A folder that is emptied and removed while another blob is put into it makes neither call fail."""
        store = FolderBlobStore(root)

        async def churn(name: str) -> None:
            for _ in range(30):
                await store.put(BRANDING, f"x/{name}", b"1")
                assert await store.delete(BRANDING, f"x/{name}")

        async with anyio.create_task_group() as tasks:
            for number in range(4):
                tasks.start_soon(churn, f"{number}")

        assert await names_of(store, BRANDING) == []

    async def test_a_file_in_the_way(self, tmp_path: Path) -> None:
        """A root that is a file is a configuration error naming it."""
        root = tmp_path / "file"
        root.write_text("")
        store = FolderBlobStore(root)
        for call in (store.provision, store.ping):
            with pytest.raises(ConfigurationError, match=f"{root}.*in the way"):
                await call()


@asynccontextmanager
async def service(answer: bytes | None) -> AsyncGenerator[AzureBlobStore, None]:
    """A store whose service gives *answer* to everything; None: it hangs up."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options: dict[str, Any] = {"retry_total": 0, **METERED}
    async with server, BlobServiceClient(f"http://127.0.0.1:{port}/account", **options) as client:
        yield AzureBlobStore(client)


def response(status: int, code: str = "SomeCode", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "content-length: 0", "connection: close", f"x-ms-error-code: {code}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


CUT_SHORT = b"HTTP/1.1 206 X\r\ncontent-length: 9\r\ncontent-range: bytes 0-8/9\r\netag: x\r\n\r\nabc"
KEY = "c2VjcmV0LWtleQ=="


class TestAzure:
    @pytest.mark.parametrize(
        ("status", "code", "expected"),
        [
            (400, "InvalidHeaderValue", InvalidRequestError),
            (401, "NoAuthenticationInformation", AccessDeniedError),
            (403, "AuthorizationFailure", AccessDeniedError),
            (404, "ContainerNotFound", NotProvisionedError),
            (408, "X", BackendTimeoutError),
            (409, "ContainerBeingDeleted", BackendUnavailableError),
            (409, "BlobImmutableDueToPolicy", PreconditionFailedError),
            (412, "LeaseIdMissing", PreconditionFailedError),
            (413, "RequestBodyTooLarge", DocumentTooLargeError),
            (418, "X", BackendError),
            (429, "TooManyRequests", ThrottledError),
            (500, "InternalError", BackendUnavailableError),
            (500, "OperationTimedOut", BackendTimeoutError),
            (502, "X", BackendUnavailableError),
            (503, "ServerBusy", ThrottledError),
            (504, "X", BackendTimeoutError),
            (507, "X", BackendUnavailableError),
        ],
    )
    async def test_statuses(self, status: int, code: str, expected: type[StoreError]) -> None:
        """Each status has its class, the blob's name, and the SDK's error as its cause; what may be done is not told as refused."""
        async with service(response(status, code, retry_after="7")) as store:
            with pytest.raises(StoreError) as raised:
                await store.put("abc", "e-1/x", b"secret")

        error = raised.value
        may_be_done = status == 408 or (status >= 500 and code != "ServerBusy")
        assert (OutcomeUnknownError if may_be_done else expected, "blob", "put", "e-1/x") == (
            type(error),
            error.backend,
            error.operation,
            error.key,
        )
        assert isinstance(error.__cause__, AzureError)
        mapped = map_error(error.__cause__, PLACE)
        assert (expected, 7.0) == (type(mapped), mapped.retry_after_seconds)
        assert "secret" not in str(error)

    @pytest.mark.parametrize("answer", [None, CUT_SHORT])
    async def test_lost_answers(self, answer: bytes | None) -> None:
        """A connection that breaks is retryable, whether before or in the midst of the answer."""
        async with service(answer) as store:
            with pytest.raises(BackendError) as raised:
                await store.get("abc", "a")

        assert raised.value.is_retryable

    async def test_connection_refused(self, unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """A service that cannot be reached is retryable and says what to check."""
        monkeypatch.setattr("bifrost_store.blobs.azure._client_options", lambda: {"retry_total": 0})
        endpoint = f"BlobEndpoint=http://127.0.0.1:{unused_port}/account"
        store = AzureBlobStore.from_connection_string(f"AccountName=account;AccountKey={KEY};{endpoint}")
        with pytest.raises(BackendUnavailableError, match="cannot be reached"):
            await store.get("abc", "a")
        await store.aclose()

    async def test_timeout(self) -> None:
        """A service that does not answer in time is retryable."""
        hang = asyncio.Event()

        async def respond(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await hang.wait()
            writer.close()

        server = await asyncio.start_server(respond, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/account"
        async with server, BlobServiceClient(url, retry_total=0, read_timeout=0.05) as client:
            with pytest.raises(BackendTimeoutError):
                await AzureBlobStore(client).get("abc", "a")
            hang.set()

    def test_every_class_is_mapped(self) -> None:
        """Every exception of azure-core becomes an error of this library."""
        classes = [
            value for value in vars(azure.core.exceptions).values() if isinstance(value, type) and issubclass(value, AzureError)
        ]
        assert len(classes) > 15
        for kind in classes:
            error = kind.__new__(kind)
            AzureError.__init__(error, "x")
            error.__dict__.setdefault("status_code", None)
            assert isinstance(map_error(error, PLACE), BackendError)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "secret",
            "AccountKey=secret",
            "AccountName=account;AccountKey=not base64 secret;EndpointSuffix=core.windows.net",
            "BlobSecondaryEndpoint=https://secret",
            f"AccountName=;AccountKey={KEY}",
        ],
    )
    def test_malformed_connection_strings(self, text: str) -> None:
        """A malformed connection string is a configuration error that shows nothing of it, nor does its cause."""
        with pytest.raises(ConfigurationError, match="malformed") as raised:
            AzureBlobStore.from_connection_string(text)

        assert "secret" not in repr(raised.value)
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__
        assert "secret" not in "".join(traceback.format_exception(raised.value))

    async def test_the_emulators_own_connection_string(self) -> None:
        """The short form that the application's settings use on a developer's machine is understood."""
        await AzureBlobStore.from_connection_string("UseDevelopmentStorage=true").aclose()

    @pytest.mark.parametrize("url", ["", "account", "http://account.blob.core.windows.net", "ftp://x"])
    def test_malformed_endpoints(self, url: str) -> None:
        """A token is only ever sent to an https address."""
        with pytest.raises(ConfigurationError, match="endpoint"):
            AzureBlobStore.from_endpoint(url, Token())

    async def test_a_token_is_used(self) -> None:
        """With an endpoint, requests carry the credential's token, and the credential stays open."""
        token = Token()
        store = AzureBlobStore.from_endpoint("https://127.0.0.1:9/account", token)
        assert "secret" not in repr(store)
        await store.aclose()
        assert not token.is_closed

    async def test_only_an_own_client_is_closed(self) -> None:
        """A client that was passed in stays open."""
        client = BlobServiceClient("http://127.0.0.1:9/account")
        closed: list[bool] = []
        client.close = lambda: closed.append(True)  # type: ignore[method-assign, assignment, return-value]
        await AzureBlobStore(client).aclose()

        assert closed == []

    async def test_counts_requests(self, azurite: Any, container: str) -> None:
        """Every call is one request; making the container on the first put costs two more, one of them about a container."""
        store = AzureBlobStore.from_connection_string(azurite.connection_string)
        counts: list[dict[str, int]] = []
        calls: list[Callable[[], Any]] = [
            lambda: store.put(container, "a", b"1"),
            lambda: store.put(container, "a", b"2"),
            lambda: store.get(container, "a"),
            lambda: store.copy(container, "a", "b"),
            lambda: names_of(store, container),
            lambda: store.delete(container, "a"),
            lambda: store.get(container, "a"),
        ]
        for call in calls:
            with count_requests() as requests:
                await call()
            counts.append(dict(requests))
        await store.aclose()

        assert [{"blob": 2, "blob_metadata": 1}, *[{"blob": 1}] * 6] == counts

    @pytest.mark.parametrize("status", [401, 403, 404, 409])
    async def test_copying_through_here(self, azurite: Any, container: str, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
        """Where the service may not read the source by its address, the bytes pass through the library."""
        store = AzureBlobStore.from_connection_string(azurite.connection_string)
        await store.put(container, "a", b"1", content_type="image/png")

        async def refuse(*_: Any, **__: Any) -> None:
            raise refusal

        refusal = HttpResponseError("no")
        refusal.status_code = status
        monkeypatch.setattr("azure.storage.blob.aio.BlobClient.start_copy_from_url", refuse)
        assert await store.copy_for("o", container, "a", "d") is Holder.NOBODY
        assert await store.copy_for("o", container, "a", "d") is Holder.OWNER
        assert await store.copy_for("p", container, "a", "d") is Holder.ANOTHER
        assert await store.describe(container, "d") == BlobInfo("d", 1, "image/png", "o")
        await store.copy(container, "a", "b")
        with pytest.raises(DocumentNotFoundError):
            await store.copy(container, "c", "b")

        assert BlobInfo("b", 1, "image/png") in [blob async for blob in store.list(container)]
        await store.aclose()

    async def test_pending_copies_are_waited_for(self, azurite: Any, container: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A copy that the service has only begun is complete when copy returns; one that it gave up is an error."""
        store = AzureBlobStore.from_connection_string(azurite.connection_string)
        await store.put(container, "a", b"1")
        start = BlobClient.start_copy_from_url

        async def begin(self: Any, url: str, **options: Any) -> dict[str, Any]:
            return {**await start(self, url, **options), "copy_status": status}

        monkeypatch.setattr("azure.storage.blob.aio.BlobClient.start_copy_from_url", begin)
        status = "pending"
        await store.copy(container, "a", "b")
        status = "aborted"
        with pytest.raises(BackendError, match="gave up"):
            await store.copy(container, "a", "b")
        await store.aclose()

    @pytest.mark.parametrize("package", ["azure.core.exceptions", "azure.storage.blob.aio", "aiohttp"])
    def test_missing_packages_name_the_extra(self, package: str) -> None:
        """Without the SDK, the import fails with the extra to install."""
        program = (
            f"import sys; sys.modules[{package!r}] = None; import bifrost_store.blobs.folder; import bifrost_store.blobs.azure"
        )
        process = subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=False
        )

        assert "MissingDependencyError" in process.stderr
        assert "bifrost-store[table]" in process.stderr


class Token:
    is_closed = False

    async def get_token(self, *_: Any, **__: Any) -> Any:
        raise AssertionError

    async def close(self) -> None:
        self.is_closed = True

    async def __aenter__(self) -> Token:
        return self

    async def __aexit__(self, exc_type: Any = None, exc_value: Any = None, traceback: Any = None) -> None:
        await self.close()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
