"""Users and who belongs to which organization."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from bifrost_store.core.page import Page
from bifrost_store.core.unset import UNSET, Unset
from bifrost_store.documents import Membership, User, UserType


class Users(Protocol):
    """Users and their memberships. A user's id is the e-mail exactly as given, letter case included.

    An organization is named by its id and need not exist, here as wherever a scope is given: deleting one leaves its users, forms
    and executions, and nothing could keep another process from deleting it in between.
    """

    async def create(
        self,
        email: str,
        *,
        display_name: str | None = None,
        user_type: UserType = UserType.ORG,
        is_platform_admin: bool = False,
        organization_id: str | None = None,
        created_by: str = "system",
        entra_user_id: str | None = None,
        is_active: bool = True,
    ) -> User:
        """Store a new user, with *organization_id* also a member of that organization.

        The membership is written first: a crash between leaves a membership without a user, which no list shows and a
        repeated call completes. ``last_login`` is the time of creation.

        Args:
            display_name: By default the part of the e-mail before ``@``.

        Raises:
            InvalidKeyError: *email* has no ``@``. Stored users whose e-mail has none are read and changed like any other.
            InvalidRequestError: A platform admin of type ORG, or a PLATFORM user with an organization.
            DocumentExistsError: The e-mail is taken.
        """
        ...

    async def get(self, email: str) -> User | None:
        """Return the user, active or not, or None. A point read (one more request for rows of the old application)."""
        ...

    async def find_by_entra_id(self, entra_user_id: str) -> User | None:
        """Return the first user by e-mail whose ``entra_user_id`` equals this, or None."""
        ...

    async def list(self, *, by_last_login: bool = False) -> Page[User]:
        """Return everyone by display name, then e-mail; or the latest login first, then e-mail, who never did last."""
        ...

    async def list_organization(self, organization_id: str, *, by_last_login: bool = False) -> Page[User]:
        """Return the members of one organization that exist as users, in the order of `list`. Two requests."""
        ...

    async def update(
        self,
        email: str,
        *,
        display_name: str | Unset = UNSET,
        is_active: bool | Unset = UNSET,
        entra_user_id: str | None | Unset = UNSET,
        last_entra_id_sync: datetime | None | Unset = UNSET,
        etag: str | None = None,
    ) -> User:
        """Change the given fields and return the user as stored.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    async def promote(self, email: str, *, etag: str | None = None) -> User:
        """Make the user a platform admin of type PLATFORM and end all memberships. Repeating it completes what a crash left.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    async def demote(self, email: str, organization_id: str, *, demoted_by: str = "system", etag: str | None = None) -> User:
        """Make the user an ordinary member (type ORG) of an organization. Repeating it completes what a crash left.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    async def rename(self, email: str, new_email: str) -> User:
        """Move the user and the memberships to another e-mail and return the user as stored.

        Ordered steps, each safe to repeat: the new user, the new memberships, the old memberships, the old user. After a
        crash both may exist; the same call again completes the move. Executions and ``created_by`` fields keep the old
        e-mail.

        Raises:
            DocumentNotFoundError: There is no such user.
            InvalidKeyError: *new_email* has no ``@``.
            DocumentExistsError: *new_email* belongs to someone else.
        """
        ...

    async def record_login(self, email: str, *, at: datetime | None = None) -> User:
        """Set ``last_login`` (by default to now), unless a later one is stored.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    async def any_exist(self) -> bool:
        """Return whether there is at least one user."""
        ...

    async def delete(self, email: str, *, etag: str | None = None) -> bool:
        """End all memberships, then delete the user. Return whether the user was there."""
        ...

    async def assign(self, email: str, organization_id: str, *, created_by: str) -> Membership:
        """Make the user a member; one who is already keeps the membership as it was.

        Raises:
            DocumentNotFoundError: There is no such user.
            InvalidRequestError: The user is a PLATFORM user.
        """
        ...

    async def unassign(self, email: str, organization_id: str) -> bool:
        """End a membership; return whether there was one."""
        ...

    async def memberships(self, email: str) -> Page[Membership]:
        """Return the organizations that the user belongs to, by organization id. Off hot paths: asks across scopes."""
        ...

    async def members(self, organization_id: str) -> Page[Membership]:
        """Return the memberships of an organization by e-mail, also of users that do not exist."""
        ...
