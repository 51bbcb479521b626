"""What is special to blobs in Azure Blob Storage: errors of the service and of the network, identities, requests, copies."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import azure.core.exceptions
import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from bifrost_store.blobs.azure import METERED, AzureBlobStore
from bifrost_store.blobs.errors import Place, map_error
from bifrost_store.blobs.protocol import BlobInfo, Holder
from bifrost_store.core.meter import count_requests
from bifrost_store.errors import (
    AccessDeniedError,
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    DocumentNotFoundError,
    DocumentTooLargeError,
    InvalidRequestError,
    NotProvisionedError,
    OutcomeUnknownError,
    PreconditionFailedError,
    StoreError,
    ThrottledError,
)
from tests.unit.blob_support import names_of, new_container

pytestmark = pytest.mark.anyio
PLACE = Place("acme", "127.0.0.1:10000", "execution-data")


@pytest.fixture
def container() -> str:
    return new_container()


@asynccontextmanager
async def service(answer: bytes | None) -> AsyncGenerator[AzureBlobStore, None]:
    """A store whose service gives *answer* to everything; None: it hangs up."""

    async def respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        if answer is not None:
            writer.write(answer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(respond, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    options: dict[str, Any] = {"retry_total": 0, **METERED}
    async with server, BlobServiceClient(f"http://127.0.0.1:{port}/account", **options) as client:
        yield AzureBlobStore(client)


def response(status: int, code: str = "SomeCode", **headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status} X", "content-length: 0", "connection: close", f"x-ms-error-code: {code}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


CUT_SHORT = b"HTTP/1.1 206 X\r\ncontent-length: 9\r\ncontent-range: bytes 0-8/9\r\netag: x\r\n\r\nabc"
KEY = "c2VjcmV0LWtleQ=="


class TestAzure:
    @pytest.mark.parametrize(
        ("status", "code", "expected"),
        [
            (400, "InvalidHeaderValue", InvalidRequestError),
            (401, "NoAuthenticationInformation", AccessDeniedError),
            (403, "AuthorizationFailure", AccessDeniedError),
            (404, "ContainerNotFound", NotProvisionedError),
            (408, "X", BackendTimeoutError),
            (409, "ContainerBeingDeleted", BackendUnavailableError),
            (409, "BlobImmutableDueToPolicy", PreconditionFailedError),
            (412, "LeaseIdMissing", PreconditionFailedError),
            (413, "RequestBodyTooLarge", DocumentTooLargeError),
            (418, "X", BackendError),
            (429, "TooManyRequests", ThrottledError),
            (500, "InternalError", BackendUnavailableError),
            (500, "OperationTimedOut", BackendTimeoutError),
            (502, "X", BackendUnavailableError),
            (503, "ServerBusy", ThrottledError),
            (504, "X", BackendTimeoutError),
            (507, "X", BackendUnavailableError),
        ],
    )
    async def test_statuses(self, status: int, code: str, expected: type[StoreError]) -> None:
        """Each status has its class, the blob's name, and the SDK's error as its cause; what may be done is not told as refused."""
        async with service(response(status, code, retry_after="7")) as store:
            with pytest.raises(StoreError) as raised:
                await store.put("abc", "e-1/x", b"secret")

        error = raised.value
        may_be_done = status == 408 or (status >= 500 and code != "ServerBusy")
        assert (OutcomeUnknownError if may_be_done else expected, "blob", "put", "e-1/x") == (
            type(error),
            error.backend,
            error.operation,
            error.key,
        )
        assert isinstance(error.__cause__, AzureError)
        mapped = map_error(error.__cause__, PLACE)
        assert (expected, 7.0) == (type(mapped), mapped.retry_after_seconds)
        assert "secret" not in str(error)

    @pytest.mark.parametrize("answer", [None, CUT_SHORT])
    async def test_lost_answers(self, answer: bytes | None) -> None:
        """A connection that breaks is retryable, whether before or in the midst of the answer."""
        async with service(answer) as store:
            with pytest.raises(BackendError) as raised:
                await store.get("abc", "a")

        assert raised.value.is_retryable

    async def test_connection_refused(self, unused_port: int, monkeypatch: pytest.MonkeyPatch) -> None:
        """A service that cannot be reached is retryable and says what to check."""
        monkeypatch.setattr("bifrost_store.blobs.azure._client_options", lambda: {"retry_total": 0})
        endpoint = f"BlobEndpoint=http://127.0.0.1:{unused_port}/account"
        store = AzureBlobStore.from_connection_string(f"AccountName=account;AccountKey={KEY};{endpoint}")
        with pytest.raises(BackendUnavailableError, match="cannot be reached"):
            await store.get("abc", "a")
        await store.aclose()

    async def test_timeout(self) -> None:
        """A service that does not answer in time is retryable."""
        hang = asyncio.Event()

        async def respond(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await hang.wait()
            writer.close()

        server = await asyncio.start_server(respond, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/account"
        async with server, BlobServiceClient(url, retry_total=0, read_timeout=0.05) as client:
            with pytest.raises(BackendTimeoutError):
                await AzureBlobStore(client).get("abc", "a")
            hang.set()

    def test_every_class_is_mapped(self) -> None:
        """Every exception of azure-core becomes an error of this library."""
        classes = [
            value for value in vars(azure.core.exceptions).values() if isinstance(value, type) and issubclass(value, AzureError)
        ]
        assert len(classes) > 15
        for kind in classes:
            error = kind.__new__(kind)
            AzureError.__init__(error, "x")
            error.__dict__.setdefault("status_code", None)
            assert isinstance(map_error(error, PLACE), BackendError)

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "secret",
            "AccountKey=secret",
            "AccountName=account;AccountKey=not base64 secret;EndpointSuffix=core.windows.net",
            "BlobSecondaryEndpoint=https://secret",
            f"AccountName=;AccountKey={KEY}",
        ],
    )
    def test_malformed_connection_strings(self, text: str) -> None:
        """A malformed connection string is a configuration error that shows nothing of it, nor does its cause."""
        with pytest.raises(ConfigurationError, match="malformed") as raised:
            AzureBlobStore.from_connection_string(text)

        assert "secret" not in repr(raised.value)
        assert raised.value.__cause__ is None
        assert raised.value.__suppress_context__
        assert "secret" not in "".join(traceback.format_exception(raised.value))

    async def test_the_emulators_own_connection_string(self) -> None:
        """The short form that the application's settings use on a developer's machine is understood."""
        await AzureBlobStore.from_connection_string("UseDevelopmentStorage=true").aclose()

    @pytest.mark.parametrize("url", ["", "account", "http://account.blob.core.windows.net", "ftp://x"])
    def test_malformed_endpoints(self, url: str) -> None:
        """A token is only ever sent to an https address."""
        with pytest.raises(ConfigurationError, match="endpoint"):
            AzureBlobStore.from_endpoint(url, Token())

    async def test_a_token_is_used(self) -> None:
        """With an endpoint, requests carry the credential's token, and the credential stays open."""
        token = Token()
        store = AzureBlobStore.from_endpoint("https://127.0.0.1:9/account", token)
        assert "secret" not in repr(store)
        await store.aclose()
        assert not token.is_closed

    async def test_only_an_own_client_is_closed(self) -> None:
        """A client that was passed in stays open."""
        client = BlobServiceClient("http://127.0.0.1:9/account")
        closed: list[bool] = []
        client.close = lambda: closed.append(True)  # type: ignore[method-assign, assignment, return-value]
        await AzureBlobStore(client).aclose()

        assert closed == []

    async def test_counts_requests(self, azurite: Any, container: str) -> None:
        """Every call is one request; making the container on the first put costs two more, one of them about a container."""
        store = AzureBlobStore.from_connection_string(azurite.connection_string)
        counts: list[dict[str, int]] = []
        calls: list[Callable[[], Any]] = [
            lambda: store.put(container, "a", b"1"),
            lambda: store.put(container, "a", b"2"),
            lambda: store.get(container, "a"),
            lambda: store.copy(container, "a", "b"),
            lambda: names_of(store, container),
            lambda: store.delete(container, "a"),
            lambda: store.get(container, "a"),
        ]
        for call in calls:
            with count_requests() as requests:
                await call()
            counts.append(dict(requests))
        await store.aclose()

        assert [{"blob": 2, "blob_metadata": 1}, *[{"blob": 1}] * 6] == counts

    @pytest.mark.parametrize("status", [401, 403, 404, 409])
    async def test_copying_through_here(self, azurite: Any, container: str, monkeypatch: pytest.MonkeyPatch, status: int) -> None:
        """Where the service may not read the source by its address, the bytes pass through the library."""
        store = AzureBlobStore.from_connection_string(azurite.connection_string)
        await store.put(container, "a", b"1", content_type="image/png")

        async def refuse(*_: Any, **__: Any) -> None:
            raise refusal

        refusal = HttpResponseError("no")
        refusal.status_code = status
        monkeypatch.setattr("azure.storage.blob.aio.BlobClient.start_copy_from_url", refuse)
        assert await store.copy_for("o", container, "a", "d") is Holder.NOBODY
        assert await store.copy_for("o", container, "a", "d") is Holder.OWNER
        assert await store.copy_for("p", container, "a", "d") is Holder.ANOTHER
        assert await store.describe(container, "d") == BlobInfo("d", 1, "image/png", "o")
        await store.copy(container, "a", "b")
        with pytest.raises(DocumentNotFoundError):
            await store.copy(container, "c", "b")

        assert BlobInfo("b", 1, "image/png") in [blob async for blob in store.list(container)]
        await store.aclose()

    async def test_pending_copies_are_waited_for(self, azurite: Any, container: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """A copy that the service has only begun is complete when copy returns; one that it gave up is an error."""
        store = AzureBlobStore.from_connection_string(azurite.connection_string)
        await store.put(container, "a", b"1")
        start = BlobClient.start_copy_from_url

        async def begin(self: Any, url: str, **options: Any) -> dict[str, Any]:
            return {**await start(self, url, **options), "copy_status": status}

        monkeypatch.setattr("azure.storage.blob.aio.BlobClient.start_copy_from_url", begin)
        status = "pending"
        await store.copy(container, "a", "b")
        status = "aborted"
        with pytest.raises(BackendError, match="gave up"):
            await store.copy(container, "a", "b")
        await store.aclose()

    @pytest.mark.parametrize("package", ["azure.core.exceptions", "azure.storage.blob.aio", "aiohttp"])
    def test_missing_packages_name_the_extra(self, package: str) -> None:
        """Without the SDK, the import fails with the extra to install."""
        program = (
            f"import sys; sys.modules[{package!r}] = None; import bifrost_store.blobs.folder; import bifrost_store.blobs.azure"
        )
        process = subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONPATH": ":".join(sys.path)}, capture_output=True, text=True, check=False
        )

        assert "MissingDependencyError" in process.stderr
        assert "bifrost-store[table]" in process.stderr


class Token:
    is_closed = False

    async def get_token(self, *_: Any, **__: Any) -> Any:
        raise AssertionError

    async def close(self) -> None:
        self.is_closed = True

    async def __aenter__(self) -> Token:
        return self

    async def __aexit__(self, exc_type: Any = None, exc_value: Any = None, traceback: Any = None) -> None:
        await self.close()


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
