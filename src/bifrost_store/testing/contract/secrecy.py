"""What is stored stays out of logs and errors, at any level of logging, ours and the drivers'."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable, Iterator
from datetime import timedelta
from typing import Any, Final

import pytest

from bifrost_store.core.operations import Apply, Create
from bifrost_store.core.query import Query
from bifrost_store.core.record import Record
from bifrost_store.documents import ConfigType, ExecutionStatus
from bifrost_store.errors import StoreError
from bifrost_store.protocols import ExecutionFilter
from bifrost_store.testing.bulk import everything
from bifrost_store.testing.clock import START, SettableClock
from bifrost_store.testing.examples import ORGANIZATION, changed, config, config_of_json, execution, touched
from bifrost_store.testing.harness import Fault, Harness, StoreUnderTest
from bifrost_store.testing.repositories import Repositories

pytestmark = pytest.mark.anyio

SECRET: Final = "hunter2-hunter2"  # noqa: S105 - what must not be seen


def shown(record: logging.LogRecord) -> str:
    """Return all that any handler could write of a log record."""
    text = logging.Formatter().format(record)
    return f"{record.name} {text} {record.args!r} {record.__dict__!r}"


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Everything that anybody logs, whatever the level."""
    with caplog.at_level(logging.NOTSET):
        caplog.handler.setLevel(logging.NOTSET)
        yield caplog


def telling(logged: pytest.LogCaptureFixture) -> list[str]:
    """Return what log records show of the secret."""
    return [text[:200] for text in map(shown, logged.records) if SECRET in text]


def chain(error: BaseException) -> str:
    """Return what a traceback shows of an error and of what led to it, values of its fields too."""
    text = "".join(traceback.format_exception(error))
    found: BaseException | None = error
    while found is not None:
        text += f"{found!r} {found.args!r} {getattr(found, 'message', '')!r}"
        found = found.__cause__ or found.__context__
    return text


async def _use(repositories: Repositories) -> None:
    """Store the secret wherever callers store values, read it back, and change it."""
    text: dict[str, Any] = {"nested": [SECRET]}
    await repositories.config.set(ORGANIZATION, "smtp", SECRET, config_type=ConfigType.STRING, updated_by="u")
    await repositories.config.set(ORGANIZATION, "smtp", text, config_type=ConfigType.JSON, updated_by="u")
    await repositories.config.list(ORGANIZATION)
    await repositories.integrations.set(ORGANIZATION, "halopsa", enabled=True, settings=text, updated_by="u")
    await repositories.integrations.get(ORGANIZATION, "halopsa")
    await repositories.audit.append(ORGANIZATION, "function_key_access", user_agent=SECRET, details=text)
    await repositories.audit.list(ORGANIZATION, since=START - timedelta(days=1))
    runs = repositories.executions
    for size in (1, 5_000):
        value = {"text": SECRET * size, **text}
        run = await runs.create(
            ORGANIZATION, workflow_name="w", executed_by="u", executed_by_name="U", execution_id=f"e-{size}", input_data=value
        )
        run = await runs.save_logs(run, [value])
        run = await runs.save_variables(run, value)
        run = await runs.save_snapshot(run, [value])
        await runs.complete(run, ExecutionStatus.FAILED, error_message=SECRET * size, result=value)
        await runs.load_result(run)
        await runs.load_logs(run)
    await runs.list(ORGANIZATION, ExecutionFilter(user="u"))
    await runs.statistics(ORGANIZATION, since=START - timedelta(days=1))
    await runs.delete(ORGANIZATION, "e-1")


async def test_no_log_shows_what_is_stored(
    repositories: Repositories, store: StoreUnderTest, logged: pytest.LogCaptureFixture
) -> None:
    """Every kind of value goes in and out, through repositories and batches, at DEBUG and below; keys are not even hinted at."""
    await _use(repositories)
    secret = await repositories.api_keys.create(workflow_id="w", created_by="u", description=SECRET)
    await repositories.api_keys.validate(secret.key, "w")
    stored = await store.backend.create(config("one", SECRET))
    await store.backend.replace(touched(stored), stored.etag)
    await store.backend.batch([Create(config("two", SECRET)), Apply(stored)])
    await store.backend.query(Query("config", ORGANIZATION))
    await everything(store.backend)

    assert telling(logged) == []
    assert not any(secret.key in shown(record) for record in logged.records)


def _records() -> list[Record]:
    return [
        config("one", SECRET * 2_000),
        config_of_json({"a": SECRET * 2_000}),
        changed(execution(9), result={"a": SECRET * 2_000}, errorMessage=SECRET),
    ]


async def test_no_error_shows_what_was_to_be_stored(
    harness: Harness, clock: SettableClock, fault: Fault, logged: pytest.LogCaptureFixture
) -> None:
    """Whatever a write meets, neither the error nor what led to it nor a log shows the value."""
    async with harness.open_empty(clock) as store, store.open_broken(fault) as broken:
        for record in _records():
            with pytest.raises(StoreError) as raised:
                await broken.create(record)
            assert SECRET not in chain(raised.value)

    assert telling(logged) == []


async def test_no_refusal_shows_what_was_given(
    repositories: Repositories, store: StoreUnderTest, logged: pytest.LogCaptureFixture
) -> None:
    """Values that cannot be kept, records that are there already or have changed: named by key and field, never shown."""
    long = SECRET * 40_000
    stored = await store.backend.create(config("one", SECRET))
    await store.backend.replace(touched(stored), stored.etag)
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: store.backend.create(config("one", SECRET)),
        lambda: store.backend.replace(touched(stored), stored.etag),
        lambda: store.backend.create(config("long", long)),
        lambda: store.backend.create(config_of_json({SECRET: float("nan")}, "odd")),
        lambda: store.backend.create(config_of_json({"a": [SECRET, b"x"]}, "odd")),
        lambda: store.backend.create(config("two", f"{SECRET}\ud800")),
        lambda: repositories.config.set(ORGANIZATION, "n", SECRET, config_type=ConfigType.INT, updated_by="u"),
        lambda: repositories.config.set(ORGANIZATION, "n", SECRET + "_", config_type=ConfigType.SECRET_REF, updated_by="u"),
        lambda: repositories.config.set(ORGANIZATION, "n", long, config_type=ConfigType.JSON, updated_by="u"),
        lambda: repositories.integrations.set(ORGANIZATION, "halopsa", enabled=True, settings={"a": {SECRET}}, updated_by="u"),
    ]
    for call in calls:
        with pytest.raises(StoreError) as raised:
            await call()
        assert SECRET not in chain(raised.value)

    assert telling(logged) == []
