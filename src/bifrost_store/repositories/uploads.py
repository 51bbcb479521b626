"""Uploaded files: blobs, without a record."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final
from uuid import uuid4

from typing_extensions import override

from bifrost_store.blobs.protocol import UPLOADS, Blob, BlobStore
from bifrost_store.core.clock import Clock, as_utc
from bifrost_store.errors import DocumentTooLargeError, InvalidKeyError, InvalidRequestError
from bifrost_store.repositories.checks import check_string
from bifrost_store.repository_protocols.uploads import Link, Upload, UploadContent, Uploads

MAX_FILE_NAME_CHARACTERS: Final = 300
"""What leaves room in a blob's name when each of them has to be written as three."""
MAX_UPLOAD_BYTES: Final = 104_857_600
"""What an Azure Function takes in one request ("Azure Functions HTTP trigger: Limits", Microsoft)."""
MAX_VALID_FOR: Final = timedelta(days=6)
"""An identity signs for seven days at most; the rest is for clocks that disagree."""
_MARK: Final = "%%"
_UNSAFE: Final = re.compile("[/\\\\\x00-\x1f\x7f-\x9f\ufffe\uffff]|\\.\\Z")
_TO_ESCAPE: Final = re.compile("[%/\\\\\x00-\x1f\x7f-\x9f\ufffe\uffff]|\\.\\Z")
_ESCAPED: Final = re.compile("%(?:([0-9A-F]{2})|([EF]))")
_NONCHARACTERS: Final = {"\ufffe": "%E", "\uffff": "%F"}
_NAME: Final = re.compile(r"[0-9a-f]{32}_(?P<file>.+)", re.DOTALL)
_CONTENT_TYPE: Final = re.compile(r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(?:; ?[!-:<-~]{1,200})?", re.ASCII)


class UploadRepository(Uploads):
    """The `Uploads` of a store. See `bifrost_store.protocols.Uploads`.

    Args:
        blobs: Where they are.
        clock: Tells the time.
    """

    def __init__(self, blobs: BlobStore, *, clock: Clock) -> None:
        self._blobs = blobs
        self._clock = clock

    @override
    async def save(self, file_name: str, content: bytes, content_type: str) -> Upload:
        check_string(file_name, "file_name")
        if not 1 <= len(file_name) <= MAX_FILE_NAME_CHARACTERS:
            raise InvalidRequestError(f"file_name: must have 1 to {MAX_FILE_NAME_CHARACTERS} characters, not {len(file_name)}")
        if not isinstance(content, bytes):
            raise InvalidRequestError(f"content: must be bytes, not {type(content).__name__}")
        if len(content) > MAX_UPLOAD_BYTES:
            raise DocumentTooLargeError(f"content: {len(content)} bytes, the limit is {MAX_UPLOAD_BYTES}")
        if not isinstance(content_type, str) or _CONTENT_TYPE.fullmatch(content_type) is None:
            raise InvalidRequestError("content_type: must be type/subtype, maybe with one parameter")
        upload = Upload(f"{uuid4().hex}_{_escape(file_name)}", file_name, content_type, len(content))
        await self._blobs.put(UPLOADS, upload.name, content, content_type=content_type)
        return upload

    @override
    async def read(self, name: str) -> UploadContent | None:
        _check_name(name)
        return _content(await self._blobs.read(UPLOADS, name))

    @override
    async def link(self, name: str, *, valid_for: timedelta) -> Link:
        _check_name(name)
        if not isinstance(valid_for, timedelta) or not timedelta(seconds=1) <= valid_for <= MAX_VALID_FOR:
            raise InvalidRequestError(f"valid_for: must be a timedelta from a second to {MAX_VALID_FOR.days} days")
        now = as_utc(self._clock())
        expires_at = (now + valid_for).replace(microsecond=0)
        return Link(await self._blobs.link(UPLOADS, name, now=now, expires_at=expires_at), expires_at)

    @override
    async def read_link(self, url: str) -> UploadContent | None:
        check_string(url, "url")
        return _content(await self._blobs.read_link(UPLOADS, url, now=self._clock()))


def _content(blob: Blob | None) -> UploadContent | None:
    if blob is None:
        return None
    file_name = _file_name(blob.name)
    return UploadContent(Upload(blob.name, file_name, blob.content_type, len(blob.data)), blob.data)


def _check_name(name: object) -> None:
    if not isinstance(name, str) or _NAME.fullmatch(name) is None:
        raise InvalidKeyError("upload name: must be 32 hexadecimal digits, an underscore and a file name")


def _file_name(name: str) -> str:
    match = _NAME.fullmatch(name)
    return name if match is None else _unescape(match["file"])


def _escape(file_name: str) -> str:
    """Return a file name as it stands in a blob's: what would make a folder or cannot be kept is marked and escaped."""
    if not _UNSAFE.search(file_name) and not file_name.startswith(_MARK):
        return file_name
    return _MARK + _TO_ESCAPE.sub(lambda match: _NONCHARACTERS.get(match[0]) or f"%{ord(match[0]):02X}", file_name)


def _unescape(text: str) -> str:
    if not text.startswith(_MARK):
        return text
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16) if match[1] else 0xFFFE + (match[2] == "F")), text.removeprefix(_MARK))
