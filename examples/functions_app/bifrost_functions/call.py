"""One request as handlers see it: who calls, for which organization, and what was sent."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import azure.functions as func

from bifrost_functions.refusals import bad_request, forbidden, unauthorized
from bifrost_store import GLOBAL, Scope, Store

_CAPITAL = re.compile(r"[A-Z]")
_SLASH = re.compile("%2f", re.IGNORECASE)


@dataclass(frozen=True)
class Call:
    """A request.

    Who calls is taken from headers, which whatever authenticates in front of the application sets and strips from the outside:
    ``X-Organization-Id`` (none: GLOBAL), ``X-User-Id``, ``X-User-Name``, ``X-Platform-Admin``.
    """

    store: Store
    request: func.HttpRequest

    @property
    def scope(self) -> Scope:
        """The organization's scope, or GLOBAL."""
        organization_id = self.header("X-Organization-Id")
        return GLOBAL if organization_id is None else Scope.organization(organization_id)

    @property
    def user_id(self) -> str:
        """Who calls; empty where nobody is known, which only open endpoints meet."""
        return self.header("X-User-Id") or ""

    @property
    def user_name(self) -> str:
        """How the caller is shown."""
        return self.header("X-User-Name") or self.user_id.partition("@")[0]

    @property
    def is_admin(self) -> bool:
        """Whether the caller is a platform admin."""
        return self.header("X-Platform-Admin") == "true"

    @property
    def etag(self) -> str | None:
        """The state that the client expects, from ``If-Match``."""
        value = self.header("If-Match")
        return None if value is None or value == "*" else value.strip('"')

    def demand_user(self) -> None:
        """Refuse a caller who is not known."""
        if not self.user_id:
            raise unauthorized("the header X-User-Id is missing")

    def demand_admin(self) -> None:
        """Refuse everybody but platform admins."""
        if not self.is_admin:
            raise forbidden("only platform admins may do this")

    def header(self, name: str) -> str | None:
        """Return a header, or None if there is none."""
        found: str | None = self.request.headers.get(name)
        return found

    def path(self, name: str) -> str:
        """Return a part of the route. The host has decoded it, but for slashes."""
        return _SLASH.sub("/", str(self.request.route_params[name]))

    def query(self, name: str) -> str | None:
        """Return a parameter of the URL, or None."""
        found: str | None = self.request.params.get(name)
        return found

    def flag(self, name: str, default: bool) -> bool:
        """Return a parameter that is ``true`` or ``false``."""
        text = self.query(name)
        if text not in (None, "true", "false"):
            raise bad_request(f"{name}: must be true or false")
        return default if text is None else text == "true"

    def page(self) -> dict[str, Any]:
        """Return the arguments of a paged list: ``limit`` and ``continuationToken``."""
        limit = self.count("limit")
        return {"continuation_token": self.query("continuationToken"), **({} if limit is None else {"limit": limit})}

    def count(self, name: str) -> int | None:
        """Return a parameter that is a whole number, or None."""
        text = self.query(name)
        if text is not None and not (text.isascii() and text.isdecimal()):
            raise bad_request(f"{name}: must be a whole number")
        return None if text is None else int(text)

    def moment(self, name: str) -> datetime | None:
        """Return a parameter that is a date and time, or None."""
        return _moment(name, self.query(name))

    def body(
        self, *, required: Collection[str] = (), optional: Collection[str] = (), times: Collection[str] = ()
    ) -> dict[str, Any]:
        """Return the members of the JSON body as keyword arguments: ``displayName`` is ``display_name`` there.

        Members that are neither *required* nor *optional* are refused; *times* among them are dates and times.
        """
        try:
            content = json.loads(self.request.get_body() or b"{}")
        except (ValueError, RecursionError):
            raise bad_request("the body is not JSON") from None
        if not isinstance(content, dict):
            raise bad_request("the body must be a JSON object")
        unknown = content.keys() - {*required, *optional}
        missing = set(required) - content.keys()
        if unknown or missing:
            said = [f"unknown: {', '.join(sorted(unknown))[:200]}"] if unknown else []
            said += [f"missing: {', '.join(sorted(missing))}"] if missing else []
            raise bad_request(f"the body has not the members it should have; {'; '.join(said)}")
        return {_snake(name): _moment(name, value) if name in times else value for name, value in content.items()}


def _snake(name: str) -> str:
    return _CAPITAL.sub(lambda match: f"_{match[0].lower()}", name)


def _moment(name: str, value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise bad_request(f"{name}: must be a date and time as in 2025-11-20T12:00:00Z") from None
