"""Branding: logos and colour. Without await; written by tools/blocking.py."""

from __future__ import annotations

from typing import Protocol

from bifrost_store.core.scope import Scope
from bifrost_store.documents import Branding, LogoShape
from bifrost_store.repository_protocols.branding import Logo


class BlockingBrandings(Protocol):
    """The look of each organization, with GLOBAL's as the fallback. A scope's own branding is taken whole, never mixed."""

    def get(self, scope: Scope) -> Branding:
        """Return the scope's branding, else GLOBAL's, else the defaults: nothing set, updated by ``system``."""
        ...

    def set(self, scope: Scope, *, primary_color: str | None, updated_by: str, etag: str | None = None) -> Branding:
        """Set the colour, or none, and return the scope's branding as stored. The logos stay.

        Raises:
            InvalidRequestError: The colour is neither ``#RGB`` nor ``#RRGGBB``.
        """
        ...

    def save_logo(self, scope: Scope, shape: LogoShape, content: bytes, content_type: str, *, updated_by: str) -> Branding:
        """Store a logo, new or over an old one, and return the scope's branding as stored.

        Readers see the old logo or the new one, whole. If the process dies, the old one stays.

        Args:
            content: A PNG, JPEG or SVG of at most 1 MiB: every page shows it. An SVG holds nothing that a browser would run.
            content_type: What *content* is: ``image/png``, ``image/jpeg`` or ``image/svg+xml``.

        Raises:
            InvalidRequestError: The content is no such image, or an SVG with a script, an ``on...`` attribute or a DOCTYPE.
            DocumentTooLargeError: It has more than 1 MiB.
        """
        ...

    def read_logo(self, scope: Scope, shape: LogoShape) -> Logo | None:
        """Return the logo of what `get` returns for *scope*, or None if that has none of this shape."""
        ...

    def delete_logo(self, scope: Scope, shape: LogoShape, *, updated_by: str) -> bool:
        """Remove the scope's own logo; return whether it had one."""
        ...
