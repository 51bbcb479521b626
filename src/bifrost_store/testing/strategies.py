"""Hypothesis strategies for everything that callers may pass and every backend must keep."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from hypothesis import strategies as st

from bifrost_store.core.clock import format_time
from bifrost_store.core.json import MAX_DEPTH, load_json
from bifrost_store.core.record import NEVER, Body, Expiry
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents.config import OAUTH_KEY
from bifrost_store.testing.clock import START

Strategy = st.SearchStrategy

HOSTILE_TEXTS: Final = (
    "GLOBAL", "SYSTEM", "org-GLOBAL", "GLOBAL:", ":", "::", ";", "~", "|", "bs-exec:x", "bs-tomb:user:x", "bs-located",
    "user:", "userperm:", "orgperm:o-1:a@b.co", "status:Running:e-1", "execution:9", "bifrost-store:control",
    "a@b.co", "a@b.com", "a@b.co:o-1", "a@b.co'", "a@b.co\x00", "A@B.CO", "a@b.co ", " a@b.co", "a+b@b.co",
    "scripts/x.py", "..", ".", "../../etc", "a\\b", "a#b", "a?b=c", "a&b", "#ext#@b.co", "%", "%%", "%2F", "%%2F", "%252F", "%%%2F",
    "%00", "%L", "%%L", "%u2028", "\\u002f", "'", "''", '"', "' or 1 eq 1 or PartitionKey eq '", "x' or RowKey ge '",
    "'; DROP TABLE records; --", "@p0", "@p", ":p0", "?1", "$filter", "$.status", "{}", "[]", "null", "true", "0", "-1", "1e999",
    "\x00", "\x01", "\x01\x01", "\x1f", "\x7f", "\x85", "\x9f", "\t", "\n", "\r\n", "--changeset",
    "\u2028", "\u2029", "\xa0", "\xad",
    "é", "e\u0301", "ﬁ", "ß", "İ", "ı", "Å", "\u0301", "🙂", "👩‍👩‍👧‍👧", "𝒳", "שלום", "\u202eabc", "\u200b", "\ufeff",
    "\ue000", "\U0010ffff",
    "\ufffe", "\uffff", "\ufdd0", "\ufffd", "漢字" * 64, "/" * 128, "🙂" * 128, "a" * 128,
)  # fmt: skip
"""What has broken keys, filters, paths and parsers somewhere: escapes, separators, injections, our own prefixes."""

ORGANIZATIONS: Final = ("o-1", "o-2", "6f1b2c3d-0000-4000-8000-00000000abcd")
_INT32: Final = st.integers(0, 2**31 - 1)

_CHARACTERS: Final = st.characters(exclude_categories=["Cs"])

texts: Strategy[str] = st.text(_CHARACTERS, max_size=40) | st.sampled_from(HOSTILE_TEXTS)
"""Any Unicode text."""

identifiers: Strategy[str] = st.one_of(
    st.sampled_from(HOSTILE_TEXTS),
    st.text(_CHARACTERS, min_size=1, max_size=128),
    st.builds(lambda a, b: (a + b)[:128], st.sampled_from(HOSTILE_TEXTS), st.sampled_from(HOSTILE_TEXTS)),
)
"""1 to 128 characters of any kind."""

emails: Strategy[str] = identifiers.map(lambda text: text if "@" in text else f"{text[:126]}@x")
"""Identifiers that a new user may have."""

execution_ids: Strategy[str] = st.from_regex(r"[A-Za-z0-9-]{1,64}", fullmatch=True) | st.uuids().map(str)
organization_ids: Strategy[str] = st.from_regex(r"[A-Za-z0-9-]{1,36}", fullmatch=True).filter(
    lambda t: t not in ("GLOBAL", "SYSTEM")
)
config_keys: Strategy[str] = identifiers.filter(lambda text: OAUTH_KEY.fullmatch(text) is None)
"""Identifiers but for those that belong to OAuth connections."""
tenants: Strategy[Scope] = st.sampled_from([GLOBAL, *map(Scope.organization, ORGANIZATIONS)])
organizations: Strategy[Scope] = st.sampled_from([Scope.organization(id_) for id_ in ORGANIZATIONS])

moments: Strategy[datetime] = st.datetimes(datetime(1970, 1, 1), datetime(2286, 11, 1), timezones=st.just(UTC))  # noqa: DTZ001
"""Times to the microsecond."""
times: Strategy[str] = (moments | moments.map(lambda moment: moment.replace(microsecond=0))).map(format_time)
"""Times as bodies hold them."""
expiries: Strategy[Expiry] = st.one_of(
    st.none(),
    st.just(NEVER),
    st.integers(1, 10**15).map(lambda us: START + timedelta(microseconds=us)),
)
"""What has not passed while the clock stands at its start."""

numbers: Strategy[int | float] = st.one_of(
    st.integers(),
    st.sampled_from([0, 1, -1, 2**31, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, -(2**63) - 1, 2**64, 10**30, -(10**400)]),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 5e-324, 1.7976931348623157e308, 0.1, 1e16, 2.0**53, 1e22]),
)


def nested(value: Any, depth: int) -> Any:
    """Return *value* inside *depth* lists and objects."""
    for level in range(depth):
        value = [value] if level % 2 else {"n": value}
    return value


json_values: Strategy[Any] = st.recursive(
    st.none() | st.booleans() | numbers | texts | st.sampled_from([[], {}]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
"""Any JSON value that Python holds."""
json_objects: Strategy[dict[str, Any]] = st.dictionaries(texts, json_values, max_size=4) | st.builds(
    lambda value, depth: {"deep": nested(value, depth)}, numbers, st.integers(90, MAX_DEPTH - 1)
)


def is_json(text: str) -> bool:
    try:
        load_json(text)
    except ValueError:
        return False
    return True


def payload(size: int, filler: str = "x") -> str:
    """Return a text of *size* bytes."""
    unit = len(filler.encode())
    return filler * (size // unit) + "x" * (size % unit)


_binary = st.binary(max_size=20).map(lambda data: {"type": "Edm.Binary", "value": base64.b64encode(data).decode()})
_columns = st.one_of(
    texts,
    st.booleans().map(lambda value: {"type": "Edm.Boolean", "value": value}),
    st.integers(-(2**31), 2**31 - 1).map(lambda value: {"type": "Edm.Int32", "value": value}),
    st.integers(-(2**63), 2**63 - 1).map(lambda value: {"type": "Edm.Int64", "value": str(value)}),
    # Azurite has no negative zero: adding 0.0 makes it a positive one.
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: {"type": "Edm.Double", "value": value + 0.0}),
    st.uuids().map(lambda value: {"type": "Edm.Guid", "value": str(value)}),
    moments.map(lambda value: {"type": "Edm.DateTime", "value": f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond:06}7Z"}),
    _binary,
)
extras: Strategy[Body] = st.dictionaries(st.from_regex(r"X[A-Za-z0-9_]{1,30}", fullmatch=True), _columns, max_size=3)
"""Columns of today's rows that no field claims, as `Record.extra` holds them."""
