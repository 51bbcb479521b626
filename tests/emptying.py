"""Empties Azurite by hand: through the SDK that costs as much as the test that follows."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Final

from azure.core.credentials import AzureNamedKeyCredential
from azure.data import tables
from azure.storage import blob

from bifrost_store.backends.table.places import TABLES
from bifrost_store.blobs.protocol import CONTAINERS
from bifrost_store.demo.azurite import Azurite

_TABLES_SPEAK: Final = {"Accept": "application/json;odata=nometadata", "Content-Type": "application/json"}
_BLOBS_SPEAK: Final = {"x-ms-version": "2021-12-02"}
_VALIDITY: Final = timedelta(days=1)


def empty(azurite: Azurite) -> None:
    """Delete every table and every container of blobs."""
    _clear(azurite, tables_wanted=set(), containers_wanted=set())


def provision_anew(azurite: Azurite) -> None:
    """Leave what a store has that was just provisioned: its tables and containers with nothing in them, and no others."""
    _clear(azurite, tables_wanted=set(TABLES), containers_wanted=set(CONTAINERS))


def _clear(azurite: Azurite, *, tables_wanted: set[str], containers_wanted: set[str]) -> None:
    parts = dict(part.split("=", 1) for part in azurite.connection_string.split(";") if part)
    account, key = parts["AccountName"], parts["AccountKey"]
    with closing(_Tables(azurite.table_port, account, _sas_for_tables(account, key), _TABLES_SPEAK)) as service:
        service.leave_only(tables_wanted)
    with closing(_Blobs(azurite.blob_port, account, _sas_for_blobs(account, key), _BLOBS_SPEAK)) as service:
        service.leave_only(containers_wanted)


class _Service:
    """One connection to one service, whose boxes are tables or containers."""

    def __init__(self, port: int, account: str, sas: str, headers: Mapping[str, str]) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=60)
        self._account, self._sas, self._headers = account, sas, dict(headers)

    def close(self) -> None:
        self._connection.close()

    def leave_only(self, wanted: set[str]) -> None:
        """Leave the boxes that are *wanted*, empty, and no others."""
        there = self.names()
        clean = {name for name in there & wanted if self.is_empty(name)}
        for name in there - clean:
            self.delete(name)
        for name in wanted - clean:
            self.create(name)

    def names(self) -> set[str]:
        raise NotImplementedError

    def is_empty(self, name: str) -> bool:
        raise NotImplementedError

    def delete(self, name: str) -> None:
        raise NotImplementedError

    def create(self, name: str) -> None:
        raise NotImplementedError

    def _send(self, method: str, path: str, query: str = "", body: str | None = None) -> str:
        self._connection.request(method, f"/{self._account}/{path}?{query}&{self._sas}", body, self._headers)
        response = self._connection.getresponse()
        answer = response.read().decode()
        assert response.status < 300, (method, path, response.status, answer)
        return answer


class _Tables(_Service):
    def names(self) -> set[str]:
        return {row["TableName"] for row in json.loads(self._send("GET", "Tables"))["value"]}

    def is_empty(self, name: str) -> bool:
        return not json.loads(self._send("GET", f"{name}()", "$top=1&$select=PartitionKey"))["value"]

    def delete(self, name: str) -> None:
        self._send("DELETE", f"Tables('{name}')")

    def create(self, name: str) -> None:
        self._send("POST", "Tables", body=json.dumps({"TableName": name}))


class _Blobs(_Service):
    def names(self) -> set[str]:
        return set(re.findall("<Container><Name>([^<]+)</Name>", self._send("GET", "", "comp=list")))

    def is_empty(self, name: str) -> bool:
        return "<Blob>" not in self._send("GET", name, "restype=container&comp=list&maxresults=1")

    def delete(self, name: str) -> None:
        self._send("DELETE", name, "restype=container")

    def create(self, name: str) -> None:
        self._send("PUT", name, "restype=container")


def _sas_for_tables(account: str, key: str) -> str:
    return tables.generate_account_sas(
        AzureNamedKeyCredential(account, key),
        tables.ResourceTypes(service=True, container=True, object=True),
        tables.AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True),
        datetime.now(UTC) + _VALIDITY,
    )


def _sas_for_blobs(account: str, key: str) -> str:
    return blob.generate_account_sas(
        account,
        key,
        blob.ResourceTypes(service=True, container=True, object=True),
        blob.AccountSasPermissions(read=True, write=True, delete=True, list=True, create=True),
        datetime.now(UTC) + _VALIDITY,
        services=blob.Services(blob=True),
    )
