"""Etags are text that clients send back: whatever stands in one is compared with what is stored, and never stored."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bifrost_store.backends.protocol import Backend
from bifrost_store.core.record import Record
from bifrost_store.core.version import Etag, Version
from bifrost_store.documents import ExecutionStatus
from bifrost_store.errors import InvalidRequestError, PreconditionFailedError
from bifrost_store.protocols import ExecutionRef
from bifrost_store.testing.examples import ORGANIZATION, config, execution, touched
from bifrost_store.testing.harness import StoreUnderTest
from bifrost_store.testing.repositories import Repositories
from bifrost_store.testing.strict import exactly

pytestmark = pytest.mark.anyio

_NUMBERS: Final = ("0", "1", "2", "3", "999999", "-1", str(2**31), str(2**63), "9" * 10, "9" * 400, "1e9", "Success", "Running", "")
_PARTS: Final = st.one_of(st.sampled_from(_NUMBERS), st.text(max_size=8), st.just("never"), st.just("2020-01-01T00:00:00.000000Z"))


def encoded(text: str) -> str:
    """Return a hint as it stands in an etag."""
    return base64.urlsafe_b64encode(text.encode("utf-8", "surrogatepass")).decode().rstrip("=")


@st.composite
def alterations(draw: st.DrawFn) -> list[tuple[str, str]]:
    """Draw what to do to an etag: each a part of it, and what to put in its place."""
    part = st.sampled_from(["revision", "write_id", "backend", "hint", "more", "field-0", "field-1", "field-2", "field-3"])
    return draw(st.lists(st.tuples(part, _PARTS), min_size=1, max_size=4))


def altered(etag: str, changes: Sequence[tuple[str, str]], other_write_id: str) -> str:
    """Return *etag* with *changes* made."""
    version, _, hint = etag.partition(";")
    revision, write_id = version.split(".")
    backend, _, native = hint.partition("=")
    fields = base64.urlsafe_b64decode(native + "=" * (-len(native) % 4)).decode().split("|")
    for part, value in changes:
        if part == "revision":
            revision = value
        elif part == "write_id":
            write_id = other_write_id if len(value) % 2 else value
        elif part == "backend":
            backend = value
        elif part == "hint":
            fields = [value]
        elif part == "more":
            fields.append(value)
        else:
            fields[int(part[-1]) % len(fields)] = value
    return f"{revision}.{write_id};{backend}={encoded('|'.join(fields))}"


@pytest.mark.parametrize("record", [config(), execution()], ids=lambda record: record.key.kind)
@given(changes=alterations(), is_delete=st.booleans())
async def test_nothing_of_an_altered_etag_is_stored(
    store: StoreUnderTest, record: Record, changes: list[tuple[str, str]], is_delete: bool
) -> None:
    """It is refused and changes nothing, or names exactly what is stored: then the next version follows from that."""
    backend = store.backend
    created = await backend.create(record)
    stored = await backend.replace(touched(created, 1), created.etag)
    text = altered(stored.etag.encode(), changes, created.version.write_id)
    try:
        expected = Etag.parse(text)
        if is_delete:
            result = await backend.delete(record.key, expected=expected)
        else:
            result = await backend.replace(touched(stored, 2), expected)
        assert result is not None
        assert text.startswith(f"{stored.version.revision}.{stored.version.write_id};")
        assert result.version == Version(stored.version.revision + 1, result.version.write_id, stored.version.epoch)
        assert exactly(await backend.stored(record.key)) == exactly(result)
    except (InvalidRequestError, PreconditionFailedError):
        assert exactly(await backend.get(record.key)) == exactly(stored)
    finally:
        await backend.delete(record.key)


async def test_hints_that_were_not_read_are_not_believed(backend: Backend) -> None:
    """Nor is a hint that is put together in this process: what a service calls another state, or says of its route."""
    created = await backend.create(config())
    stored = await backend.replace(touched(created, 1), created.etag)
    native = stored.etag.native
    for part in range(4):
        for value in ("999999", "never", "2020-01-01T00:00:00.000000Z", "Success"):
            fields = [] if native is None else native.split("|")
            forged = "|".join([*fields[:part], value, *fields[part + 1 :]])
            for etag in (Etag(stored.version, backend.name, forged), replace(stored.etag, native=forged)):
                with suppress(InvalidRequestError):
                    stored = await backend.replace(touched(stored, 2), replace(etag, version=stored.etag.version))
                    assert stored.version.epoch == created.version.epoch
    stale = replace(created.etag, version=stored.etag.version)
    stored = await backend.replace(touched(stored, 3), stale)
    with pytest.raises(PreconditionFailedError):
        await backend.replace(touched(stored, 4), replace(stored.etag, version=created.etag.version))
    assert exactly(await backend.get(stored.key)) == exactly(stored)


@given(changes=alterations(), is_given=st.booleans())
async def test_what_clients_send_back_to_a_repository(
    repositories: Repositories, store: StoreUnderTest, changes: list[tuple[str, str]], is_given: bool
) -> None:
    """A run is changed over what is stored or not at all, whether the caller has its model or its id."""
    executions = repositories.executions
    run = await executions.create(ORGANIZATION, workflow_name="w", executed_by="u", executed_by_name="U")
    ref = run if is_given else ExecutionRef(ORGANIZATION, run.execution_id)
    etag = altered(run.etag, changes, "a" * 32)
    try:
        changed = await executions.complete(ref, ExecutionStatus.SUCCESS, result={"a": 1}, etag=etag)
        before, after = run.record.version, changed.record.version
        assert after == Version(before.revision + 1, after.write_id, before.epoch)
    except (InvalidRequestError, PreconditionFailedError):
        stored = await store.backend.stored(run.record.key)
        assert exactly(stored) == exactly(run.record)
    finally:
        with pytest.raises((InvalidRequestError, PreconditionFailedError)):
            await executions.delete(ORGANIZATION, run.execution_id, etag=etag.replace(".", ".f"))
        assert await executions.delete(ORGANIZATION, run.execution_id)
