"""How an organization, or the whole platform, looks: its logos and its colour."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Final

from typing_extensions import override

from bifrost_store.core.record import Body, Key, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.core.spec import DocumentSpec
from bifrost_store.documents.base import Document, UtcTime
from bifrost_store.errors import InvalidKeyError

BRANDING_ID: Final = "branding"


class LogoShape(StrEnum):
    """Which of the two logos."""

    SQUARE = "square"
    RECTANGLE = "rectangle"

    @property
    def url_field(self) -> str:
        """The field of a body that holds the logo's stored address."""
        return f"{self}LogoUrl"


def branding_key(scope: Scope) -> Key:
    """Return the key of a scope's branding."""
    return Key("branding", scope, BRANDING_ID)


def _check_id(text: str) -> None:
    if text != BRANDING_ID:
        raise InvalidKeyError(f"branding id: must be {BRANDING_ID!r}; a scope has one branding")


class Branding(Document):
    """The look of a scope.

    The stored record holds the logos' absolute addresses for the old application, and in ``logos`` the blobs that it names.

    Attributes:
        etag: Empty where nothing is stored and these are the defaults.
        square_logo_url, rectangle_logo_url: ``/api/branding/logo-proxy/<partition key>/<shape>``, or None without a logo.
        primary_color: ``#RGB`` or ``#RRGGBB``, or None.
    """

    spec: ClassVar[DocumentSpec] = DocumentSpec(
        kind="branding",
        fields=frozenset({"squareLogoUrl", "rectangleLogoUrl", "primaryColor", "updatedBy", "updatedAt", "logos"}),
        unindexed=("logos/*",),
        check_id=_check_id,
    )

    square_logo_url: str | None = None
    rectangle_logo_url: str | None = None
    primary_color: str | None = None
    updated_by: str | None = None
    updated_at: UtcTime | None = None

    @classmethod
    @override
    def identity(cls, record: Record) -> Body:
        scope = record.key.scope
        urls = {shape.url_field: _proxied(scope, shape) if record.body[shape.url_field] else None for shape in LogoShape}
        return {"scope": scope, **urls}

    @classmethod
    def default(cls) -> Branding:
        """Return what holds where nothing is stored."""
        return cls(scope=GLOBAL, updated_by="system")


def _proxied(scope: Scope, shape: LogoShape) -> str:
    return f"/api/branding/logo-proxy/{scope.partition_key}/{shape}"
