"""Uploads and the links to them, as `bifrost_store.protocols.Uploads` promises."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.blobs.protocol import BRANDING, UPLOADS
from bifrost_store.errors import DocumentTooLargeError, InvalidKeyError, InvalidLinkError, InvalidRequestError
from bifrost_store.protocols import Link, Upload
from bifrost_store.testing import strategies
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.concurrently import at_once
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio

HALF_AN_HOUR: Final = timedelta(minutes=30)
HOSTILE: Final = (
    *strategies.HOSTILE_TEXTS,
    "../../etc/passwd",
    "..\\..\\windows\\win.ini",
    "C:\\file.txt",
    "a/b/c.txt",
    "/",
    "report.pdf",
    "Rechnung Müller (1).pdf",
    "%2e%2e%2f",
    "%%%41",
    "name.",
    "name...",
    "...",
    "a?sig=x&se=y#z",
    "\r\nSet-Cookie: a=b",
    "x" * 300,
    "/" * 300,
    "\ufffe\uffff" * 150,
    "🙂" * 300,
    "." * 300,
)


@pytest.fixture
def now(clock: SettableClock) -> datetime:
    """The present moment: the clock is set to it, as no service can be told another."""
    clock.now = datetime.now(UTC).replace(microsecond=0)
    return clock.now


async def test_a_file_comes_back(repositories: Repositories) -> None:
    """A file is read under its name as it was saved; an unknown name is None."""
    saved = await repositories.uploads.save("Über.txt", b"\x00\xffdata", "text/plain; charset=utf-8")
    empty = await repositories.uploads.save("Über.txt", b"", "application/octet-stream")
    read = await repositories.uploads.read(saved.name)

    assert re.fullmatch("[0-9a-f]{32}_Über.txt", saved.name)
    assert saved == Upload(saved.name, "Über.txt", "text/plain; charset=utf-8", 6)
    assert read is not None
    assert (read.upload, read.content) == (saved, b"\x00\xffdata")
    assert (await repositories.uploads.read(empty.name)).upload == empty  # type: ignore[union-attr]
    assert await repositories.uploads.read("0" * 32 + "_Über.txt") is None


@pytest.mark.parametrize("file_name", dict.fromkeys(HOSTILE), ids=ascii)
async def test_hostile_file_names(store: StoreUnderTest, repositories: Repositories, now: datetime, file_name: str) -> None:
    """Whatever a file is called, it comes back called so, by name and by link, and lies in no folder."""
    saved = await repositories.uploads.save(file_name, file_name.encode(), "text/html")
    link = await repositories.uploads.link(saved.name, valid_for=HALF_AN_HOUR)

    assert saved.file_name == file_name
    assert "/" not in saved.name
    assert [blob.name async for blob in store.blobs.list(UPLOADS)] == [saved.name]
    for found in (await repositories.uploads.read(saved.name), await repositories.uploads.read_link(link.url)):
        assert found is not None
        assert (found.upload, found.content) == (saved, file_name.encode())


@given(file_name=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300))
async def test_any_file_name(repositories: Repositories, file_name: str) -> None:
    """A file name of up to 300 characters of any kind comes back."""
    saved = await repositories.uploads.save(file_name, b"data", "text/plain")

    read = await repositories.uploads.read(saved.name)
    assert read is not None
    assert (read.upload, saved.file_name) == (saved, file_name)


async def test_a_file_of_the_old_application(store: StoreUnderTest, repositories: Repositories) -> None:
    """A blob that the old application stored is read, its name as it stands."""
    name = "0123456789abcdef" * 2 + "_50%25 off.pdf"
    await store.blobs.put(UPLOADS, name, b"%PDF", content_type="application/pdf")

    read = await repositories.uploads.read(name)
    assert read is not None
    assert read.upload == Upload(name, "50%25 off.pdf", "application/pdf", 4)


async def test_names_are_never_shared(repositories: Repositories) -> None:
    """Files of one name saved at the same time are all kept."""
    saved = await at_once(5, lambda number: repositories.uploads.save("a.txt", str(number).encode(), "text/plain"))

    for number, one in enumerate(saved):
        assert isinstance(one, Upload)
        read = await repositories.uploads.read(one.name)
        assert read is not None
        assert read.content == str(number).encode()
    assert len({one.name for one in saved if isinstance(one, Upload)}) == 5


async def test_a_link_opens_one_file_until_its_time(repositories: Repositories, clock: SettableClock, now: datetime) -> None:
    """A link says until when it is good, opens its file until then, and not a moment longer."""
    saved = await repositories.uploads.save("a.txt", b"data", "text/plain")
    clock.now = now + timedelta(microseconds=999_999)
    link = await repositories.uploads.link(saved.name, valid_for=HALF_AN_HOUR)
    assert link.expires_at == now + HALF_AN_HOUR
    assert link.url not in repr(link)
    clock.now = link.expires_at - timedelta(microseconds=1)
    read = await repositories.uploads.read_link(link.url)
    assert read is not None
    assert (read.upload, read.content) == (saved, b"data")
    clock.now = link.expires_at

    with pytest.raises(InvalidLinkError, match="expired") as caught:
        await repositories.uploads.read_link(link.url)
    assert link.url not in str(caught.value)
    assert caught.value.is_retryable is False


async def test_a_link_made_an_hour_ago_has_expired(repositories: Repositories, clock: SettableClock, now: datetime) -> None:
    """A link made an hour ago for half an hour is over, for the library and for the service behind it."""
    saved = await repositories.uploads.save("a.txt", b"data", "text/plain")
    clock.now = now - timedelta(hours=1)
    link = await repositories.uploads.link(saved.name, valid_for=HALF_AN_HOUR)
    clock.now = now

    with pytest.raises(InvalidLinkError):
        await repositories.uploads.read_link(link.url)


async def test_altered_links_are_refused(store: StoreUnderTest, repositories: Repositories, now: datetime) -> None:
    """A link with another time, file, container, host or signature opens nothing."""
    saved = await repositories.uploads.save("a.txt", b"data", "text/plain")
    other = await repositories.uploads.save("b.txt", b"other", "text/plain")
    await store.blobs.put(BRANDING, saved.name, b"logo")
    link = await repositories.uploads.link(saved.name, valid_for=HALF_AN_HOUR)
    expired = f"{link.expires_at:%Y-%m-%dT%H}"
    longer = f"{link.expires_at + timedelta(hours=5):%Y-%m-%dT%H}"
    path, _, query = link.url.partition("?")
    quoted = expired.replace(":", "%3A")
    altered = [
        link.url.replace(quoted, longer.replace(":", "%3A")),
        link.url.replace(saved.name[:32], other.name[:32]).replace("a.txt", "b.txt"),
        link.url.replace(saved.name[:32], other.name[:32]),
        link.url.replace("/uploads/", "/branding/"),
        link.url.replace("/uploads/", "/uploads/../branding/"),
        link.url.replace("/uploads/", "/uploads/x/"),
        link.url.replace("://", "://x"),
        re.sub("sig=(....)", lambda match: f"sig={match[1][::-1] if match[1] != match[1][::-1] else 'abcd'}", link.url),
        re.sub("sig=[^&]*", "sig=", link.url),
        re.sub("sig=[^&]*", "", link.url),
        re.sub("se=[^&]*", "se=never", link.url),
        re.sub("se=[^&]*", "se=0001-01-01T00%3A00%3A00%2B14%3A00", link.url),
        path,
        f"{path}?",
        f"?{query}",
        "",
        "https://x.example/",
        saved.name,
        "\ud7ff🙂%ff%00",
    ]
    for url in altered:
        assert url != link.url
        with pytest.raises(InvalidLinkError, match="altered"):
            await repositories.uploads.read_link(url)

    assert (await repositories.uploads.read_link(link.url)).content == b"data"  # type: ignore[union-attr]


@pytest.mark.parametrize("escape", ["%", "%A", "%FF", "%00", "%E2%82"])
async def test_a_link_with_any_broken_character_is_refused(repositories: Repositories, escape: str) -> None:
    """Whatever half an escape, or bytes that are no text, stands in place of any character: the link opens nothing."""
    saved = await repositories.uploads.save("a.txt", b"data", "text/plain")
    link = await repositories.uploads.link(saved.name, valid_for=HALF_AN_HOUR)
    query = link.url.index("?") + 1
    for at in range(query, len(link.url)):
        url = f"{link.url[:at]}{escape}{link.url[at + 1 :]}"
        if url == link.url:
            continue
        with pytest.raises(InvalidLinkError, match="altered"):
            await repositories.uploads.read_link(url)


async def test_a_link_of_another_store_is_refused(repositories: Repositories, now: datetime) -> None:
    """A link that some other account or folder gave out opens nothing here."""
    name = "0" * 32 + "_a.txt"
    link = await repositories.uploads.link(name, valid_for=HALF_AN_HOUR)
    foreign = [
        f"folder:///uploads/{name}?se={link.expires_at:%Y-%m-%dT%H:%M:%SZ}&sig={'0' * 64}",
        f"https://other.blob.core.windows.net/uploads/{name}?sv=2025-01-05&se=2999-01-01T00%3A00%3A00Z&sr=b&sp=r&sig=abc%3D",
    ]

    for url in foreign:
        with pytest.raises(InvalidLinkError):
            await repositories.uploads.read_link(url)


async def test_a_link_to_nothing(store: StoreUnderTest, repositories: Repositories, now: datetime) -> None:
    """A link to a file that has been removed, or never was, opens to None."""
    saved = await repositories.uploads.save("a.txt", b"data", "text/plain")
    link = await repositories.uploads.link(saved.name, valid_for=HALF_AN_HOUR)
    await store.blobs.delete(UPLOADS, saved.name)
    never = await repositories.uploads.link("0" * 32 + "_a.txt", valid_for=HALF_AN_HOUR)

    assert await repositories.uploads.read_link(link.url) is None
    assert await repositories.uploads.read_link(never.url) is None


@pytest.mark.parametrize(
    "valid_for", [timedelta(0), timedelta(seconds=-1), timedelta(milliseconds=999), timedelta(days=6, seconds=1), 60]
)
async def test_bad_durations(repositories: Repositories, valid_for: Any) -> None:
    """A link is good for a second at least and six days at most."""
    with pytest.raises(InvalidRequestError, match="valid_for"):
        await repositories.uploads.link("0" * 32 + "_a", valid_for=valid_for)
    for good in (timedelta(seconds=1), timedelta(days=6)):
        assert isinstance(await repositories.uploads.link("0" * 32 + "_a", valid_for=good), Link)


@pytest.mark.parametrize(
    "name",
    ["", "a.txt", "0" * 32, "0" * 32 + "_", "G" * 32 + "_a", "0" * 31 + "_a", "0" * 32 + "_../x", "0" * 32 + "_" + "x" * 1000, 5],
)
async def test_bad_names(repositories: Repositories, name: Any) -> None:
    """A name that no upload can have is refused, to read and to link."""
    with pytest.raises(InvalidKeyError):
        await repositories.uploads.read(name)
    with pytest.raises(InvalidKeyError):
        await repositories.uploads.link(name, valid_for=HALF_AN_HOUR)


@pytest.mark.parametrize(
    ("file_name", "content", "content_type", "expected"),
    [
        ("", b"x", "text/plain", InvalidRequestError),
        ("x" * 301, b"x", "text/plain", InvalidRequestError),
        ("a\ud800", b"x", "text/plain", InvalidRequestError),
        (None, b"x", "text/plain", InvalidRequestError),
        ("a", "x", "text/plain", InvalidRequestError),
        ("a", None, "text/plain", InvalidRequestError),
        ("a", bytes(104_857_601), "text/plain", DocumentTooLargeError),
        ("a", b"x", "", InvalidRequestError),
        ("a", b"x", "text", InvalidRequestError),
        ("a", b"x", "text/plain\r\nX: y", InvalidRequestError),
        ("a", b"x", "text/plain\n", InvalidRequestError),
        ("a", b"x", "text/é", InvalidRequestError),
        ("a", b"x", "x" * 128 + "/y", InvalidRequestError),
        ("a", b"x", 5, InvalidRequestError),
    ],
    ids=range(14),
)
async def test_bad_files(
    store: StoreUnderTest, repositories: Repositories, file_name: Any, content: Any, content_type: Any, expected: type[Exception]
) -> None:
    """What cannot be kept is refused before anything is stored."""
    with pytest.raises(expected) as caught:
        await repositories.uploads.save(file_name, content, content_type)
    assert type(caught.value) is expected
    assert [blob.name async for blob in store.blobs.list(UPLOADS)] == []
