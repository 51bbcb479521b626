"""Branding and logos, as `bifrost_store.protocols.Brandings` promises."""

from __future__ import annotations

from typing import Any

import pytest

from bifrost_store.blobs.protocol import BRANDING, BlobStore
from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.documents import Branding, LogoShape
from bifrost_store.errors import DocumentTooLargeError, InvalidKeyError, InvalidRequestError, PreconditionFailedError
from bifrost_store.protocols import Logo
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.concurrently import at_once
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.images import BAD, WHOLE, jpeg, png, svg
from bifrost_store.testing.interruptions import Countdown, Stopping, StoppingBackend, is_only_stopped
from bifrost_store.testing.repositories import Repositories, repositories_over

pytestmark = pytest.mark.anyio

SQUARE = LogoShape.SQUARE
RECTANGLE = LogoShape.RECTANGLE
PNG, JPEG, SVG = "image/png", "image/jpeg", "image/svg+xml"


async def save(
    repositories: Repositories,
    content: bytes = png(),
    content_type: str = PNG,
    *,
    scope: Scope = ORGANIZATION,
    shape: LogoShape = SQUARE,
) -> Branding:
    """Save a logo."""
    return await repositories.branding.save_logo(scope, shape, content, content_type, updated_by="ada")


async def blob_names(blobs: BlobStore) -> list[str]:
    """Return the names that old code looks for, and of the others the beginning."""
    return [blob.name.partition("-logo-")[0] async for blob in blobs.list(BRANDING)]


async def test_defaults(repositories: Repositories) -> None:
    """Where nothing is stored nothing is set, by ``system``, and there is no logo."""
    for scope in (GLOBAL, ORGANIZATION):
        found = await repositories.branding.get(scope)
        assert (found.scope, found.updated_by, found.updated_at, found.etag) == (GLOBAL, "system", None, "")
        assert (found.square_logo_url, found.rectangle_logo_url, found.primary_color) == (None, None, None)
        assert await repositories.branding.read_logo(scope, SQUARE) is None
        assert await repositories.branding.delete_logo(scope, SQUARE, updated_by="ada") is False


async def test_the_colour(repositories: Repositories, clock: SettableClock) -> None:
    """A colour is kept as it was given, replaced and cleared; the logos stay."""
    await save(repositories)
    clock.advance(seconds=1)
    stored = await repositories.branding.set(ORGANIZATION, primary_color="#0a5", updated_by="bob")
    assert (stored.primary_color, stored.updated_by, stored.updated_at) == ("#0a5", "bob", clock.now)
    assert stored.square_logo_url == "/api/branding/logo-proxy/o-1/square"
    assert await repositories.branding.get(ORGANIZATION) == stored
    assert (await repositories.branding.set(ORGANIZATION, primary_color="#0066CC", updated_by="bob")).primary_color == "#0066CC"
    cleared = await repositories.branding.set(ORGANIZATION, primary_color=None, updated_by="bob")

    assert cleared.primary_color is None
    assert await repositories.branding.read_logo(ORGANIZATION, SQUARE) == Logo(png(), PNG)


async def test_fallback_takes_a_branding_whole(repositories: Repositories) -> None:
    """The organization's branding, else GLOBAL's; of an organization's own nothing is filled in from GLOBAL."""
    await save(repositories, png(1), scope=GLOBAL)
    shared = await save(repositories, svg(), SVG, scope=GLOBAL, shape=RECTANGLE)
    assert shared.square_logo_url == "/api/branding/logo-proxy/GLOBAL/square"
    assert shared.rectangle_logo_url == "/api/branding/logo-proxy/GLOBAL/rectangle"
    assert await repositories.branding.get(ORGANIZATION) == shared
    assert await repositories.branding.read_logo(ORGANIZATION, RECTANGLE) == Logo(svg(), SVG)
    own = await save(repositories, png(2))

    assert (own.square_logo_url, own.rectangle_logo_url) == ("/api/branding/logo-proxy/o-1/square", None)
    assert await repositories.branding.get(ORGANIZATION) == own
    assert await repositories.branding.read_logo(ORGANIZATION, SQUARE) == Logo(png(2), PNG)
    assert await repositories.branding.read_logo(ORGANIZATION, RECTANGLE) is None
    assert await repositories.branding.get(OTHER_ORGANIZATION) == shared
    assert await repositories.branding.read_logo(GLOBAL, SQUARE) == Logo(png(1), PNG)


@pytest.mark.parametrize("case", WHOLE)
async def test_images_come_back(repositories: Repositories, case: str) -> None:
    """A PNG, a JPEG and an SVG come back byte for byte, with their type."""
    content, content_type = WHOLE[case]
    await save(repositories, content, content_type)

    assert await repositories.branding.read_logo(ORGANIZATION, SQUARE) == Logo(content, content_type)


@pytest.mark.parametrize("case", BAD)
async def test_files_that_are_no_logo_are_refused(store: StoreUnderTest, repositories: Repositories, case: str) -> None:
    """A file that is no whole image of its type, or in which something could run, is refused before anything is written."""
    content, content_type = BAD[case]
    with pytest.raises(InvalidRequestError, match="content") as caught:
        await save(repositories, content, content_type)

    assert type(caught.value) is InvalidRequestError
    assert "alert" not in str(caught.value)
    assert await blob_names(store.blobs) == []
    assert await everything(store.backend) == {}


async def test_large_logos_are_refused(repositories: Repositories) -> None:
    """A logo of a mebibyte is taken, one byte more is not."""
    largest = svg(b" " * (1_048_576 - len(svg(b""))))
    await save(repositories, largest, SVG)
    with pytest.raises(DocumentTooLargeError, match="1048576"):
        await save(repositories, largest + b"\n", SVG)

    assert await repositories.branding.read_logo(ORGANIZATION, SQUARE) == Logo(largest, SVG)


async def test_a_new_type_replaces_the_old_blob(store: StoreUnderTest, repositories: Repositories) -> None:
    """Whatever type follows, the new logo is read, and of the old one no blob stays, nor under the name that old code knows."""
    for content, content_type, extension in (
        (png(), PNG, "png"),
        (svg(), SVG, "svg"),
        (jpeg(), JPEG, "jpg"),
        (jpeg(2), JPEG, "jpg"),
    ):
        await save(repositories, content, content_type)

        assert await repositories.branding.read_logo(ORGANIZATION, SQUARE) == Logo(content, content_type)
        assert await store.blobs.get(BRANDING, f"o-1/square-logo.{extension}") == content
        assert sorted(await blob_names(store.blobs)) == ["o-1/square", f"o-1/square-logo.{extension}"]
        assert {blob.content_type async for blob in store.blobs.list(BRANDING)} == {content_type}


async def test_a_logo_is_deleted_with_its_blobs(store: StoreUnderTest, repositories: Repositories) -> None:
    """A deleted logo is gone, once; the other shape and the colour stay, and no blob is left of it."""
    await repositories.branding.set(ORGANIZATION, primary_color="#123", updated_by="ada")
    await save(repositories)
    await save(repositories, svg(), SVG, shape=RECTANGLE)
    assert await repositories.branding.delete_logo(ORGANIZATION, SQUARE, updated_by="bob") is True
    assert await repositories.branding.delete_logo(ORGANIZATION, SQUARE, updated_by="eve") is False

    left = await repositories.branding.get(ORGANIZATION)
    assert (left.square_logo_url, left.primary_color, left.updated_by) == (None, "#123", "bob")
    assert await repositories.branding.read_logo(ORGANIZATION, SQUARE) is None
    assert await repositories.branding.read_logo(ORGANIZATION, RECTANGLE) == Logo(svg(), SVG)
    assert sorted(await blob_names(store.blobs)) == ["o-1/rectangle", "o-1/rectangle-logo.svg"]


async def test_a_logo_of_the_old_application(store: StoreUnderTest, repositories: Repositories) -> None:
    """A logo that only its address names is found under today's name, whatever host the address has, and gives way to a new one."""
    await save(repositories)
    (record,) = (await everything(store.backend)).values()
    old = {**record.body, "squareLogoUrl": "http://localhost:10000/devstoreaccount1/branding/o-1/square-logo.jpg", "logos": {}}
    await store.blobs.put(BRANDING, "o-1/square-logo.jpg", b"\xff\xd8jpgdata", content_type=JPEG)
    await store.backend.replace(record.with_body(old), record.etag)

    assert (await repositories.branding.get(ORGANIZATION)).square_logo_url == "/api/branding/logo-proxy/o-1/square"
    assert await repositories.branding.read_logo(ORGANIZATION, SQUARE) == Logo(b"\xff\xd8jpgdata", JPEG)
    await save(repositories, svg(), SVG)
    assert await repositories.branding.read_logo(ORGANIZATION, SQUARE) == Logo(svg(), SVG)
    assert await store.blobs.get(BRANDING, "o-1/square-logo.jpg") is None


async def test_an_address_that_names_no_blob_has_no_logo(store: StoreUnderTest, repositories: Repositories) -> None:
    """Neither an address from elsewhere nor a blob that is gone is an error: there is no logo to show."""
    await save(repositories)
    (record,) = (await everything(store.backend)).values()
    for url in ("https://x.example/logo.gif", "nothing", "https://x.example/a/../../o-2/square-logo.png?x", "x/square-logo.svg"):
        body = {**record.body, "squareLogoUrl": url, "logos": {}}
        await store.blobs.delete(BRANDING, "o-1/square-logo.png")
        record = await store.backend.replace(record.with_body(body), record.etag)

        assert await repositories.branding.read_logo(ORGANIZATION, SQUARE) is None


async def test_etags(repositories: Repositories) -> None:
    """With an etag the colour is set over exactly that state."""
    old = await repositories.branding.set(ORGANIZATION, primary_color="#111", updated_by="ada")
    new = await repositories.branding.set(ORGANIZATION, primary_color="#222", updated_by="ada", etag=old.etag)
    with pytest.raises(PreconditionFailedError):
        await repositories.branding.set(ORGANIZATION, primary_color="#333", updated_by="ada", etag=old.etag)
    with pytest.raises(PreconditionFailedError):
        await repositories.branding.set(OTHER_ORGANIZATION, primary_color="#333", updated_by="ada", etag=new.etag)

    assert await repositories.branding.get(ORGANIZATION) == new


async def test_changes_at_the_same_time(store: StoreUnderTest, repositories: Repositories) -> None:
    """Logos of both shapes and colours set at once are all kept; of one shape one wins, whole, and no blob of a loser stays."""
    logos = [(png(), PNG), (svg(), SVG), (jpeg(), JPEG), (png(2), PNG)]

    async def change(number: int) -> Branding:
        if number == 4:
            return await save(repositories, svg(), SVG, shape=RECTANGLE)
        if number == 5:
            return await repositories.branding.set(ORGANIZATION, primary_color="#abc", updated_by="ada")
        return await save(repositories, *logos[number])

    results = await at_once(6, change)
    assert all(isinstance(result, Branding) for result in results)
    found = await repositories.branding.get(ORGANIZATION)
    assert (found.primary_color, found.rectangle_logo_url) == ("#abc", "/api/branding/logo-proxy/o-1/rectangle")
    square = await repositories.branding.read_logo(ORGANIZATION, SQUARE)
    assert square in [Logo(*logo) for logo in logos]
    assert await repositories.branding.read_logo(ORGANIZATION, RECTANGLE) == Logo(svg(), SVG)
    names = await blob_names(store.blobs)
    assert (names.count("o-1/square"), names.count("o-1/rectangle")) == (1, 1)


async def test_a_reader_never_meets_a_dangling_name(repositories: Repositories) -> None:
    """While logos of changing types are saved, a reader always gets one of them."""
    logos = [(png(), PNG), (svg(), SVG), (jpeg(), JPEG)]
    await save(repositories, *logos[0])

    async def act(number: int) -> list[Logo | None]:
        if number == 0:
            for round_ in range(6):
                await save(repositories, *logos[round_ % 3])
            return []
        return [await repositories.branding.read_logo(ORGANIZATION, SQUARE) for _ in range(12)]

    for seen in await at_once(3, act):
        assert isinstance(seen, list)
        assert all(logo in [Logo(*one) for one in logos] for logo in seen)


async def test_a_reader_that_was_overtaken_looks_again(store: StoreUnderTest, repositories: Repositories) -> None:
    """A logo that is replaced by another type between the record and its blob is read as the new one."""
    await save(repositories)
    overtaking = _Overtaking(store.blobs, lambda: save(repositories, svg(), SVG))
    reader = repositories_over(store.backend, overtaking, SettableClock())

    assert await reader.branding.read_logo(ORGANIZATION, SQUARE) == Logo(svg(), SVG)


class _Overtaking:
    """Blobs of which the first read comes just too late."""

    def __init__(self, inner: BlobStore, meanwhile: Any) -> None:
        self._inner = inner
        self._meanwhile = meanwhile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def get(self, container: str, name: str) -> bytes | None:
        meanwhile, self._meanwhile = self._meanwhile, None
        if meanwhile is not None:
            await meanwhile()
        return await self._inner.get(container, name)


@pytest.mark.parametrize("step", ["save", "replace", "another type", "delete"])
async def test_a_process_that_dies_leaves_the_old_logo_or_the_new(
    store: StoreUnderTest, repositories: Repositories, step: str
) -> None:
    """Between any two writes it may die: readers see old or new, whole, and the same call again completes it."""
    old = None if step == "save" else Logo(png(), PNG)
    new = {"save": Logo(png(2), PNG), "replace": Logo(png(2), PNG), "another type": Logo(svg(), SVG), "delete": None}[step]
    writes, has_stopped = 0, True
    while has_stopped:
        await repositories.branding.delete_logo(ORGANIZATION, SQUARE, updated_by="ada")
        if old is not None:
            await save(repositories, old.content, old.content_type)
        before = await repositories.branding.get(ORGANIZATION)
        countdown = Countdown(writes)
        backend, blobs = StoppingBackend(store.backend, countdown), Stopping(store.blobs, countdown)
        dying = repositories_over(backend, blobs, SettableClock())
        for who in (dying, repositories):
            try:
                if new is None:
                    await who.branding.delete_logo(ORGANIZATION, SQUARE, updated_by="bob")
                else:
                    await save(who, new.content, new.content_type)
            except BaseException as error:
                if not is_only_stopped(error):
                    raise
            seen = await repositories.branding.read_logo(ORGANIZATION, SQUARE)
            assert seen in (old, new), writes
            is_old = (await repositories.branding.get(ORGANIZATION)).etag == before.etag
            assert seen == (old if is_old else new), writes
        assert seen == new
        has_stopped = countdown.has_stopped
        writes += 1

    assert writes > 1


async def test_scopes_are_apart(repositories: Repositories) -> None:
    """What one organization sets or deletes, no other meets."""
    scopes = [Scope.organization(name) for name in ("o-1", "o-12", "o-1-", "O-1")]
    for number, scope in enumerate(scopes, start=1):
        await save(repositories, png(number), scope=scope)
        await repositories.branding.set(scope, primary_color=f"#00{number}", updated_by="ada")
    await repositories.branding.delete_logo(scopes[0], SQUARE, updated_by="ada")

    assert await repositories.branding.read_logo(scopes[0], SQUARE) is None
    for number, scope in enumerate(scopes[1:], start=2):
        assert await repositories.branding.read_logo(scope, SQUARE) == Logo(png(number), PNG)
        assert (await repositories.branding.get(scope)).primary_color == f"#00{number}"
    assert (await repositories.branding.get(GLOBAL)).updated_by == "system"


@pytest.mark.parametrize("color", ["", "#", "#12", "#1234", "#12345g", "#1234567", "red", "#123\n", " #123", "＃123", "#١٢٣", 123])
async def test_bad_colours(store: StoreUnderTest, repositories: Repositories, color: Any) -> None:
    """A colour is #RGB or #RRGGBB and nothing else."""
    with pytest.raises(InvalidRequestError, match="primary_color"):
        await repositories.branding.set(ORGANIZATION, primary_color=color, updated_by="ada")
    assert await everything(store.backend) == {}


async def test_bad_arguments(repositories: Repositories) -> None:
    """A shape is one of two, content is bytes, somebody does it, and a scope is a Scope."""
    for call in (
        lambda: repositories.branding.read_logo(ORGANIZATION, "round"),  # type: ignore[arg-type]
        lambda: repositories.branding.save_logo(ORGANIZATION, "../square", png(), PNG, updated_by="ada"),  # type: ignore[arg-type]
        lambda: repositories.branding.save_logo(ORGANIZATION, SQUARE, "png", PNG, updated_by="ada"),  # type: ignore[arg-type]
        lambda: repositories.branding.save_logo(ORGANIZATION, SQUARE, png(), None, updated_by="ada"),  # type: ignore[arg-type]
        lambda: repositories.branding.save_logo(ORGANIZATION, SQUARE, png(), PNG, updated_by=""),
        lambda: repositories.branding.delete_logo(ORGANIZATION, "", updated_by="ada"),  # type: ignore[arg-type]
    ):
        with pytest.raises(InvalidRequestError):
            await call()
    for scope in ("GLOBAL", None, SYSTEM):
        with pytest.raises(InvalidKeyError, match="scope"):
            await repositories.branding.get(scope)  # type: ignore[arg-type]
        with pytest.raises(InvalidKeyError, match="scope"):
            await repositories.branding.save_logo(scope, SQUARE, png(), PNG, updated_by="ada")  # type: ignore[arg-type]
