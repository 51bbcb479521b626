"""A store to which something has happened that stays, and an operator who does what the commands name until the platform serves."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final, Literal, cast, get_args

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.clock import utc_now
from bifrost_store.core.record import Key
from bifrost_store.core.version import new_writer
from bifrost_store.errors import AccessDeniedError, BackendUnavailableError, CorruptDocumentError, NotProvisionedError
from bifrost_store.mirroring.journal import Journal
from bifrost_store.routing.copies import CONTROL_KEY, STATE_KEY
from bifrost_store.routing.membership.lease_rows import LeaseRows, LeaseState
from bifrost_store.testing.examples import config
from bifrost_store.testing.model import ModelBackend
from tests.unit.replaced import FATES, befall

Row = Literal["document", "state", "lease", "journal entry"]
Fault = Literal[
    "gone",
    "denied",
    "takes no writes",
    "dropped",
    "emptied",
    "foreign",
    "document lost",
    "document damaged",
    "document unreadable",
    "state damaged",
    "state unreadable",
    "lease damaged",
    "lease unreadable",
    "journal entry damaged",
    "journal entry unreadable",
]
FAULTS: Final[tuple[Fault, ...]] = get_args(Fault)
_READS: Final = ("get", "stored", "query", "aggregate", "scan", "ping")


class RuinedStore:
    """A store whose calls fail as its fault says, until it is restored.

    Args:
        store: What it was.
        fault: What has happened to it.
        name: The name of the backend, for errors.
    """

    def __init__(self, store: ModelBackend, fault: Fault, name: str) -> None:
        self.store = store
        self.fault: Fault | None = fault
        self.unreadable: Key | None = None
        self.name = name

    def __getattr__(self, method: str) -> Any:
        inner = getattr(self.store, method)
        if method.startswith("_") or not callable(inner):
            return inner

        async def call(*arguments: Any, **options: Any) -> Any:
            self._check(method, arguments)
            found = await inner(*arguments, **options)
            return self._damaged(found) if method == "query" else found

        return call

    async def scan(self, resume_token: str | None = None) -> AsyncIterator[Any]:
        self._check("scan", ())
        async for page in self.store.scan(resume_token):
            yield page

    async def provision(self) -> None:
        self._check("provision", ())
        if self.fault == "dropped":
            self.fault = None

    def delete_row(self) -> None:
        """Delete the row that is damaged, past the library."""
        assert self.unreadable is not None
        self.store._records.pop(self.unreadable, None)
        self.unreadable = None

    def _check(self, method: str, arguments: tuple[Any, ...]) -> None:
        if self.fault == "gone":
            raise BackendUnavailableError(f"{self.name} is away", backend=self.name)
        if self.fault == "denied" or (self.fault == "takes no writes" and method not in _READS):
            raise AccessDeniedError(f"{self.name} refuses {method}", backend=self.name)
        if self.fault == "dropped" and method != "provision":
            raise NotProvisionedError(f"{self.name} has no tables", backend=self.name)
        if self.unreadable is not None and str(self.fault).endswith("unreadable"):
            known = [getattr(one, "key", one) for one in arguments]
            if self.unreadable in known:
                raise self._error()

    def _damaged(self, page: Any) -> Any:
        if not str(self.fault).endswith("unreadable") or self.unreadable not in [record.key for record in page]:
            return page
        kept = tuple(record for record in page if record.key != self.unreadable)
        return replace(page, items=kept, unreadable=(*page.unreadable, self._error()))

    def _error(self) -> CorruptDocumentError:
        text = f"{self.unreadable} of {self.name} cannot be read. Fix the row, or delete it"
        return CorruptDocumentError(text, backend=self.name, key=str(self.unreadable))


async def ruin(fault: Fault, store: ModelBackend, name: str) -> RuinedStore:
    """Return *store* after *fault* has happened to it."""
    is_another = fault in ("dropped", "emptied", "foreign")
    ruined = RuinedStore(ModelBackend(clock=utc_now) if is_another else store, fault, name)
    row, _, how = fault.rpartition(" ")
    if fault in FATES:
        await befall(fault, ruined.store, name)
    elif how in ("damaged", "unreadable"):
        key = ruined.unreadable = await _row(cast(Row, row), store)
        found = await store.get(key)
        if found is not None and how == "damaged":
            await store.replace(found.with_body({"rubbish": True}), found.etag)
        elif found is None:
            ruined.unreadable = None
    return ruined


async def _row(row: Row, store: ModelBackend) -> Key:
    backend = cast(Backend, store)
    match row:
        case "document":
            return CONTROL_KEY
        case "state":
            return STATE_KEY
        case "lease":
            return (await LeaseRows(backend).create(new_writer(), LeaseState(process="elsewhere 1 2"))).record.key
        case "journal entry":
            return (await Journal(backend).note([config("pending").key], "for a test"))[0].record.key


def command_in(told: str, *, for_good: bool) -> str | None:
    """Return the command that a `next:` names: the whole of it, or what leads on without a store that is gone for good."""
    if told.startswith("bifrost-store migrate") and ";" not in told:
        return told
    found = re.search(r"(?:for good|was emptied): (bifrost-store migrate [^;,]+)", told) if for_good else None
    return None if found is None else found[1]
