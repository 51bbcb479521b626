"""`Call` and `Reply`: a request as the handlers see it, and what they make of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from bifrost_store.emulator.containers.container import Container, PhysicalRange
from bifrost_store.emulator.wire import jsontext
from bifrost_store.emulator.wire.errors import ServiceError, bad_request, too_large
from bifrost_store.emulator.wire.http import Request


@dataclass(slots=True)
class Reply:
    """An answer before the headers that every answer has."""

    status: int
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    charge: float | None = None


class Call:
    """One request, its path taken apart: ``/dbs/d/colls/c/docs/`` is ``["dbs", "d", "colls", "c", "docs"]``.

    Attributes:
        page_items: How many items a page may have at most because a fault says so; None is no limit.
    """

    __slots__ = ("_headers", "page_items", "request", "segments")

    def __init__(self, request: Request) -> None:
        self.request = request
        self.page_items: int | None = None
        self._headers = request.headers
        path = request.target.partition("?")[0]
        self.segments = [unquote(part) if "%" in part else part for part in path.strip("/").split("/") if part]

    @property
    def method(self) -> str:
        """The verb."""
        return self.request.method

    @property
    def kind(self) -> str:
        """The type of the resource in question: ``docs``, ``colls`` …; empty for the account."""
        segments = self.segments
        if not segments:
            return ""
        return segments[-1] if len(segments) % 2 else segments[-2]

    def header(self, name: str, default: str = "") -> str:
        """Return a header's value; the name is in lower case."""
        return self._headers.get(name, default)

    def optional(self, name: str) -> str | None:
        """Return a header's value, None if it is not there."""
        return self._headers.get(name)

    def flag(self, name: str) -> bool:
        """Return whether a header says true."""
        return self._headers.get(name, "").lower() == "true"

    def number(self, name: str) -> int | None:
        """Return the whole number in a header.

        Raises:
            ServiceError: 400; it is none.
        """
        text = self._headers.get(name)
        if text is None:
            return None
        try:
            return int(text)
        except ValueError:
            raise bad_request(f"The value '{text[:100]}' specified for the header '{name}' is invalid.") from None

    def json_object(self) -> dict[str, Any]:
        """Return the object in the body.

        Raises:
            ServiceError: 400 if it is none, 413 if the body is too large.
        """
        return jsontext.load_object(self.body())

    def body(self) -> bytes:
        """Return the body.

        Raises:
            ServiceError: 413; it is too large.
        """
        if self.request.is_body_too_large:
            raise too_large()
        return self.request.body


def feed_body(rid: str, name: str, documents: list[str]) -> str:
    """Return the body of an answer with several documents, which are given as JSON."""
    return f'{{"_rid":{json.dumps(rid)},"{name}":[{",".join(documents)}],"_count":{len(documents)}}}'


def container_headers(container: Container, physical: PhysicalRange | None = None) -> dict[str, str]:
    """Return what every answer about items says of its container; without them the SDK's caches go wrong."""
    lsn = str(container.lsn)
    ranges = container.ranges if physical is None else [physical]
    return {
        "x-ms-session-token": ",".join([container.session_token(each) for each in ranges]),
        "x-ms-documentdb-partitionkeyrangeid": ranges[0].id,
        "x-ms-alt-content-path": container.path,
        "x-ms-content-path": container.resource.rid,
        "lsn": lsn,
        "x-ms-global-committed-lsn": lsn,
        "x-ms-cosmos-llsn": lsn,
    }


def with_container(error: ServiceError, container: Container, physical: PhysicalRange) -> ServiceError:
    """Return an error with what it says of the container: the position of the session, and where the key lies."""
    error.headers.setdefault("x-ms-session-token", container.session_token(physical))
    error.headers.setdefault("x-ms-documentdb-partitionkeyrangeid", physical.id)
    error.headers.setdefault("lsn", str(container.lsn))
    return error
