"""`AzureBlobStore`: blobs in an Azure storage account, or in Azurite."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

import anyio

# First, because it names the extra to install where the SDK is missing.
from bifrost_store.blobs.errors import NAME, error_code, mapped_errors  # isort: skip
from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobClient, BlobServiceClient, ExponentialRetry

from bifrost_store.blobs.names import check_names, check_prefix
from bifrost_store.blobs.protocol import CONTAINERS, BlobInfo
from bifrost_store.core.meter import count
from bifrost_store.errors import BackendError, ConfigurationError, DocumentNotFoundError

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential

_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 1.0
_SOURCE_REFUSED: Final = (401, 403, 404, 409)
"""Or the source is missing, or the target locked; the attempt to pass the bytes through here tells which."""
_NO_ENDPOINT: Final = "the endpoint for Azure Blob Storage must read https://<account>.blob.core.windows.net"
_MALFORMED: Final = "the connection string for Azure Blob Storage is malformed; copy it anew from the storage account's access keys"


def count_request(request: Any) -> None:
    """Count one request, at the client's ``raw_request_hook``: the SDK calls it for every attempt."""
    query = request.http_request.query
    is_metadata = query.get("restype") is not None and query.get("comp") != "list"
    count("blob_metadata" if is_metadata else "blob")


class AzureBlobStore:
    """A `BlobStore` in an Azure storage account. Each call is one request, unless a blob exceeds 32 MiB.

    Args:
        client: For the account; whoever made it closes it. For requests to be counted it must have been made with
            ``raw_request_hook=count_request``, as `from_connection_string` and `from_endpoint` do.
    """

    def __init__(self, client: BlobServiceClient) -> None:
        self._client = client
        self._owns_client = False

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

    async def put(self, container: str, name: str, data: bytes, *, content_type: str = "application/octet-stream") -> None:
        check_names(container, name)
        with mapped_errors("put", name):
            try:
                await self._upload(container, name, data, content_type)
            except ResourceNotFoundError:
                await self._create_container(container)
                await self._upload(container, name, data, content_type)

    async def get(self, container: str, name: str) -> bytes | None:
        check_names(container, name)
        with mapped_errors("get", name):
            try:
                return await (await self._blob(container, name).download_blob()).readall()
            except ResourceNotFoundError:
                return None

    async def copy(self, container: str, source: str, target: str) -> None:
        """Copy inside the service: one request. Where it may not read the source by address, the bytes pass through here."""
        check_names(container, source, target)
        with mapped_errors("copy", source):
            target_blob = self._blob(container, target)
            try:
                answer = await target_blob.start_copy_from_url(self._blob(container, source).url)
            except HttpResponseError as error:
                if error.status_code not in _SOURCE_REFUSED:
                    raise
                await self._copy_through_here(container, source, target)
            else:
                await _wait_for_copy(target_blob, str(answer["copy_status"]))

    async def delete(self, container: str, name: str) -> bool:
        check_names(container, name)
        with mapped_errors("delete", name):
            try:
                await self._blob(container, name).delete_blob(delete_snapshots="include")
            except ResourceNotFoundError:
                return False
            return True

    async def list(self, container: str, prefix: str = "") -> AsyncIterator[BlobInfo]:
        check_names(container)
        check_prefix(prefix)
        with mapped_errors("list"):
            try:
                async for blob in self._client.get_container_client(container).list_blobs(name_starts_with=prefix or None):
                    yield BlobInfo(blob.name, blob.size, str(blob.content_settings.content_type or ""))
            except ResourceNotFoundError:
                return

    async def provision(self) -> None:
        with mapped_errors("provision"):
            for container in CONTAINERS:
                await self._create_container(container)

    async def ping(self) -> str:
        """Return the account's name, after asking whether the container of payloads exists."""
        with mapped_errors("ping"):
            await self._client.get_container_client(CONTAINERS[0]).get_container_properties()
        return f"Azure Blob Storage, account {self._client.account_name}"

    async def aclose(self) -> None:
        if self._owns_client:
            await self._client.close()

    def _blob(self, container: str, name: str) -> BlobClient:
        return self._client.get_blob_client(container, name)

    async def _upload(self, container: str, name: str, data: bytes, content_type: str) -> None:
        settings = ContentSettings(content_type=content_type)
        await self._blob(container, name).upload_blob(data, overwrite=True, content_settings=settings)

    async def _copy_through_here(self, container: str, source: str, target: str) -> None:
        try:
            download = await self._blob(container, source).download_blob()
        except ResourceNotFoundError as error:
            raise DocumentNotFoundError(f"blob {source!r} does not exist in container {container}", backend=NAME) from error
        content_type = download.properties.content_settings.content_type
        await self._upload(container, target, await download.readall(), str(content_type))

    async def _create_container(self, container: str) -> None:
        try:
            await self._client.get_container_client(container).create_container()
        except ResourceExistsError as error:
            if error_code(error) != "ContainerAlreadyExists":
                raise


def _check_account(client: BlobServiceClient) -> None:
    """Find now what the SDK would find when it signs the first request."""
    base64.b64decode(getattr(client.credential, "account_key", ""), validate=True)
    if client.primary_hostname.startswith("."):
        raise ValueError("no account name")


async def _wait_for_copy(target: BlobClient, status: str) -> None:
    pause_seconds = _FIRST_PAUSE_SECONDS
    while status == "pending":
        await anyio.sleep(pause_seconds)
        pause_seconds = min(2 * pause_seconds, _LONGEST_PAUSE_SECONDS)
        status = str((await target.get_blob_properties()).copy.status)
    if status != "success":
        raise BackendError(f"Azure Blob Storage gave up copying a blob ({status}); try again", backend=NAME, operation="copy")


def _client_options() -> dict[str, Any]:
    retry_policy = ExponentialRetry(initial_backoff=1, increment_base=2, retry_total=2, random_jitter_range=1)
    return {"raw_request_hook": count_request, "retry_policy": retry_policy, "connection_timeout": 10}
