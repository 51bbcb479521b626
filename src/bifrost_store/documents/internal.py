"""The library's own records about where data goes. They live in SYSTEM, each in one store, and no scan meets them."""

from __future__ import annotations

import re
from typing import Final

from bifrost_store.core.spec import DocumentSpec
from bifrost_store.errors import InvalidKeyError

_WORD: Final = re.compile(r"[a-z][a-z0-9-]{0,63}")
_HEX: Final = re.compile(r"[0-9a-f]{16,32}")


def _check_word(text: str) -> None:
    if _WORD.fullmatch(text) is None:
        raise InvalidKeyError(f"control {text[:80]!r}: expected up to 64 lower-case letters, digits and dashes")


def _check_hex(text: str) -> None:
    if _HEX.fullmatch(text) is None:
        raise InvalidKeyError(f"id {text[:80]!r}: expected 16 to 32 hex digits")


CONTROL: Final = DocumentSpec(
    kind="control", scopes="system", column_limit=None, has_extra=False, is_internal=True, check_id=_check_word
)
"""Where data goes: ``control``, and what is kept beside it under names of its own, such as a phase and its cursors."""

LEASE: Final = DocumentSpec(
    kind="lease", scopes="system", column_limit=None, has_extra=False, is_internal=True, check_id=_check_hex
)
"""A process that serves from this store; its id is the writer that its write ids begin with (`core.attempts.Attempt`)."""

JOURNAL: Final = DocumentSpec(
    kind="journal",
    fields=frozenset({"recordKind", "recordScope", "recordId", "writer", "reason", "failures", "notedAt"}),
    queryable=frozenset({"recordKind", "recordScope", "writer"}),
    scopes="system",
    has_extra=False,
    is_internal=True,
    check_id=_check_hex,
)
"""What the other store may not have: a key, without content, or everything that one writer wrote last. See `mirroring.journal`."""

FEED_LEASE: Final = DocumentSpec(
    kind="feed_lease",
    queryable=frozenset({"processor"}),
    scopes="system",
    has_extra=False,
    is_internal=True,
    check_id=_check_hex,
)
"""How far a processor has come in a range of a feed of this store, and which process goes on there. See `changefeed.leases`."""

FEED_DEAD_LETTER: Final = DocumentSpec(
    kind="feed_dead_letter",
    queryable=frozenset({"processor"}),
    scopes="system",
    has_extra=False,
    is_internal=True,
    check_id=_check_hex,
)
"""A feed item that a processor went past, as its handler could not take it: what it is and why, without content."""

INTERNAL_SPECS: Final = (CONTROL, LEASE, JOURNAL, FEED_LEASE, FEED_DEAD_LETTER)
