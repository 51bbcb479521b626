"""Config ``bifrost-store:``, in SYSTEM: the library's own records, which no kind of today's layout may claim."""

from __future__ import annotations

from bifrost_store.backends.table.mappings.document import DocumentMapping
from bifrost_store.core.spec import DocumentSpec

INTERNAL_PREFIX = "bifrost-store:"
_OF_ALL = "control"


class InternalMapping(DocumentMapping):
    """``bifrost-store:control``, and what is kept beside it; other kinds after a further word: ``bifrost-store:lease:<id>``."""

    table = "Config"

    def __init__(self, spec: DocumentSpec) -> None:
        super().__init__(spec)
        self.prefix = INTERNAL_PREFIX if spec.kind == _OF_ALL else f"{INTERNAL_PREFIX}{spec.kind}:"  # type: ignore[misc]  # as there
