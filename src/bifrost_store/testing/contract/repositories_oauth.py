"""OAuth connections, as `bifrost_store.protocols.OAuthConnections` promises."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.core.scope import GLOBAL, SYSTEM, Scope
from bifrost_store.documents import OAuthConnection, OAuthFlowType, OAuthStatus
from bifrost_store.errors import (
    DocumentExistsError,
    DocumentNotFoundError,
    DocumentTooLargeError,
    InvalidKeyError,
    InvalidRequestError,
    PreconditionFailedError,
)
from bifrost_store.protocols import OAuthConnectionRef
from bifrost_store.testing import strategies
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import SettableClock
from bifrost_store.testing.concurrently import at_once
from bifrost_store.testing.examples import ORGANIZATION, OTHER_ORGANIZATION
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio

REFERENCE: Final = "bifrost-o-1-oauth-halo-client-secret-1"
LATER: Final = datetime(2026, 1, 1, 10, 0, 0, 7, tzinfo=UTC)
BESIDE: Final = (
    "a",
    "a_metadata",
    "a_client_secret",
    "a_oauth_response",
    "a_metadata_metadata",
    "A",
    "a_",
    "_",
    "_metadata",
    "a_d",
)
"""Names whose rows could be taken for each other's."""


async def make(repositories: Repositories, name: str = "halo", *, scope: Scope = ORGANIZATION, **more: Any) -> OAuthConnection:
    """Create a connection; what is not given is plain."""
    fields = {
        "oauth_flow_type": OAuthFlowType.CLIENT_CREDENTIALS,
        "client_id": "client-1",
        "token_url": "https://login.example.com/token",
        "created_by": "ada",
    }
    return await repositories.oauth.create(scope, name, **{**fields, **more})


async def test_a_connection_comes_back(repositories: Repositories, clock: SettableClock) -> None:
    """A new connection is not connected, has no tokens, and reads as it was returned; nothing given means the defaults."""
    plain = await make(repositories)
    full = await make(
        repositories,
        "graph",
        oauth_flow_type=OAuthFlowType.AUTHORIZATION_CODE,
        authorization_url="https://login.example.com/authorize",
        scopes="User.Read Mail.Read",
        redirect_uri="/elsewhere",
        client_secret_ref=REFERENCE,
        description="Ü🙂",
    )

    assert (plain.scope, plain.connection_name, plain.status) == (ORGANIZATION, "halo", OAuthStatus.NOT_CONNECTED)
    assert (plain.redirect_uri, plain.scopes, plain.authorization_url) == ("/oauth/callback/halo", "", None)
    assert (plain.client_secret_ref, plain.oauth_response_ref, plain.expires_at) == (None, None, None)
    assert (plain.created_at, plain.created_by, plain.updated_at, plain.updated_by) == (clock.now, "ada", clock.now, "ada")
    assert (full.authorization_url, full.scopes) == ("https://login.example.com/authorize", "User.Read Mail.Read")
    assert (full.redirect_uri, full.client_secret_ref, full.description) == ("/elsewhere", REFERENCE, "Ü🙂")
    assert await repositories.oauth.get(ORGANIZATION, "halo") == plain
    assert await repositories.oauth.get(ORGANIZATION, "graph") == full


async def test_a_name_is_taken_once_in_a_scope(repositories: Repositories) -> None:
    """A second connection of a name is refused in the same scope, not in others; a deleted one makes room."""
    first = await make(repositories, client_secret_ref=REFERENCE)
    await make(repositories, scope=GLOBAL)
    with pytest.raises(DocumentExistsError):
        await make(repositories, client_id="another")

    assert await repositories.oauth.get(ORGANIZATION, "halo") == first
    assert await repositories.oauth.delete(ORGANIZATION, "halo") is True
    again = await make(repositories)
    assert again.client_secret_ref is None
    assert await repositories.oauth.get(ORGANIZATION, "halo") == again


async def test_get_falls_back_to_global(repositories: Repositories) -> None:
    """The organization's connection, else with fallback GLOBAL's, else None; names are case-sensitive."""
    shared = await make(repositories, scope=GLOBAL, client_secret_ref=REFERENCE)
    assert await repositories.oauth.get(ORGANIZATION, "halo") == shared
    assert await repositories.oauth.get(ORGANIZATION, "halo", fallback=False) is None
    own = await make(repositories)

    assert await repositories.oauth.get(ORGANIZATION, "halo") == own
    assert await repositories.oauth.get(OTHER_ORGANIZATION, "halo") == shared
    assert await repositories.oauth.get(GLOBAL, "halo") == shared
    assert await repositories.oauth.get(ORGANIZATION, "HALO") is None


async def test_own_connections_hide_global_ones_in_lists(repositories: Repositories) -> None:
    """Lists come by name; a GLOBAL connection of a name that the organization has is hidden."""
    for scope, names in ((GLOBAL, ("halo", "graph", "Ninja")), (ORGANIZATION, ("halo", "clio")), (OTHER_ORGANIZATION, ("ship",))):
        for name in names:
            await make(repositories, name, scope=scope)

    merged = await repositories.oauth.list(ORGANIZATION)
    own = await repositories.oauth.list(ORGANIZATION, include_global=False)
    assert [(one.connection_name, one.scope) for one in merged] == [
        ("Ninja", GLOBAL),
        ("clio", ORGANIZATION),
        ("graph", GLOBAL),
        ("halo", ORGANIZATION),
    ]
    assert [one.connection_name for one in own] == ["clio", "halo"]
    assert [one.connection_name for one in await repositories.oauth.list(GLOBAL)] == ["Ninja", "graph", "halo"]


async def test_update_changes_what_is_given(repositories: Repositories, clock: SettableClock) -> None:
    """What is not given stays, None clears, status and tokens are untouched; nothing given changes nothing."""
    made = await make(repositories, client_secret_ref=REFERENCE, description="old", scopes="a")
    connected = await repositories.oauth.set_tokens(made, oauth_response_ref="tokens", expires_at=LATER, updated_by="ada")
    clock.advance(seconds=1)
    changed = await repositories.oauth.update(
        OAuthConnectionRef(ORGANIZATION, "halo"),
        updated_by="bob",
        client_id="client-2",
        client_secret_ref=None,
        authorization_url="https://x.example",
        oauth_flow_type=OAuthFlowType.REFRESH_TOKEN,
    )

    assert (changed.client_id, changed.client_secret_ref, changed.authorization_url) == ("client-2", None, "https://x.example")
    assert (changed.oauth_flow_type, changed.description, changed.scopes) == (OAuthFlowType.REFRESH_TOKEN, "old", "a")
    assert (changed.oauth_response_ref, changed.expires_at) == ("tokens", LATER)
    assert (changed.updated_at, changed.updated_by, changed.created_by) == (clock.now, "bob", "ada")
    assert await repositories.oauth.get(ORGANIZATION, "halo") == changed
    assert await repositories.oauth.update(changed, updated_by="eve") == changed
    cleared = await repositories.oauth.update(connected, updated_by="bob", description=None)
    assert (cleared.description, cleared.client_id) == (None, "client-2")


async def test_status_and_message(repositories: Repositories) -> None:
    """A message belongs to its status: the next status brings its own, or none."""
    made = await make(repositories)
    for status in OAuthStatus:
        failed = await repositories.oauth.set_status(
            made, OAuthStatus.FAILED, message="invalid_client – ungültig", updated_by="ada"
        )
        after = await repositories.oauth.set_status(failed, status, updated_by="bob")

        assert (failed.status, failed.status_message) == (OAuthStatus.FAILED, "invalid_client – ungültig")
        assert (after.status, after.status_message, after.updated_by) == (status, None, "bob")
        assert await repositories.oauth.get(ORGANIZATION, "halo") == after


async def test_tokens(repositories: Repositories, clock: SettableClock) -> None:
    """The reference, the expiry in whatever zone it came and the time of the refresh are kept; None takes them away."""
    made = await make(repositories)
    clock.advance(seconds=5)
    east = LATER.astimezone(timezone(timedelta(hours=9)))
    refreshed = await repositories.oauth.set_tokens(made, oauth_response_ref="tokens", expires_at=east, updated_by="ada")
    assert (refreshed.oauth_response_ref, refreshed.expires_at, refreshed.last_refresh_at) == ("tokens", LATER, clock.now)
    assert refreshed.status is OAuthStatus.NOT_CONNECTED
    assert await repositories.oauth.get(ORGANIZATION, "halo") == refreshed
    at = datetime(2025, 3, 4, 5, 6, 7)  # noqa: DTZ001 - a naive time is UTC
    gone = await repositories.oauth.set_tokens(
        refreshed, oauth_response_ref=None, expires_at=None, last_refresh_at=at, updated_by="ada"
    )

    assert (gone.oauth_response_ref, gone.expires_at, gone.last_refresh_at) == (None, None, at.replace(tzinfo=UTC))
    assert await repositories.oauth.get(ORGANIZATION, "halo") == gone


async def test_etags(repositories: Repositories) -> None:
    """With an etag a change is made to exactly that state; without a connection DocumentNotFoundError."""
    old = await make(repositories)
    new = await repositories.oauth.set_status(old, OAuthStatus.TESTING, updated_by="ada", etag=old.etag)
    for change in (
        lambda: repositories.oauth.set_status(old, OAuthStatus.FAILED, updated_by="ada", etag=old.etag),
        lambda: repositories.oauth.update(old, updated_by="ada", scopes="x", etag=old.etag),
        lambda: repositories.oauth.set_tokens(old, oauth_response_ref="x", expires_at=None, updated_by="ada", etag=old.etag),
        lambda: repositories.oauth.delete(ORGANIZATION, "halo", etag=old.etag),
    ):
        with pytest.raises(PreconditionFailedError):
            await change()
    assert await repositories.oauth.get(ORGANIZATION, "halo") == new
    assert await repositories.oauth.delete(ORGANIZATION, "halo", etag=new.etag) is True

    assert await repositories.oauth.delete(ORGANIZATION, "halo") is False
    assert await repositories.oauth.get(ORGANIZATION, "halo") is None
    for gone in (new, OAuthConnectionRef(ORGANIZATION, "halo")):
        with pytest.raises(DocumentNotFoundError):
            await repositories.oauth.set_status(gone, OAuthStatus.TESTING, updated_by="ada")


async def test_a_refresh_and_a_status_at_the_same_time_are_both_kept(repositories: Repositories) -> None:
    """However stale the model they begin with, a token refresh does not undo a status, nor two statuses each other's fields."""
    made = await make(repositories)
    for round_ in range(3):
        name = f"tokens-{round_}"
        results = await at_once(
            3,
            lambda number, name=name: (  # type: ignore[misc]
                repositories.oauth.set_tokens(made, oauth_response_ref=name, expires_at=LATER, updated_by="timer")
                if number == 0
                else repositories.oauth.set_status(made, OAuthStatus.COMPLETED, message=f"{name} {number}", updated_by="ada")
            ),
        )
        assert all(isinstance(result, OAuthConnection) for result in results)
        stored = await repositories.oauth.get(ORGANIZATION, "halo")
        assert stored is not None
        assert (stored.oauth_response_ref, stored.expires_at, stored.status) == (name, LATER, OAuthStatus.COMPLETED)
        assert stored.status_message in (f"{name} 1", f"{name} 2")
        assert stored.record.version.revision == 4 + 3 * round_


async def test_only_one_of_several_creates_wins(repositories: Repositories) -> None:
    """Of connections of one name created at the same time exactly one is stored."""
    results = await at_once(4, lambda number: make(repositories, client_id=f"c{number}", client_secret_ref=f"s{number}"))

    (won,) = [result for result in results if isinstance(result, OAuthConnection)]
    assert all(isinstance(result, OAuthConnection | DocumentExistsError) for result in results)
    assert await repositories.oauth.get(ORGANIZATION, "halo") == won


@given(name=strategies.identifiers, text=strategies.texts, secret=st.booleans())
async def test_any_name_and_text(repositories: Repositories, name: str, text: str, secret: bool) -> None:
    """Connections of any name and with any text are created, read, changed, listed and deleted."""
    ref = "secret-1" if secret else None
    made = await make(repositories, name, client_id=f"c{text}", scopes=text, description=text, client_secret_ref=ref)
    try:
        assert (made.connection_name, made.scopes, made.description) == (name, text, text)
        tokens = await repositories.oauth.set_tokens(made, oauth_response_ref="t-1", expires_at=None, updated_by="ada")
        failed = await repositories.oauth.set_status(tokens, OAuthStatus.FAILED, message=text, updated_by="ada")
        assert failed.status_message == text
        assert await repositories.oauth.get(ORGANIZATION, name) == failed
        assert list(await repositories.oauth.list(ORGANIZATION)) == [failed]
    finally:
        assert await repositories.oauth.delete(ORGANIZATION, name) is True


async def test_names_that_look_like_each_others_rows(repositories: Repositories) -> None:
    """Connections whose names hold each other's endings stay apart: each is read, changed and deleted alone."""
    made = {name: await make(repositories, name, client_secret_ref=f"s{number}") for number, name in enumerate(BESIDE)}
    for name in BESIDE[::2]:
        made[name] = await repositories.oauth.set_tokens(made[name], oauth_response_ref="t", expires_at=None, updated_by="ada")

    assert {one.connection_name: one for one in await repositories.oauth.list(ORGANIZATION)} == made
    for name in BESIDE:
        assert await repositories.oauth.get(ORGANIZATION, name) == made[name]
        assert await repositories.oauth.get(OTHER_ORGANIZATION, name) is None
    await repositories.oauth.delete(ORGANIZATION, "a")
    assert await repositories.oauth.list(ORGANIZATION) == await repositories.oauth.list(ORGANIZATION, include_global=False)
    assert {one.connection_name for one in await repositories.oauth.list(ORGANIZATION)} == set(BESIDE) - {"a"}


async def test_connections_are_no_configuration(repositories: Repositories) -> None:
    """The rows of connections do not show up as configuration values."""
    await make(repositories, client_secret_ref=REFERENCE)

    assert list(await repositories.config.list(ORGANIZATION)) == []


@pytest.mark.parametrize(
    ("name", "fields", "expected", "said"),
    [
        ("", {}, InvalidKeyError, "connection name"),
        ("x" * 129, {}, InvalidKeyError, "128"),
        ("a\ud800", {}, InvalidKeyError, "surrogate"),
        (5, {}, InvalidKeyError, "text"),
        ("n", {"oauth_flow_type": "implicit"}, InvalidRequestError, "oauth_flow_type"),
        ("n", {"client_id": ""}, InvalidRequestError, "client_id"),
        ("n", {"client_id": None}, InvalidRequestError, "client_id"),
        ("n", {"client_id": "\udfff"}, InvalidRequestError, "client_id"),
        ("n", {"token_url": ""}, InvalidRequestError, "token_url"),
        ("n", {"authorization_url": 1}, InvalidRequestError, "authorization_url"),
        ("n", {"scopes": None}, InvalidRequestError, "scopes"),
        ("n", {"redirect_uri": ""}, InvalidRequestError, "redirect_uri"),
        ("n", {"description": b"x"}, InvalidRequestError, "description"),
        ("n", {"client_secret_ref": "hunter 2"}, InvalidRequestError, "Key Vault"),
        ("n", {"client_secret_ref": ""}, InvalidRequestError, "Key Vault"),
        ("n", {"client_secret_ref": "x" * 128}, InvalidRequestError, "Key Vault"),
        ("n", {"created_by": ""}, InvalidKeyError, "created_by"),
        ("n", {"client_id": "x" * 20_000, "scopes": "y" * 20_000}, DocumentTooLargeError, "32000"),
        ("n", {"description": "x" * 32_769}, DocumentTooLargeError, "description"),
    ],
)
async def test_bad_arguments(
    store: StoreUnderTest, repositories: Repositories, name: Any, fields: dict[str, Any], expected: type[Exception], said: str
) -> None:
    """What cannot be a connection is refused before any write, and a mistaken secret is not shown."""
    with pytest.raises(expected, match=said) as caught:
        await make(repositories, name, **fields)
    assert type(caught.value) is expected
    assert "hunter" not in str(caught.value)
    assert await everything(store.backend) == {}


async def test_bad_changes(repositories: Repositories) -> None:
    """A change is held to the same rules; nothing of a refused one is written."""
    made = await make(repositories)
    for change in (
        lambda: repositories.oauth.update(made, updated_by="ada", client_id=""),
        lambda: repositories.oauth.update(made, updated_by="", scopes="x"),
        lambda: repositories.oauth.update(made, updated_by="ada", token_url=None),  # type: ignore[arg-type]
        lambda: repositories.oauth.set_status(made, "done", updated_by="ada"),  # type: ignore[arg-type]
        lambda: repositories.oauth.set_status(made, OAuthStatus.FAILED, message=5, updated_by="ada"),  # type: ignore[arg-type]
        lambda: repositories.oauth.set_status(made, OAuthStatus.FAILED, message="x" * 32_000, updated_by="ada"),
        lambda: repositories.oauth.set_tokens(made, oauth_response_ref="a b", expires_at=None, updated_by="ada"),
        lambda: repositories.oauth.set_tokens(made, oauth_response_ref="a", expires_at="soon", updated_by="ada"),  # type: ignore[arg-type]
        lambda: repositories.oauth.delete(ORGANIZATION, "halo", etag="mine"),
    ):
        with pytest.raises(InvalidRequestError):
            await change()

    assert await repositories.oauth.get(ORGANIZATION, "halo") == made


async def test_bad_scopes(repositories: Repositories) -> None:
    """A scope must be a Scope, and not SYSTEM."""
    for scope in ("GLOBAL", None, SYSTEM):
        with pytest.raises(InvalidKeyError, match="scope"):
            await repositories.oauth.get(scope, "halo")  # type: ignore[arg-type]
        with pytest.raises(InvalidKeyError, match="scope"):
            await repositories.oauth.list(scope)  # type: ignore[arg-type]
