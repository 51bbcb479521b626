"""Requests by hand: signed as the SDK signs them, over one connection, so that a test may send what the SDK never would."""

from __future__ import annotations

import http.client
import json
import ssl
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Self
from urllib.parse import quote, unquote, urlsplit

from bifrost_store.emulator import CosmosEmulator
from bifrost_store.emulator.wire.auth import Authority, resource_of

QUERY = {"content-type": "application/query+json", "x-ms-documentdb-isquery": "True"}
CROSS = {"x-ms-documentdb-query-enablecrosspartition": "True"}


@dataclass(frozen=True)
class Answer:
    """A status, headers in lower case, and the body."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body's value."""
        return json.loads(self.body)

    @property
    def sub_status(self) -> int:
        """The substatus, 0 if there is none."""
        return int(self.headers.get("x-ms-substatus", "0"))

    @property
    def charge(self) -> float:
        """The request charge."""
        return float(self.headers["x-ms-request-charge"])


class Wire:
    """One connection to an emulator."""

    def __init__(self, emulator: CosmosEmulator, *, key: str | None = None) -> None:
        address = urlsplit(emulator.endpoint)
        host, port = address.hostname or "", address.port
        self._connection = http.client.HTTPConnection(host, port, timeout=20)
        if emulator.ca_certificate:
            context = ssl.create_default_context(cadata=emulator.ca_certificate)
            self._connection = http.client.HTTPSConnection(host, port, timeout=20, context=context)
        self._authority = Authority(key or emulator.key)
        self._key = emulator.key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def send(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None, *, key: Any = None) -> Answer:
        """Send a request; a body that is no bytes goes as JSON, and so does a partition key."""
        segments = [unquote(part) for part in path.partition("?")[0].strip("/").split("/") if part]
        date = formatdate(usegmt=True)
        signature = self._authority.sign(method, *resource_of(segments)[:2], date)
        sent = {"x-ms-date": date, "authorization": quote(f"type=master&ver=1.0&sig={signature}", safe="")}
        if key is not None:
            sent["x-ms-documentdb-partitionkey"] = json.dumps(key)
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        self._connection.request(method, path, data, {**sent, **(headers or {})})
        response = self._connection.getresponse()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, response.read())

    def control(self, method: str, name: str, body: Any = None) -> Answer:
        """Send a request to the control path."""
        data = None if body is None else json.dumps(body).encode()
        self._connection.request(method, f"/_emulator/{name}", data, {"Authorization": f"Bearer {self._key}"})
        response = self._connection.getresponse()
        return Answer(response.status, {key.lower(): value for key, value in response.getheaders()}, response.read())

    def make_container(self, properties: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> str:
        """Make database ``d`` and container ``c``, partitioned by ``/pk``; return the container's path."""
        self.send("POST", "/dbs", {"id": "d"})
        body = {"id": "c", "partitionKey": {"paths": ["/pk"], "kind": "Hash", "version": 2}, **(properties or {})}
        answer = self.send("POST", "/dbs/d/colls", body, headers)
        assert answer.status == 201, answer.body
        return "/dbs/d/colls/c"

    def create(self, item: dict[str, Any], path: str = "/dbs/d/colls/c") -> Answer:
        """Create an item in the container of `make_container`."""
        return self.send("POST", f"{path}/docs", item, key=[item["pk"]] if "pk" in item else [{}])

    def query(self, text: str, parameters: Any = None, headers: dict[str, str] | None = None, *, key: Any = None) -> Answer:
        """Query that container; across partitions without a key."""
        body = {"query": text, "parameters": parameters or []}
        return self.send(
            "POST", "/dbs/d/colls/c/docs", body, {**QUERY, **(CROSS if key is None else {}), **(headers or {})}, key=key
        )
