"""Which bytes are a logo: a whole PNG or JPEG, or an SVG in which nothing runs."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Final
from xml.parsers import expat

from bifrost_store.errors import DocumentTooLargeError, InvalidRequestError

MAX_LOGO_BYTES: Final = 1_048_576
"""Every page shows a logo, and a function holds it in memory each time it is asked for."""
EXTENSIONS: Final[Mapping[str, str]] = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}
"""Content type to file name extension, as today's blobs have them."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN: Final = 0xDA
_STANDALONE: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_FRAMES: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers that give a picture's size (ITU-T T.81, table B.1)."""
_SVG: Final = "http://www.w3.org/2000/svg"
_RUNNING: Final = frozenset({"script", "foreignobject", "handler", "iframe", "embed", "object"})
"""Elements in which a browser runs something, or which let pages in."""
_XHTML: Final = "http://www.w3.org/1999/xhtml"
_BLANKS: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u200b\u2028\u2029\ufeff]")
_RUNNING_LINK: Final = re.compile(r"(?:java|vb)script:|data:(?!image/(?:png|jpeg|gif|webp)[;,])")


def check_logo(content: object, content_type: object) -> str:
    """Return the extension of a logo's file name.

    Raises:
        InvalidRequestError: *content* is not an image of *content_type*; the message says what is wrong with it.
        DocumentTooLargeError: It has more than `MAX_LOGO_BYTES`.
    """
    if not isinstance(content_type, str) or content_type not in EXTENSIONS:
        raise InvalidRequestError(f"content_type: must be one of {', '.join(EXTENSIONS)}")
    if not isinstance(content, bytes):
        raise InvalidRequestError(f"content: must be bytes, not {type(content).__name__}")
    if len(content) > MAX_LOGO_BYTES:
        raise DocumentTooLargeError(f"content: {len(content)} bytes, the limit for a logo is {MAX_LOGO_BYTES}")
    try:
        _CHECKS[content_type](content)
    except (ValueError, expat.ExpatError, LookupError) as error:
        # The parser's own words may quote the content.
        reason = str(error) if type(error) is ValueError else "not well-formed XML"
        raise InvalidRequestError(f"content: is no logo of type {content_type}: {reason}") from None
    return EXTENSIONS[content_type]


def _check_png(data: bytes) -> None:
    if not data.startswith(_PNG):
        raise ValueError("it does not begin like a PNG")
    kinds: list[bytes] = []
    for kind, body in _png_chunks(data):
        if not kinds and (kind != b"IHDR" or len(body) != 13 or not any(body[:4]) or not any(body[4:8])):
            raise ValueError("its header gives no size")
        kinds.append(kind)
    if b"IDAT" not in kinds or kinds[-1] != b"IEND":
        raise ValueError("it is not whole")


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    position = len(_PNG)
    while position < len(data):
        length = int.from_bytes(data[position : position + 4])
        kind, end = data[position + 4 : position + 8], position + 8 + length
        if int.from_bytes(data[end : end + 4]) != zlib.crc32(data[position + 4 : end]) or end + 4 > len(data):
            raise ValueError("it is damaged or cut off")
        yield kind, data[position + 8 : end]
        position = end + 4
        if kind == b"IEND" and position != len(data):
            raise ValueError("something follows its end")


def _check_jpeg(data: bytes) -> None:
    if not data.startswith(b"\xff\xd8\xff"):
        raise ValueError("it does not begin like a JPEG")
    has_size = False
    for marker, body in _jpeg_segments(data):
        if marker in _FRAMES:
            has_size = len(body) > 5 and any(body[1:3]) and any(body[3:5])
    if not has_size:
        raise ValueError("it gives no size")


def _jpeg_segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield what stands before the picture itself, which must have an end."""
    position, marker = 2, 0
    while marker != _START_OF_SCAN:
        marker = int.from_bytes(data[position + 1 : position + 2])
        if data[position : position + 1] != b"\xff" or marker in (0x00, 0xD9):
            raise ValueError("it is damaged or cut off")
        position += 1 if marker == 0xFF else 2
        if marker == 0xFF or marker in _STANDALONE:
            continue
        length = int.from_bytes(data[position : position + 2])
        if length < 2 or position + length > len(data):
            raise ValueError("it is damaged or cut off")
        yield marker, data[position + 2 : position + length]
        position += length
    if data.find(b"\xff\xd9", position) < 0:
        raise ValueError("it is not whole")


def _check_svg(data: bytes) -> None:
    parser = expat.ParserCreate(namespace_separator=" ")
    depth = 0

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        namespace, _, local = name.rpartition(" ")
        if depth == 0 and (namespace, local) != (_SVG, "svg"):
            raise ValueError("its root is not svg in the namespace of SVG")
        depth += 1
        if local.casefold() in _RUNNING or namespace == _XHTML:
            raise ValueError("it holds an element that can run something")
        for attribute, value in attributes.items():
            if attribute.rpartition(" ")[2].casefold().startswith("on"):
                raise ValueError("it holds an on... attribute")
            if _RUNNING_LINK.search(_BLANKS.sub("", value).casefold()):
                raise ValueError("it holds a link that can run something")

    parser.StartElementHandler = start
    parser.StartDoctypeDeclHandler = _refuse("it has a DOCTYPE")
    parser.ProcessingInstructionHandler = _refuse("it has a processing instruction")
    parser.Parse(data, True)


def _refuse(reason: str) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise ValueError(reason)

    return refuse


_CHECKS: Final[Mapping[str, Callable[[bytes], None]]] = {
    "image/png": _check_png,
    "image/jpeg": _check_jpeg,
    "image/svg+xml": _check_svg,
}
