"""Every backend at once: the same operations in any sequence give the same answers, and leave the same records."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any, ClassVar, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.operations import Apply, Create, Delete, Operation, Replace
from bifrost_store.core.page import Page
from bifrost_store.core.query import Eq, Group, In, Query
from bifrost_store.core.record import Key, Record
from bifrost_store.core.scope import GLOBAL
from bifrost_store.core.version import Etag, Version, new_write_id
from bifrost_store.documents import SPECS
from bifrost_store.errors import StoreError
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, config, execution, membership, touched, user
from bifrost_store.testing.harness import Harness
from bifrost_store.testing.model import ModelBackend
from bifrost_store.testing.strict import exactly
from bifrost_store.wrappers.checked import CheckedBackend

T = TypeVar("T")

MODEL: Final = "model"
_POOL: Final = (
    execution(1),
    execution(1, started_at=START - timedelta(days=2), status="Failed", durationMs=5),
    execution(1, scope=GLOBAL, executedBy="a@b.com", formId="f/1"),
    execution(2, executedBy="a@b.co", workflowName="a/b'c", status="Pending"),
    config("%%2F/\x00"),
    config("%%2F/\x00", scope=GLOBAL),
    config("theme"),
    membership("kim#EXT#@contoso.com"),
    membership("a@b.co"),
    user("a@b.co"),
    user("a@b.com"),
)
"""Few keys, so that operations meet; among them one execution in two places of the order."""
_QUERIES: Final = (
    Query("execution", ORGANIZATION),
    Query("execution", GLOBAL, (Eq("executedBy", "a@b.co"),)),
    Query("execution", ORGANIZATION, (In("status", ("Pending", "Failed")), Eq("formId", None))),
    Query("execution", None),
    Query("config", ORGANIZATION),
    Query("config", None, (Eq("configType", "string"),)),
    Query("membership", ORGANIZATION),
    Query("membership", None, (Eq("email", "a@b.co"),)),
    Query("user", GLOBAL, (Eq("isActive", True),)),
)

records = st.builds(
    lambda record, number, expiry: replace(touched(record, number) if number else record, expires_at=expiry),
    st.sampled_from(_POOL),
    st.integers(0, 2),
    st.sampled_from([None, "never", START + timedelta(seconds=2), START + timedelta(seconds=5)]),
)
keys = st.sampled_from(sorted({record.key for record in _POOL}, key=str))
versions = st.builds(lambda revision, epoch: Version(revision, new_write_id(), epoch), st.integers(1, 6), st.integers(0, 2))
choices = st.integers(0, 1000)
_OPERATIONS: Final = st.sampled_from(["create", "replace", "delete", "apply"])


class BackendsMachine(RuleBasedStateMachine):
    """Drives the stores of all harnesses, and the model, with one clock.

    Attributes:
        harnesses: What to open; set by `test_every_sequence_gives_the_same_answers`.
        runner: The event loop of all of them.
    """

    harnesses: ClassVar[Sequence[Harness]]
    runner: ClassVar[asyncio.Runner]

    def __init__(self) -> None:
        super().__init__()
        self._clock = SettableClock()
        self._stack = AsyncExitStack()
        self._backends: dict[str, Backend] = self.runner.run(self._open())
        self._etags: dict[Key, list[dict[str, Etag]]] = {}
        self._differs = False

    async def _open(self) -> dict[str, Backend]:
        opened: dict[str, Backend] = {MODEL: CheckedBackend(ModelBackend(clock=self._clock), SPECS)}
        for harness in self.harnesses:
            store = await self._stack.enter_async_context(harness.open_empty(self._clock))
            opened[harness.name] = store.backend
        return opened

    @override
    def teardown(self) -> None:
        """Compare every record of every store with the model's, then close all."""
        try:
            if not self._differs:
                self._same(lambda _, backend: everything(backend))
        finally:
            self.runner.run(self._stack.aclose())

    # What is written

    @rule(record=records)
    def create(self, record: Record) -> None:
        """A create, of what may or may not be there."""
        self._learn(record.key, self._same(lambda _, backend: backend.create(record)))

    @precondition(lambda self: self._etags)
    @rule(record=records, which=choices)
    def replace(self, record: Record, which: int) -> None:
        """A replace under some etag of the past; with the sort key that is stored."""
        etags = self._some_etags(record.key, which)
        if etags is not None:
            given = self._placed(record)
            self._learn(record.key, self._same(lambda name, backend: backend.replace(given, etags[name])))

    @rule(key=keys, which=st.none() | choices)
    def delete(self, key: Key, which: int | None) -> None:
        """A delete, of any state or of one state of the past."""
        etags = None if which is None else self._some_etags(key, which)
        self._same(lambda name, backend: backend.delete(key, expected=None if etags is None else etags[name]))

    @rule(record=records, version=versions, is_tombstone=st.booleans())
    def apply(self, record: Record, version: Version, is_tombstone: bool) -> None:
        """A write from elsewhere: early, late or just in time."""
        given = _as_of(record, version, is_tombstone)
        self._same(lambda _, backend: backend.apply(given))

    @rule(record=records, version=versions, is_tombstone=st.booleans())
    def apply_over(self, record: Record, version: Version, is_tombstone: bool) -> None:
        """A write over exactly what is stored, whatever its version."""
        given = _as_of(record, version, is_tombstone)

        async def call(_: str, backend: Backend) -> bool | None:
            stored = (await everything(backend)).get(record.key)
            return None if stored is None else await backend.apply(given, over=stored.native_etag)

        self._same(call)

    @rule(writes=st.lists(st.tuples(records, _OPERATIONS, versions, choices), min_size=1, max_size=4))
    def batch(self, writes: list[tuple[Record, str, Version, int]]) -> None:
        """Several writes of one kind and scope, all or nothing."""
        first = writes[0][0].key
        chosen = {one[0].key: one for one in writes if (one[0].key.kind, one[0].key.scope) == (first.kind, first.scope)}
        operations = {name: [self._operation(name, *one) for one in chosen.values()] for name in self._backends}
        results = self._same(lambda name, backend: backend.batch(operations[name]))
        for number, key in enumerate(chosen):
            written = {name: done[number] for name, done in results.items() if isinstance(done[number], Record)}
            self._learn(key, written)

    @rule(source=choices)
    def carry_over(self, source: int) -> None:
        """All records of one store are carried to the others by `apply`; its etags then hold everywhere."""
        names = sorted(self._backends)
        origin = names[source % len(names)]

        async def copy() -> dict[Key, Record]:
            carried = await everything(self._backends[origin])
            for name in names:
                if name != origin:
                    await _make_equal(self._backends[name], carried)
            return carried

        for states in self._etags.values():
            states[:] = [dict.fromkeys(names, etags[origin]) for etags in states]
        for key, record in self.runner.run(copy()).items():
            if not record.is_tombstone:
                self._etags.setdefault(key, []).append(dict.fromkeys(names, record.etag))

    @rule(seconds=st.sampled_from([0.5, 1, 3]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self._clock.advance(seconds=seconds)

    @rule(kind=st.sampled_from(["execution", "config", "membership", "user"]))
    def purge(self, kind: str) -> None:
        """Expired records are removed for good."""

        async def call(_: str, backend: Backend) -> list[str]:
            return sorted(str(record.key) for record in await backend.purge_expired(kind=kind))

        self._same(call)

    # What is read

    @rule(key=keys, falls_back=st.booleans())
    def get(self, key: Key, falls_back: bool) -> None:
        """A read, with GLOBAL as fallback where the kind has one."""
        fallback = GLOBAL if falls_back and key.kind in ("execution", "config") else None
        found = self._same(lambda _, backend: backend.get(key, fallback=fallback))
        self._learn(key, {name: record for name, record in found.items() if isinstance(record, Record) and record.key == key})

    @rule(query=st.sampled_from(_QUERIES), limit=st.sampled_from([1, 2, 500]))
    def query(self, query: Query, limit: int) -> None:
        """A list, page by page, each page continued on every backend with one backend's token."""
        following: str | None = None
        while True:
            page = replace(query, limit=limit, continuation_token=following)
            found = self._same(lambda _, backend, page=page: backend.query(page))  # type: ignore[misc]
            following = found[MODEL].continuation_token
            if following is None:
                return

    @rule(query=st.sampled_from(_QUERIES[:4]), group_by=st.sampled_from([(), ("status",), ("formId", "status")]))
    def aggregate(self, query: Query, group_by: tuple[str, ...]) -> None:
        """Counts, sums and a histogram."""
        field = "durationMs"
        self._same(lambda _, backend: backend.aggregate(query, group_by=group_by, sum_of=(field,), histogram_of=field))

    # How answers are compared

    def _same(self, call: Callable[[str, Backend], Awaitable[Any]]) -> dict[str, Any]:
        """Make *call* on every backend, demand equal answers, and return them; none, if all raised the same error."""
        answers = {name: self.runner.run(_answer(call(name, backend))) for name, backend in self._backends.items()}
        shown = {name: _comparable(answer) for name, answer in answers.items()}
        self._differs = any(answer != shown[MODEL] for answer in shown.values())
        for name, answer in shown.items():
            assert answer == shown[MODEL], f"{name} differs from the model"
        return {} if isinstance(answers[MODEL], StoreError) else answers

    def _learn(self, key: Key, answers: dict[str, Any]) -> None:
        if answers:
            self._etags.setdefault(key, []).append({name: record.etag for name, record in answers.items()})

    def _some_etags(self, key: Key, which: int) -> dict[str, Etag] | None:
        """Return etags of one state that every backend was in; the latest more often than not."""
        known = self._etags.get(key)
        return None if not known else known[-1] if which % 2 else known[which % len(known)]

    def _placed(self, record: Record) -> Record:
        """Return *record* with the sort key and start that are stored: replace never moves a record."""
        stored = self.runner.run(_awaited(self._backends[MODEL].get(record.key)))
        if stored is None or "startedAt" not in record.body:
            return record
        return replace(record, sort_key=stored.sort_key, body={**record.body, "startedAt": stored.body["startedAt"]})

    def _operation(self, name: str, record: Record, what: str, version: Version, which: int) -> Operation:
        etags = self._some_etags(record.key, which)
        match what:
            case "replace" if etags is not None:
                return Replace(self._placed(record), etags[name])
            case "delete":
                return Delete(record.key, None if etags is None or which % 3 else etags[name])
            case "apply":
                return Apply(_as_of(record, version, is_tombstone=which % 2 == 0))
            case _:
                return Create(record)


def _as_of(record: Record, version: Version, is_tombstone: bool) -> Record:
    return record.tombstone(version) if is_tombstone else replace(record, version=version)


async def _make_equal(backend: Backend, wanted: Mapping[Key, Record]) -> None:
    """Make versions equal too, where content is already: write ids differ as long as each backend makes its own."""
    stored = await everything(backend)
    assert stored.keys() == wanted.keys()
    for key, record in wanted.items():
        if stored[key].version != record.version:
            assert await backend.apply(record, over=stored[key].native_etag) is True


async def _awaited(awaitable: Awaitable[T]) -> T:
    return await awaitable


async def _answer(awaitable: Awaitable[Any]) -> Any:
    try:
        return await awaitable
    except StoreError as error:
        return error


def _comparable(answer: Any) -> Any:
    """Return what must be equal on every backend: all of it but write ids, native etags, and who answered."""
    match answer:
        case StoreError():
            return (type(answer).__name__, answer.key, answer.is_retryable)
        case Record():
            return exactly(answer, with_write_id=False)
        case Page():
            return ([_comparable(record) for record in answer], answer.continuation_token, len(answer.unreadable))
        case Group():
            return (repr(answer.values), answer.count, answer.sums, answer.sum_counts, answer.histogram)
        case list():
            return [_comparable(one) for one in answer]
        case dict():
            return {str(key): _comparable(one) for key, one in answer.items()}
        case _:
            return answer


def test_every_sequence_gives_the_same_answers(harnesses: Sequence[Harness]) -> None:
    """Whatever is done in whatever order, every backend answers as the model does, and holds the same records at the end."""
    with asyncio.Runner() as runner:
        machine = type("Machine", (BackendsMachine,), {"harnesses": harnesses, "runner": runner})
        run_state_machine_as_test(machine)
