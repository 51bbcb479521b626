"""Small images, whole and otherwise."""

from __future__ import annotations

import struct
import zlib
from typing import Final

SVG_START: Final = b"<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink'"


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """Return one chunk of a PNG, its checksum right."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(size: int = 1) -> bytes:
    """Return a grey square of *size* pixels a side; different sizes are different bytes."""
    header = struct.pack(">IIBBBBB", size, size, 8, 0, 0, 0, 0)
    picture = zlib.compress(b"".join(b"\x00" + b"\x80" * size for _ in range(size)))
    parts = png_chunk(b"IHDR", header), png_chunk(b"IDAT", picture), png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def jpeg(size: int = 1) -> bytes:
    """Return the frame of a JPEG that says it has *size* pixels a side."""

    def segment(marker: int, body: bytes) -> bytes:
        return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body

    frame = struct.pack(">BHHB", 8, size, size, 1) + b"\x01\x11\x00"
    parts = (
        segment(0xE0, b"JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"),
        segment(0xC0, frame),
        segment(0xDA, b"\x01\x01\x00\x00\x3f\x00"),
    )
    return b"\xff\xd8" + b"".join(parts) + b"\x12\x34\xff\x00\x56\xff\xd9"


def svg(inside: bytes = b"<path d='M0 0h16v9z'/>", attributes: bytes = b" width='16' height='9'") -> bytes:
    """Return an SVG with *inside* in it."""
    return SVG_START + attributes + b">" + inside + b"</svg>"


WHOLE: Final = {
    "PNG": (png(), "image/png"),
    "larger PNG": (png(300), "image/png"),
    "JPEG": (jpeg(), "image/jpeg"),
    "JPEG with fill bytes": (jpeg().replace(b"\xff\xc0", b"\xff\xff\xff\xc0"), "image/jpeg"),
    "JPEG with something behind it": (jpeg() + b"\x00" * 10, "image/jpeg"),
    "SVG": (svg(), "image/svg+xml"),
    "empty SVG": (SVG_START + b"/>", "image/svg+xml"),
    "SVG with a declaration, a comment and a style": (
        b"<?xml version='1.0' encoding='UTF-8'?>\n<!-- drawn -->" + svg(b"<style>path { fill: #0066cc }</style><path/>"),
        "image/svg+xml",
    ),
    "SVG in UTF-16": ((svg(b"<title>\xc3\xa9</title>").decode()).encode("utf-16"), "image/svg+xml"),
    "SVG with an editor's own elements": (svg(b"<x:page xmlns:x='http://www.inkscape.org/namespaces/inkscape'/>"), "image/svg+xml"),
    "SVG with links inside it and a picture": (
        svg(b"<use xlink:href='#a'/><image href='data:image/png;base64,iVBORw0KGgo='/><a href='https://x.example'/>"),
        "image/svg+xml",
    ),
}
"""Images that are taken, with their content types."""

_IHDR: Final = png_chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_LAUGHS: Final = b"<!DOCTYPE svg [<!ENTITY a 'ha'><!ENTITY b '&a;&a;&a;&a;'>]>" + svg(b"<title>&b;</title>")

BAD: Final = {
    "nothing": (b"", "image/png"),
    "text": (b"hello", "image/png"),
    "PNG called JPEG": (png(), "image/jpeg"),
    "JPEG called PNG": (jpeg(), "image/png"),
    "PNG called SVG": (png(), "image/svg+xml"),
    "SVG called PNG": (svg(), "image/png"),
    "PNG called GIF": (png(), "image/gif"),
    "PNG of no type": (png(), ""),
    "type in capitals": (png(), "IMAGE/PNG"),
    "type with more behind it": (png(), "image/png; charset=utf-8"),
    "type with a line break": (png(), "image/png\r\nX: y"),
    "PNG signature alone": (_SIGNATURE, "image/png"),
    "PNG cut off": (png()[:-1], "image/png"),
    "PNG cut off between chunks": (png()[:-12], "image/png"),
    "PNG with a changed byte": (png().replace(b"IDATx", b"IDATy"), "image/png"),
    "PNG with something behind it": (png() + b"<script>", "image/png"),
    "PNG without a picture": (_SIGNATURE + _IHDR + png_chunk(b"IEND", b""), "image/png"),
    "PNG without a header": (_SIGNATURE + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b""), "image/png"),
    "PNG without a size": (png(1).replace(_IHDR, png_chunk(b"IHDR", bytes(13))), "image/png"),
    "PNG of an absurd length": (_SIGNATURE + b"\xff\xff\xff\xffIHDR", "image/png"),
    "JPEG signature alone": (b"\xff\xd8\xff", "image/jpeg"),
    "JPEG cut off": (jpeg()[:-1], "image/jpeg"),
    "JPEG without a frame": (b"\xff\xd8\xff\xda\x00\x02\x12\xff\xd9", "image/jpeg"),
    "JPEG without a size": (jpeg(0), "image/jpeg"),
    "JPEG of an absurd length": (b"\xff\xd8\xff\xe0\xff\xff", "image/jpeg"),
    "JPEG of a length that leads back": (b"\xff\xd8\xff\xe0\x00\x00" + jpeg(), "image/jpeg"),
    "JPEG that ends at once": (b"\xff\xd8\xff\xd9", "image/jpeg"),
    "JPEG of today's tests": (b"\xff\xd8\xff\xe0jpgdata", "image/jpeg"),
    "no XML": (b"<svg", "image/svg+xml"),
    "HTML": (b"<html xmlns='http://www.w3.org/1999/xhtml'><svg/></html>", "image/svg+xml"),
    "svg of no namespace": (b"<svg/>", "image/svg+xml"),
    "XML of an unknown encoding": (b"<?xml version='1.0' encoding='utf-7'?>" + svg(), "image/svg+xml"),
    "two roots": (svg() + svg(), "image/svg+xml"),
    "undefined entity": (svg(b"&nbsp;"), "image/svg+xml"),
    "DOCTYPE": (b"<!DOCTYPE svg>" + svg(), "image/svg+xml"),
    "DOCTYPE from elsewhere": (b"<!DOCTYPE svg SYSTEM 'file:///etc/passwd'>" + svg(), "image/svg+xml"),
    "entities": (_LAUGHS, "image/svg+xml"),
    "stylesheet that is a program": (b"<?xml-stylesheet type='text/xsl' href='#x'?>" + svg(), "image/svg+xml"),
    "script": (svg(b"<script>alert(1)</script>"), "image/svg+xml"),
    "script deep inside": (svg(b"<g><g><script href='x.js'/></g></g>"), "image/svg+xml"),
    "script of another namespace": (svg(b"<h:script xmlns:h='http://www.w3.org/1999/xhtml'/>"), "image/svg+xml"),
    "script in capitals": (svg(b"<SCRIPT/>"), "image/svg+xml"),
    "page": (svg(b"<foreignObject><p xmlns='http://www.w3.org/1999/xhtml'/></foreignObject>"), "image/svg+xml"),
    "element of a page": (svg(b"<h:img xmlns:h='http://www.w3.org/1999/xhtml' src='x'/>"), "image/svg+xml"),
    "onload": (svg(attributes=b" onload='alert(1)'"), "image/svg+xml"),
    "onclick in capitals": (svg(b"<path ONCLICK='alert(1)'/>"), "image/svg+xml"),
    "javascript link": (svg(b"<a href='javascript:alert(1)'/>"), "image/svg+xml"),
    "javascript link of the older kind": (svg(b"<a xlink:href='javascript:alert(1)'/>"), "image/svg+xml"),
    "javascript link with blanks": (svg(b"<a href=' &#1;JaVa&#10;Script&#9;:alert(1)'/>"), "image/svg+xml"),
    "javascript link put in later": (svg(b"<a><set attributeName='href' to='javascript:alert(1)'/></a>"), "image/svg+xml"),
    "javascript link among values": (svg(b"<animate attributeName='href' values='#a;javascript:alert(1)'/>"), "image/svg+xml"),
    "link to a page inside it": (svg(b"<a href='data:text/html,&lt;script>alert(1)&lt;/script>'/>"), "image/svg+xml"),
    "drawing inside it": (svg(b"<use href='data:image/svg+xml,&lt;svg/>'/>"), "image/svg+xml"),
}
"""Files that are no logo, with the content types they are given as."""
