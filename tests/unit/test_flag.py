"""`BackendFlag`: what each answer of a flag provider means."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anyio
import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, GeneralError
from openfeature.flag_evaluation import FlagResolutionDetails
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider

from bifrost_store import GLOBAL, Scope
from bifrost_store.errors import BackendUnavailableError, ConfigurationError
from bifrost_store.routing.flag import FLAG_KEY, BackendFlag

pytestmark = pytest.mark.anyio

ORGANIZATION = Scope.organization("o-1")


@pytest.fixture(autouse=True)
def no_providers_stay() -> Iterator[None]:
    """Providers are registered for the whole process."""
    yield
    api.clear_providers()


def flag_of(provider: InMemoryProvider, setting: str = "sqlite") -> BackendFlag:
    api.set_provider(provider, "test_flag")
    return BackendFlag(setting, api.get_client("test_flag"))


def answering(value: Any) -> InMemoryProvider:
    return InMemoryProvider({FLAG_KEY: InMemoryFlag("only", {"only": value})})


class Failing(InMemoryProvider):
    """Fails in the way it was made with."""

    def __init__(self, failure: Exception | FlagResolutionDetails[str]) -> None:
        super().__init__({})
        self._failure = failure

    async def resolve_string_details_async(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        if isinstance(self._failure, Exception):
            raise self._failure
        return self._failure


async def test_without_a_provider_the_setting_decides() -> None:
    """No client, or a client whose application registered no provider: the setting answers for every scope."""
    alone, unregistered = BackendFlag("table"), BackendFlag("table", api.get_client("nobody registered this"))

    assert {"table"} == {await flag.backend_of(scope) for flag in (alone, unregistered) for scope in (GLOBAL, ORGANIZATION)}
    assert ("table", None) == (alone.only, unregistered.only)


async def test_the_provider_decides_over_the_setting() -> None:
    """A provider's value is what counts."""
    assert "table" == await flag_of(answering("table"), setting="sqlite").backend_of(GLOBAL)


async def test_an_unknown_flag_leaves_it_to_the_setting() -> None:
    """A provider that does not know the flag leaves the decision to the setting."""
    assert "table" == await flag_of(InMemoryProvider({}), setting="table").backend_of(GLOBAL)


async def test_the_provider_is_told_the_scope() -> None:
    """The scope is the targeting key; the bare organization id is an attribute, empty for GLOBAL."""
    seen: list[tuple[str | None, object]] = []

    def note(flag: InMemoryFlag[str], context: EvaluationContext) -> FlagResolutionDetails[str]:
        seen.append((context.targeting_key, context.attributes["organizationId"]))
        return FlagResolutionDetails("sqlite")

    flag = flag_of(InMemoryProvider({FLAG_KEY: InMemoryFlag("a", {"a": "sqlite"}, context_evaluator=note)}))
    await flag.backend_of(ORGANIZATION)
    await flag.backend_of(GLOBAL)

    assert [("org-o-1", "o-1"), ("GLOBAL", "")] == seen


@pytest.mark.parametrize("value", ["mongo", "", "SQLite"])
async def test_an_unknown_value_is_refused_with_flag_and_scope(value: str) -> None:
    """A value that names no backend is an error which names value, flag and scope: never the default."""
    with pytest.raises(ConfigurationError) as caught:
        await flag_of(answering(value)).backend_of(ORGANIZATION)

    assert f"flag {FLAG_KEY} for org-o-1: {value!r} is no backend; one of sqlite, table, cosmos" == str(caught.value)


@pytest.mark.parametrize("value", [True, 7, {"backend": "table"}])
async def test_a_value_that_is_no_text_is_refused(value: object) -> None:
    """A flag of another type is a mistake in its definition."""
    with pytest.raises(ConfigurationError, match=f"flag {FLAG_KEY} for GLOBAL: its value is no text"):
        await flag_of(answering(value)).backend_of(GLOBAL)


@pytest.mark.parametrize(
    "failure",
    [
        RuntimeError("connection to flags.example?token=c2VjcmV0 refused"),
        GeneralError("c2VjcmV0"),
        FlagResolutionDetails("sqlite", error_code=ErrorCode.PROVIDER_NOT_READY, error_message="c2VjcmV0"),
        FlagResolutionDetails("sqlite", error_code=ErrorCode.PARSE_ERROR),
        FlagResolutionDetails("sqlite", error_code=ErrorCode.TARGETING_KEY_MISSING),
    ],
)
async def test_a_failing_provider_is_an_error_never_the_default(failure: Any) -> None:
    """Whatever fails is retryable and names flag and scope; the provider's own words, which may hold secrets, stay out."""
    with pytest.raises(BackendUnavailableError) as caught:
        await flag_of(Failing(failure)).backend_of(ORGANIZATION)

    assert caught.value.is_retryable
    assert f"flag {FLAG_KEY} for org-o-1 cannot be evaluated" in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


async def test_a_wrong_setting_is_refused_at_once() -> None:
    """The setting is checked when the flag is made, not at the first call."""
    with pytest.raises(ConfigurationError, match="the backend setting: 'mongo' is no backend"):
        BackendFlag("mongo")


async def test_waiting_for_a_provider_can_be_cancelled() -> None:
    """A caller's deadline ends an evaluation that hangs, and nothing else is raised."""

    class Hanging(InMemoryProvider):
        async def resolve_string_details_async(self, *args: Any, **values: Any) -> FlagResolutionDetails[str]:
            await anyio.sleep_forever()
            raise AssertionError

    flag = flag_of(Hanging({}))
    with anyio.move_on_after(0.05) as deadline:
        await flag.backend_of(GLOBAL)

    assert deadline.cancelled_caught
