"""The page where runs are watched: one ASGI application with a JSON API over the repositories, and the built page.

Source of the page is the top-level folder `web/`; what is built from it lies in `page/`.
"""

from __future__ import annotations

from bifrost_store.console.access import Access, Principal
from bifrost_store.console.application import console_app

__all__ = ["Access", "Principal", "console_app"]
