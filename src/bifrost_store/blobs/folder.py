"""`FolderBlobStore`: blobs as files, beside the SQLite backend."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import re
import uuid
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from anyio import to_thread
from typing_extensions import override

from bifrost_store.blobs.details import DEFAULT_CONTENT_TYPE, Details, details_path, read_details
from bifrost_store.blobs.files import make_folder, write, write_new
from bifrost_store.blobs.links import LinkSigner, address
from bifrost_store.blobs.names import check_names, check_prefix
from bifrost_store.blobs.protocol import CONTAINERS, Blob, BlobInfo, BlobStore, Holder, holder_of
from bifrost_store.errors import AccessDeniedError, BackendError, ConfigurationError, DocumentNotFoundError, StoreError

NAME: Final = "folder"
_PLAIN: Final = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.")
_SPECIAL: Final = re.compile(r"\.|(con|prn|aux|nul|com\d|lpt\d)(\.|\Z)", re.ASCII)
"""Hidden files, and devices of Windows."""
_LONG_NAMES: Final = "+long"
_MAX_PART_BYTES: Final = 200
"""File systems allow 255 in one part; the rest is room for marks."""
_MAX_PATH_BYTES: Final = 600
"""macOS allows 1,024 in a whole path; the rest is room for the root."""
_MEANING: Final[dict[int, tuple[type[StoreError], str]]] = {
    errno.EACCES: (AccessDeniedError, "access was refused; let this process read and write in it"),
    errno.EPERM: (AccessDeniedError, "access was refused; let this process read and write in it"),
    errno.EROFS: (AccessDeniedError, "the file system is read-only; choose another folder"),
    errno.ENOSPC: (BackendError, "the disk is full; free some space"),
    errno.EDQUOT: (BackendError, "the disk quota is used up; free some space"),
    errno.ENOTDIR: (ConfigurationError, "a file is in the way; choose another folder"),
    errno.EEXIST: (ConfigurationError, "a file is in the way; choose another folder"),
    errno.ENAMETOOLONG: (ConfigurationError, "its path is too long; choose a shorter one"),
}


class FolderBlobStore(BlobStore):
    """Blobs in a folder, one file each, as ``<root>/<container>/<folders>/<file>``.

    Readable where it can be, and safe on any file system: ``e-1/result.json`` is the file ``e-1+/result.json``. In each part
    of a name between slashes, all but lower-case ASCII letters, digits and ``-_.`` is written as ``%`` and two hexadecimal
    digits per UTF-8 byte, so that names which differ in case only are different files, and so are a leading dot and the first
    letter of what Windows takes for a device; an empty part is ``%``. Folders end with ``+``, so that the blobs ``a`` and
    ``a/b`` can both be. A name too long for a path is the file ``+long/<SHA-256 of the name>``. Such a name, any content type
    but ``application/octet-stream`` and the owner are kept in a file beside the blob's that ends with ``+details``. Other files
    with a ``+`` were being written when a process died.

    Links are signed with a random key in the file ``+link-key``, which only its owner can read; without it they open no more.

    A blob that was put survives a power cut. Several processes may share the folder.

    Args:
        root: Made, parents included, when something is first stored.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._signer = LinkSigner(root)

    @override
    async def put(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        content_type: str = DEFAULT_CONTENT_TYPE,
        owner: str | None = None,
    ) -> None:
        check_names(container, name)
        await to_thread.run_sync(self._put, container, Blob(name, data, content_type, owner))

    @override
    async def get(self, container: str, name: str) -> bytes | None:
        check_names(container, name)
        return await to_thread.run_sync(self._get, container, name)

    @override
    async def read(self, container: str, name: str) -> Blob | None:
        check_names(container, name)
        return await to_thread.run_sync(self._read, container, name)

    @override
    async def describe(self, container: str, name: str) -> BlobInfo | None:
        check_names(container, name)
        return await to_thread.run_sync(self._describe, container, name)

    @override
    async def copy(self, container: str, source: str, target: str) -> None:
        check_names(container, source, target)
        await to_thread.run_sync(self._copy, container, source, target)

    @override
    async def delete(self, container: str, name: str) -> bool:
        check_names(container, name)
        return await to_thread.run_sync(self._delete, container, name)

    @override
    async def copy_for(self, owner: str, container: str, source: str, target: str, *, over_unknown: bool = False) -> Holder:
        check_names(container, source, target)
        return await to_thread.run_sync(self._copy_for, owner, container, source, target, over_unknown)

    @override
    async def delete_for(self, owner: str, container: str, name: str, *, over_unknown: bool = False) -> Holder:
        check_names(container, name)
        return await to_thread.run_sync(self._delete_for, owner, container, name, over_unknown)

    @override
    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        check_names(container)
        check_prefix(prefix)
        for blob in await to_thread.run_sync(self._list, container, prefix):
            yield blob

    @override
    async def address(self, container: str, name: str) -> str:
        """Return a URL that tells nothing of where the folder lies, so that it stays true wherever the data go."""
        check_names(container, name)
        return address(container, name)

    @override
    async def link(self, container: str, name: str, *, now: datetime, expires_at: datetime) -> str:
        """Return a URL that `read_link` opens; no server does."""
        check_names(container, name)
        return await to_thread.run_sync(self._link, container, name, expires_at)

    @override
    async def read_link(self, container: str, url: str, *, now: datetime) -> Blob | None:
        check_names(container)
        return await to_thread.run_sync(self._read_link, container, url, now)

    @override
    async def provision(self) -> None:
        for container in CONTAINERS:
            await to_thread.run_sync(self._provision, container)

    @override
    async def ping(self) -> str:
        """Return the folder's path, after writing a file in it."""
        await to_thread.run_sync(self._try_out)
        return f"folder {self._root}"

    @override
    async def aclose(self) -> None:
        """Nothing stays open between calls."""

    def _put(self, container: str, blob: Blob) -> None:
        path = self._path(container, blob.name)
        details = self._details(path, blob)
        with self._mapped_errors("put"):
            if details is not None:
                write(details_path(path), details)
            write(path, blob.data)
            if details is None:
                details_path(path).unlink(missing_ok=True)

    def _put_new(self, container: str, blob: Blob) -> bool:
        """Store a blob unless there is one; the details of one that is there are left alone too, so that they come last."""
        path = self._path(container, blob.name)
        details = self._details(path, blob)
        with self._mapped_errors("put"):
            is_new = write_new(path, blob.data)
            if is_new and details is not None:
                write(details_path(path), details)
        return is_new

    def _details(self, path: Path, blob: Blob) -> bytes | None:
        name = blob.name if path.parent.name == _LONG_NAMES else None
        return Details(blob.content_type, blob.owner, name).encode(blob.data)

    def _get(self, container: str, name: str) -> bytes | None:
        with self._mapped_errors("get"):
            try:
                return self._path(container, name).read_bytes()
            except FileNotFoundError:
                return None

    def _read(self, container: str, name: str) -> Blob | None:
        data = self._get(container, name)
        if data is None:
            return None
        details = read_details(self._path(container, name), data)
        return Blob(name, data, details.content_type, details.owner)

    def _describe(self, container: str, name: str) -> BlobInfo | None:
        blob = self._read(container, name)
        return None if blob is None else BlobInfo(name, len(blob.data), blob.content_type, blob.owner)

    def _copy(self, container: str, source: str, target: str) -> None:
        self._put(container, replace(self._source(container, source), name=target))

    def _copy_for(self, owner: str, container: str, source: str, target: str, over_unknown: bool) -> Holder:
        blob = replace(self._source(container, source), name=target, owner=owner)
        while True:
            holder = holder_of(self._describe(container, target), owner)
            if holder is Holder.ANOTHER or (holder is Holder.UNKNOWN and not over_unknown):
                return holder
            if holder is not Holder.NOBODY:
                self._put(container, blob)
                return holder
            # Two who find nothing there must not both write: who comes second looks again.
            if self._put_new(container, blob):
                return holder

    def _source(self, container: str, source: str) -> Blob:
        blob = self._read(container, source)
        if blob is None:
            message = f"blob {source!r} does not exist in container {container}"
            raise DocumentNotFoundError(message, backend=NAME, operation="copy", key=source)
        return blob

    def _delete_for(self, owner: str, container: str, name: str, over_unknown: bool) -> Holder:
        holder = holder_of(self._describe(container, name), owner)
        if holder is Holder.OWNER or (holder is Holder.UNKNOWN and over_unknown):
            self._delete(container, name)
        return holder

    def _delete(self, container: str, name: str) -> bool:
        path = self._path(container, name)
        with self._mapped_errors("delete"):
            try:
                path.unlink()
            except FileNotFoundError:
                return False
            details_path(path).unlink(missing_ok=True)
            _remove_empty_folders(path.parent, self._root / container)
            return True

    def _list(self, container: str, prefix: str) -> Sequence[BlobInfo]:
        top = self._root / container
        folders = _encode_folders(prefix.split("/")[:-1])
        with self._mapped_errors("list"):
            found = [
                _describe(path, status, top)
                for start in (top if _is_too_long(folders) else top.joinpath(*folders), top / _LONG_NAMES)
                for path, status in _files(start)
            ]
        return sorted((blob for blob in found if blob and blob.name.startswith(prefix)), key=lambda blob: blob.name)

    def _link(self, container: str, name: str, expires_at: datetime) -> str:
        with self._mapped_errors("link"):
            return self._signer.link(container, name, expires_at)

    def _read_link(self, container: str, url: str, now: datetime) -> Blob | None:
        with self._mapped_errors("read_link"):
            name = self._signer.check(container, url, now)
        return self._read(container, name)

    def _provision(self, container: str) -> None:
        with self._mapped_errors("provision"):
            make_folder(self._root / container)

    def _try_out(self) -> None:
        with self._mapped_errors("ping"):
            path = self._root / f"+{uuid.uuid4().hex}"
            write(path, b"")
            path.unlink()

    def _path(self, container: str, name: str) -> Path:
        return self._root.joinpath(container, *_parts(name))

    @contextlib.contextmanager
    def _mapped_errors(self, operation: str) -> Generator[None, None, None]:
        try:
            yield
        except OSError as error:
            code = error.errno or 0
            kind, meaning = _MEANING.get(code, (BackendError, "reading or writing failed; check the disk and the file system"))
            name = errno.errorcode.get(code, type(error).__name__)
            raise kind(f"blob folder {str(self._root)!r}: {meaning} ({name})", backend=NAME, operation=operation) from error


def _parts(name: str) -> list[str]:
    """Return the path, inside its container, of the file that holds a blob."""
    *folders, last = name.split("/")
    parts = [*_encode_folders(folders), _encode(last)]
    return [_LONG_NAMES, hashlib.sha256(name.encode()).hexdigest()] if _is_too_long(parts) else parts


def _encode(part: str) -> str:
    text = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in part.encode())
    return f"%{ord(text[0]):02x}{text[1:]}" if _SPECIAL.match(text) else text or "%"


def _encode_folders(parts: list[str]) -> list[str]:
    return [f"{_encode(part)}+" for part in parts]


def _decode(part: str) -> str:
    return unquote(part.removesuffix("+").removesuffix("%"))


def _is_too_long(parts: list[str]) -> bool:
    lengths = [len(part) for part in parts]
    return max(lengths, default=0) > _MAX_PART_BYTES or sum(lengths) + len(lengths) > _MAX_PATH_BYTES


def _describe(path: Path, status: os.stat_result, top: Path) -> BlobInfo | None:
    """Return what a listing tells of the blob in *path*, or None if no blob has that file."""
    parts = path.relative_to(top).parts
    details = read_details(path)
    name = details.name or "" if parts[0] == _LONG_NAMES else "/".join(map(_decode, parts))
    if _parts(name) != list(parts):
        return None
    changed_at = datetime.fromtimestamp(status.st_mtime, UTC)
    return BlobInfo(name, status.st_size, details.content_type, details.owner, changed_at)


def _files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """Yield the files of blobs under *folder* with what the file system says of them; nothing if there is no such folder."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name != _LONG_NAMES:
                yield from _files(folder / entry.name)
        elif "+" not in entry.name:
            with contextlib.suppress(FileNotFoundError):
                yield folder / entry.name, entry.stat()


def _remove_empty_folders(folder: Path, top: Path) -> None:
    with contextlib.suppress(OSError):
        while folder != top:
            folder.rmdir()
            folder = folder.parent
