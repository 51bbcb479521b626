"""Large payloads: walked, written and read on other threads, and refused beyond the limit before anything is stored."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store import GLOBAL, Store, StoreSettings, open_store
from bifrost_store.blobs.folder import FolderBlobStore
from bifrost_store.blobs.protocol import EXECUTION_DATA
from bifrost_store.core.json import copy_json, dump_json, is_longer, load_json, load_large_json, same_json
from bifrost_store.documents import ConfigType, Execution, ExecutionStatus
from bifrost_store.errors import DocumentTooLargeError, InvalidRequestError
from bifrost_store.protocols import ExecutionRef, Executions
from bifrost_store.repositories.executions import payload_blobs, payloads
from bifrost_store.repositories.executions.payloads import LARGE_CHARACTERS, MAX_PAYLOAD_BYTES
from bifrost_store.testing import strategies
from bifrost_store.testing.strict import exact_json

pytestmark = pytest.mark.anyio

REF = ExecutionRef(GLOBAL, "e-1")
OVER = MAX_PAYLOAD_BYTES // 1_048_576 + 1
"""Mebibytes."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(StoreSettings(sqlite_path=str(tmp_path / "store.db"), realtime="off")) as opened:
        yield opened


class Watched(dict[str, Any]):
    """An object that tells on which threads it was walked."""

    threads: set[int]

    def items(self) -> Any:
        self.threads.add(threading.get_ident())
        return super().items()


def watched(size: int) -> Watched:
    value = Watched(text="x" * size)
    value.threads = set()
    return value


async def start(executions: Executions, **given: Any) -> Execution:
    return await executions.create(GLOBAL, workflow_name="w", executed_by="u", executed_by_name="U", execution_id="e-1", **given)


Save = Callable[[Executions, Any], Awaitable[object]]
SAVES: dict[str, Save] = {
    "create": lambda executions, value: start(executions, input_data=value),
    "complete": lambda executions, value: executions.complete(REF, ExecutionStatus.SUCCESS, result=value),
    "result": lambda executions, value: executions.save_result(REF, value),
    "result in a list": lambda executions, value: executions.save_result(REF, [value]),
    "logs": lambda executions, value: executions.save_logs(REF, [value]),
    "variables": lambda executions, value: executions.save_variables(REF, value),
    "snapshot": lambda executions, value: executions.save_snapshot(REF, [value]),
}


@pytest.mark.parametrize("name", SAVES)
async def test_large_values_are_walked_elsewhere(store: Store, name: str) -> None:
    """No code of ours goes through a large value on the event loop's thread; a small one stays there."""
    if name != "create":
        await start(store.executions)
    small, large = watched(100), watched(LARGE_CHARACTERS)
    if name != "create":
        await SAVES[name](store.executions, {"inner": small})
        assert small.threads == {threading.get_ident()}
    if name == "complete":
        await store.executions.delete(GLOBAL, "e-1")
        await start(store.executions)
    await SAVES[name](store.executions, {"inner": large})

    assert large.threads
    assert threading.get_ident() not in large.threads


async def test_large_values_are_read_and_compared_elsewhere(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blobs that are large are parsed on other threads, and so is a repeated call's value compared with what is stored."""
    threads: dict[str, set[int]] = {}

    def watch(module: Any, function: str) -> None:
        real = getattr(module, function)

        def call(*args: Any) -> Any:
            threads.setdefault(function, set()).add(threading.get_ident())
            return real(*args)

        monkeypatch.setattr(module, function, call)

    value = {"text": "x" * LARGE_CHARACTERS, "more": "y" * 40_000}
    await start(store.executions, input_data=value)
    await store.executions.save_logs(REF, [value])
    await store.executions.save_variables(REF, value)
    await store.executions.save_snapshot(REF, [value])
    await store.executions.complete(REF, ExecutionStatus.FAILED, error_message="z" * 40_000, result=value)
    watch(payload_blobs, "read_payload")
    watch(payloads, "load_large_json")
    watch(payloads, "load_json")

    await store.executions.get(GLOBAL, "e-1")
    await store.executions.load_result(REF)
    await store.executions.load_logs(REF)
    await store.executions.load_variables(REF)
    await store.executions.load_snapshot(REF)
    await start(store.executions, input_data=value)
    await store.executions.complete(REF, ExecutionStatus.FAILED, error_message="z" * 40_000, result=value)

    assert threads.keys() == {"read_payload", "load_large_json"}
    assert threading.get_ident() not in set().union(*threads.values())


@pytest.mark.parametrize("name", SAVES)
@pytest.mark.parametrize("shape", ["one text", "many texts"])
async def test_a_payload_over_the_limit_is_refused(store: Store, name: str, shape: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """DocumentTooLargeError names the limit; neither record nor blob is stored."""
    if name != "create":
        await start(store.executions)
    before = await store.executions.get(GLOBAL, "e-1")
    monkeypatch.setattr(FolderBlobStore, "_put", None)
    text = "x" * 1_048_576
    value = {"text": text * OVER} if shape == "one text" else {"texts": [text] * OVER}

    with pytest.raises(DocumentTooLargeError, match=f"the limit is {MAX_PAYLOAD_BYTES}; nothing was written") as raised:
        await SAVES[name](store.executions, value)

    assert not raised.value.is_retryable
    assert await store.executions.get(GLOBAL, "e-1") == before


async def test_what_is_too_large_only_as_it_is_stored_is_refused(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """What counts are the bytes of the blob: indented and escaped JSON, or a text's UTF-8."""
    await start(store.executions)
    for module in (payloads, payload_blobs):
        monkeypatch.setattr(module, "MAX_PAYLOAD_BYTES", 40_000)

    await store.executions.save_result(REF, "é" * 20_000)
    for result in ("é" * 20_001, ["é" * 6_666], [0] * 8_000):
        with pytest.raises(DocumentTooLargeError, match="the limit is 40000"):
            await store.executions.save_result(REF, result)
    with pytest.raises(DocumentTooLargeError, match="error"):
        await store.executions.complete(REF, ExecutionStatus.FAILED, error_message="é" * 33_000)
    loaded = await store.executions.load_result(REF)
    assert loaded is not None
    assert loaded.value == "é" * 20_000


async def test_large_blobs_of_others_are_read_whatever_their_size(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is for what is saved."""
    run = await store.executions.save_logs(await start(store.executions), [])
    for module in (payloads, payload_blobs):
        monkeypatch.setattr(module, "MAX_PAYLOAD_BYTES", 40_000)
    blobs = store.backend.blobs("sqlite")
    await blobs.put(EXECUTION_DATA, run.blobs["logs"], dump_json([{"a": "x" * 50_000}]).encode())

    assert await store.executions.load_logs(REF) == [{"a": "x" * 50_000}]


def test_a_value_that_changes_while_it_is_read() -> None:
    """Another task's change to an object that is being copied is told as what it is."""

    class Changing(dict[str, Any]):
        def items(self) -> Any:
            def items() -> Iterable[tuple[str, Any]]:
                for pair in super(Changing, self).items():
                    yield pair
                    self["more"] = 1

            return items()

    with pytest.raises(InvalidRequestError, match="x: was changed while it was read; pass a copy"):
        copy_json(Changing(a=1, b=2), "x")


@given(value=strategies.json_values, characters=st.integers(0, 200))
def test_longer_is_certain(value: Any, characters: int) -> None:
    """Where a value is said to take more than so many characters, it does; what takes many times that is said to."""
    length = len(dump_json(value))
    assert not is_longer(value, length)
    if is_longer(value, characters):
        assert length > characters
    else:
        assert length <= 40 * (characters + 1)


def test_longer_looks_no_further_than_it_must() -> None:
    """A value that contains itself, or holds very many items, costs what the limit allows, however high that is."""
    endless: list[Any] = []
    endless += [endless] * 3
    assert not is_longer(endless, 2**62)
    with pytest.raises(InvalidRequestError, match="nested deeper than 100 levels"):
        copy_json(endless, "x")
    many: list[Any] = [0]
    for _ in range(40):
        many = [many] * 3
    assert is_longer(many, 1_000)


@given(
    value=strategies.json_values, wrap=st.sampled_from([lambda v: v, lambda v: [v, v], lambda v: {"a": v, "b": [v, [v], {"c": v}]}])
)
def test_large_json_is_read_as_any_other(value: Any, wrap: Callable[[Any], Any]) -> None:
    """Item by item or at once, the same text gives the same value."""
    whole = wrap(value)
    assert exact_json(load_large_json(dump_json(whole).encode())) == exact_json(whole)
    assert exact_json(copy_json(whole, "x")) == exact_json(whole)
    assert same_json(whole, copy_json(whole, "x"))


@pytest.mark.parametrize(
    "data",
    [b"", b"[", b"[1", b"[1,]", b"{", b'{"a"}', b'{"a":[1,}', b"[NaN]", b'{"a":[-Infinity]}', b"[1] 2", b"\xff", b"[[" * 100_000],
)
def test_what_is_no_json_is_none_either_way(data: bytes) -> None:
    """A damaged text is a ValueError, however it is read."""
    for load in (load_json, load_large_json):
        with pytest.raises(ValueError, match=r".+"):
            load(data)


async def test_what_no_record_can_hold_is_refused_before_it_is_gone_through(store: Store) -> None:
    """A value for a record costs the event loop no more than a record may hold, however large it is."""
    entries = [watched(1) for _ in range(1_000_000 // 4)]
    with pytest.raises(DocumentTooLargeError, match="value: more characters as JSON than the limit of 400000"):
        await store.config.set(GLOBAL, "key", entries, config_type=ConfigType.JSON, updated_by="u")
    with pytest.raises(DocumentTooLargeError):
        await store.integrations.set(GLOBAL, "halopsa", enabled=True, settings={"all": entries}, updated_by="u")

    assert not any(entry.threads for entry in entries)
