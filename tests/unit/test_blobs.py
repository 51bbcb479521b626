"""Blob stores: one suite over the folder and Azure Blob Storage, then what is special to the folder."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.blobs import folder as folder_module
from bifrost_store.blobs.azure import AzureBlobStore
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.blobs.names import check_names
from bifrost_store.blobs.protocol import BRANDING, CONTAINERS, EXECUTION_DATA, Blob, BlobInfo, BlobStore, Holder
from bifrost_store.errors import (
    BackendError,
    ConfigurationError,
    DocumentNotFoundError,
    InvalidKeyError,
)
from tests.unit.blob_support import names_of, new_container

pytestmark = pytest.mark.anyio

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
    return new_container()


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
