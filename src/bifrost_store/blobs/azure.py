"""`AzureBlobStore`: blobs in an Azure storage account, or in Azurite."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import anyio
from typing_extensions import override

# First, because it names the extra to install where the SDK is missing.
from bifrost_store.blobs.protocol import BlobStore

from bifrost_store.blobs.errors import NAME, Place, error_code, mapped_errors, mapped_write_errors, noting  # isort: skip
from azure.core import MatchConditions
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceModifiedError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob import BlobProperties, ContentSettings
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ExponentialRetry

from bifrost_store.blobs.names import check_names, check_prefix
from bifrost_store.blobs.protocol import CONTAINERS, LINK_REFUSED, Blob, BlobInfo, Holder, holder_of
from bifrost_store.blobs.sas import SasSigner, check_sas
from bifrost_store.core.attempts import Sendings, current_sendings
from bifrost_store.core.http_meter import metered
from bifrost_store.core.proxies import transport_options
from bifrost_store.errors import BackendError, ConfigurationError, DocumentNotFoundError, InvalidLinkError, PreconditionFailedError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_PORTS: Final = {"http": 80, "https": 443}
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 1.0
_SOURCE_REFUSED: Final = (401, 403, 404, 409)
"""Or the source is missing, or the target locked; the attempt to pass the bytes through here tells which."""
_OWNER: Final = "bifroststoreowner"
"""Metadata of a blob: whose it is. Whoever else writes the blob leaves it out."""
_CHANGED: Final = frozenset({"BlobAlreadyExists", "ConditionNotMet", "TargetConditionNotMet"})
_MAX_RACES: Final = 5
_UNCONDITIONAL: Final[Mapping[str, Any]] = {}
_IF_MISSING: Final[Mapping[str, Any]] = {"match_condition": MatchConditions.IfMissing}
_LINK_REFUSED: Final = (400, 401, 403)
_NO_ENDPOINT: Final = "the endpoint for Azure Blob Storage must read https://<account>.blob.core.windows.net"
_MALFORMED: Final = "the connection string for Azure Blob Storage is malformed; copy it from the storage account's access keys"


def _what(request: Any) -> str:
    query = request.http_request.query
    is_metadata = query.get("restype") is not None and query.get("comp") != "list"
    return "blob_metadata" if is_metadata else "blob"


METERED: Final[Mapping[str, Any]] = metered(_what)
"""Options of a client whose requests are counted."""


class AzureBlobStore(BlobStore):
    """A `BlobStore` in an Azure storage account. Each call is one request, unless a blob exceeds 32 MiB.

    Args:
        client: For the account; whoever made it closes it. For requests to be counted it must have been made with
            ``**METERED``, as `from_connection_string` and `from_endpoint` do.
    """

    def __init__(self, client: BlobServiceClient) -> None:
        self._client = client
        self._owns_client = False
        address = urlsplit(client.url)
        port = address.port or _PORTS[address.scheme]
        self._place = Place(str(client.account_name), f"{address.hostname}:{port}")
        self._signer = SasSigner(client)

    @classmethod
    def from_connection_string(cls, connection_string: str) -> Self:
        """Return a store with a client of its own.

        Raises:
            ConfigurationError: The connection string is malformed. It is never shown.
        """
        try:
            client = BlobServiceClient.from_connection_string(connection_string, **_client_options())
            _check_account(client)
        except ValueError:
            raise ConfigurationError(_MALFORMED, backend=NAME) from None
        return cls._owning(client)

    @classmethod
    def from_endpoint(cls, url: str, credential: AsyncTokenCredential) -> Self:
        """Return a store with a client of its own, for ``https://<account>.blob.core.windows.net``.

        Args:
            url: Of the account's blob service.
            credential: Stays the caller's to close.

        Raises:
            ConfigurationError: *url* is no https address.
        """
        try:
            parts = urlsplit(url)
            if parts.scheme != "https" or not parts.hostname:
                raise ValueError
            client = BlobServiceClient(url, credential, **_client_options())
        except ValueError:
            raise ConfigurationError(_NO_ENDPOINT, backend=NAME) from None
        return cls._owning(client)

    @classmethod
    def _owning(cls, client: BlobServiceClient) -> Self:
        store = cls(client)
        store._owns_client = True
        return store

    @override
    async def put(
        self,
        container: str,
        name: str,
        data: bytes,
        *,
        content_type: str = "application/octet-stream",
        owner: str | None = None,
    ) -> None:
        check_names(container, name)
        blob = Blob(name, data, content_type, owner)
        with mapped_write_errors(self._at(container), "put", name):
            try:
                await self._upload(container, blob)
            except ResourceNotFoundError:
                await self._create_container(container)
                await self._upload(container, blob)

    @override
    async def get(self, container: str, name: str) -> bytes | None:
        blob = await self.read(container, name)
        return None if blob is None else blob.data

    @override
    async def read(self, container: str, name: str) -> Blob | None:
        check_names(container, name)
        with mapped_errors(self._at(container), "get", name):
            return await _download(self._blob(container, name))

    @override
    async def describe(self, container: str, name: str) -> BlobInfo | None:
        check_names(container, name)
        with mapped_errors(self._at(container), "describe", name):
            found = await self._properties(container, name)
            return None if found is None else _info(found)

    @override
    async def copy(self, container: str, source: str, target: str) -> None:
        """Copy inside the service: one request. Where it may not read the source by address, the bytes pass through here."""
        check_names(container, source, target)
        with mapped_write_errors(self._at(container), "copy", source):
            await self._copy(container, source, target, None, _UNCONDITIONAL)

    @override
    async def delete(self, container: str, name: str) -> bool:
        check_names(container, name)
        with mapped_write_errors(self._at(container), "delete", name) as sendings:
            try:
                await self._blob(container, name).delete_blob(delete_snapshots="include", **noting())
            except ResourceNotFoundError:
                return sendings.is_unknown  # then it most likely was our own earlier sending that removed it
            return True

    @override
    async def copy_for(self, owner: str, container: str, source: str, target: str, *, over_unknown: bool = False) -> Holder:
        """Copy as in `copy`; a target that exists is looked at first, which costs two requests more."""
        check_names(container, source, target)

        async def write(condition: Mapping[str, Any]) -> None:
            await self._copy(container, source, target, owner, condition)

        with mapped_write_errors(self._at(container), "copy", source):
            for _ in range(_MAX_RACES):
                if await _is_met(write(_IF_MISSING)):
                    return Holder.NOBODY
                holder = await self._over(owner, container, target, write, over_unknown=over_unknown)
                if holder is not None and holder is not Holder.NOBODY:
                    return holder
            raise _always_changed(target)

    @override
    async def delete_for(self, owner: str, container: str, name: str, *, over_unknown: bool = False) -> Holder:
        check_names(container, name)

        async def remove(condition: Mapping[str, Any]) -> None:
            with suppress(ResourceNotFoundError):
                await self._blob(container, name).delete_blob(delete_snapshots="include", **condition, **noting())

        with mapped_write_errors(self._at(container), "delete", name):
            for _ in range(_MAX_RACES):
                holder = await self._over(owner, container, name, remove, over_unknown=over_unknown)
                if holder is not None:
                    return holder
            raise _always_changed(name)

    async def _over(
        self,
        owner: str,
        container: str,
        name: str,
        change: Callable[[Mapping[str, Any]], Awaitable[None]],
        *,
        over_unknown: bool,
    ) -> Holder | None:
        """Return who holds a blob, after *change* of exactly what was seen if *owner* may; None if it was changed meanwhile."""
        found = await self._properties(container, name)
        holder = holder_of(None if found is None else _info(found), owner)
        if found is not None and (holder is Holder.OWNER or (holder is Holder.UNKNOWN and over_unknown)):
            condition = {"etag": found.etag, "match_condition": MatchConditions.IfNotModified}
            return holder if await _is_met(change(condition)) else None
        return holder

    @override
    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        check_names(container)
        check_prefix(prefix)
        with mapped_errors(self._at(container), "list"):
            try:
                listed = self._client.get_container_client(container)
                async for blob in listed.list_blobs(name_starts_with=prefix or None, include=["metadata"]):
                    yield _info(blob)
            except ResourceNotFoundError:
                return

    @override
    async def address(self, container: str, name: str) -> str:
        check_names(container, name)
        return _without_query(self._blob(container, name).url)

    @override
    async def link(self, container: str, name: str, *, now: datetime, expires_at: datetime) -> str:
        """Return a SAS URL for reading: no request with an account key, now and then one with an identity."""
        check_names(container, name)
        with mapped_errors(self._at(container), "link", name):
            token = await self._signer.token(container, name, now, expires_at)
        return f"{_without_query(self._blob(container, name).url)}?{token}"

    @override
    async def read_link(self, container: str, url: str, *, now: datetime) -> Blob | None:
        """Read with nothing but the link, as whoever was given it would: the service decides, by its own clock too."""
        check_names(container)
        with mapped_errors(self._at(container), "read_link"):
            base = f"{_without_query(self._client.url).rstrip('/')}/{container}/"
            name, token = check_sas(base, url, now)
            linked = f"{_without_query(self._blob(container, name).url)}?{token}"
            async with BlobClient.from_blob_url(linked, **_client_options()) as blob:
                try:
                    return await _download(blob)
                except HttpResponseError as error:
                    if error.status_code not in _LINK_REFUSED:
                        raise
                    raise InvalidLinkError(LINK_REFUSED, backend=NAME) from error

    @override
    async def provision(self) -> None:
        with mapped_errors(self._place, "provision"):
            for container in CONTAINERS:
                await self._create_container(container)

    @override
    async def ping(self) -> str:
        """Return the account's name, after asking whether the container of payloads exists."""
        with mapped_errors(self._at(CONTAINERS[0]), "ping"):
            await self._client.get_container_client(CONTAINERS[0]).get_container_properties()
        return f"Azure Blob Storage, account {self._client.account_name}"

    @override
    async def aclose(self) -> None:
        if self._owns_client:
            await self._client.close()

    def _at(self, container: str) -> Place:
        return replace(self._place, container=container)

    def _blob(self, container: str, name: str) -> BlobClient:
        return self._client.get_blob_client(container, name)

    async def _properties(self, container: str, name: str) -> BlobProperties | None:
        try:
            return await self._blob(container, name).get_blob_properties()
        except ResourceNotFoundError:
            return None

    async def _upload(self, container: str, blob: Blob, condition: Mapping[str, Any] = _UNCONDITIONAL) -> None:
        settings = ContentSettings(content_type=blob.content_type)
        client = self._blob(container, blob.name)
        is_new = condition is _IF_MISSING  # Said to the SDK by its own argument.
        options = {**_metadata(blob.owner), **({} if is_new else condition)}
        await client.upload_blob(blob.data, overwrite=not is_new, content_settings=settings, **options, **noting())

    async def _copy(self, container: str, source: str, target: str, owner: str | None, condition: Mapping[str, Any]) -> None:
        target_blob = self._blob(container, target)
        try:
            url = self._blob(container, source).url
            answer = await target_blob.start_copy_from_url(url, **_metadata(owner), **condition, **noting())
        except HttpResponseError as error:
            if error.status_code not in _SOURCE_REFUSED or error_code(error) in _CHANGED:
                raise
            await self._copy_through_here(container, source, target, owner, condition)
        else:
            await _wait_for_copy(target_blob, str(answer["copy_status"]))

    async def _copy_through_here(
        self, container: str, source: str, target: str, owner: str | None, condition: Mapping[str, Any]
    ) -> None:
        blob = await _download(self._blob(container, source))
        if blob is None:
            raise DocumentNotFoundError(f"blob {source!r} does not exist in container {container}", backend=NAME)
        await self._upload(container, replace(blob, name=target, owner=owner or blob.owner), condition)

    async def _create_container(self, container: str) -> None:
        try:
            await self._client.get_container_client(container).create_container()
        except ResourceExistsError as error:
            if error_code(error) != "ContainerAlreadyExists":
                raise


async def _download(client: BlobClient) -> Blob | None:
    try:
        download = await client.download_blob()
        info = _info(download.properties)
        return Blob(client.blob_name, await download.readall(), info.content_type, info.owner)
    except ResourceNotFoundError:
        return None


def _info(found: BlobProperties) -> BlobInfo:
    owner = (found.metadata or {}).get(_OWNER)
    return BlobInfo(found.name, found.size, str(found.content_settings.content_type or ""), owner, found.last_modified)


def _metadata(owner: str | None) -> dict[str, Any]:
    return {} if owner is None else {"metadata": {_OWNER: owner}}


async def _is_met(change: Awaitable[None]) -> bool:
    """Return whether the condition of *change* held, after it was made."""
    try:
        await change
    except (ResourceExistsError, ResourceModifiedError) as error:
        if error_code(error) not in _CHANGED:
            raise
        return False
    return True


def _always_changed(name: str) -> PreconditionFailedError:
    return PreconditionFailedError(f"blob {name!r} keeps being changed by others; try again", backend=NAME)


def _without_query(url: str) -> str:
    """Return *url* without the signature that a client's credential may have put behind it."""
    return url.partition("?")[0]


def _check_account(client: BlobServiceClient) -> None:
    """Find now what the SDK would find when it signs the first request."""
    base64.b64decode(getattr(client.credential, "account_key", ""), validate=True)
    if client.primary_hostname.startswith("."):
        raise ValueError("no account name")


async def _wait_for_copy(target: BlobClient, status: str) -> None:
    pause_seconds = _FIRST_PAUSE_SECONDS
    sendings = current_sendings() or Sendings()
    was_unknown = sendings.is_unknown
    sendings.is_unknown = True  # it has begun, and only the service's word tells how it ends
    while status == "pending":
        await anyio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        status = str((await target.get_blob_properties()).copy.status)
    sendings.is_unknown = was_unknown
    if status != "success":
        raise BackendError(f"Azure Blob Storage gave up copying a blob ({status}); try again", backend=NAME, operation="copy")


class TransportOfOneSending(AioHttpTransport):  # type: ignore[misc]  # loaded lazily by azure-core: Any to checkers
    """Sends each request once: aiohttp would send a PUT or DELETE again whose connection was lost, without a word to anybody."""

    async def open(self) -> None:
        await super().open()
        if self.session is not None:
            # As aiohttp's own test client does; there is no public way.
            self.session._retry_connection = False  # noqa: SLF001


def _client_options() -> dict[str, Any]:
    retry_policy = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=2, random_jitter_range=1)
    transport = TransportOfOneSending(connection_timeout=10, **transport_options())
    return {**METERED, "retry_policy": retry_policy, "transport": transport}
