"""The feature flags: which backend a scope's data is in, whether what its runs leave is stored while they go on, and where the
figures of its dashboard come from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import anyio

from bifrost_store.backends.registry import known_backends
from bifrost_store.core.scope import Scope
from bifrost_store.errors import BackendUnavailableError, ConfigurationError

if TYPE_CHECKING:
    from openfeature.client import OpenFeatureClient
    from openfeature.evaluation_context import EvaluationContext
    from openfeature.flag_evaluation import FlagEvaluationDetails

FLAG_KEY = "bifrost-store-backend"
"""The OpenFeature flag: a string, ``sqlite``, ``table`` or ``cosmos``."""
REALTIME_KEY = "bifrost-store-realtime"
"""The OpenFeature flag: a boolean."""
METRICS_KEY = "bifrost-store-metrics"
"""The OpenFeature flag: a string, ``aggregated``, ``live`` or ``both``."""
MetricsMode = Literal["aggregated", "live", "both"]


class BackendFlag:
    """Says which backend a scope's data is in.

    Args:
        setting: The answer where there is no flag provider, or where it does not know the flag.
        client: Of an application that has a provider; None: the setting decides for every scope.
        own: The application brought the backend that *setting* names: it answers for every scope, whatever the flag says.
    """

    def __init__(self, setting: str, client: OpenFeatureClient | None = None, *, own: bool = False) -> None:
        self._setting = setting if own else _known(setting, "the backend setting")
        self._client = None if own else client

    @property
    def only(self) -> str | None:
        """The one backend that answers for all scopes, for good; None: the provider may change its mind at any time."""
        return self._setting if self._client is None else None

    async def backend_of(self, scope: Scope) -> str:
        """Return the name of the backend that answers for *scope* now.

        The provider sees the scope as targeting key and the attribute ``organizationId``, empty for GLOBAL. It is asked at every
        call and its cost is the call's, so it should answer from memory.

        Raises:
            ConfigurationError: The flag names no backend.
            BackendUnavailableError: The provider failed; nothing is guessed, as the wrong store would take writes.
        """
        if self._client is None:
            return self._setting
        from openfeature.exception import ErrorCode  # noqa: PLC0415 - imported already by whoever has a client

        details = await _evaluate(self._client, self._setting, _context(scope))
        if details.error_code is None or details.error_code is ErrorCode.FLAG_NOT_FOUND:
            return _known(details.value, f"flag {FLAG_KEY} for {scope}")
        if details.error_code is ErrorCode.TYPE_MISMATCH:
            raise ConfigurationError(f"flag {FLAG_KEY} for {scope}: its value is no text; one of {', '.join(known_backends())}")
        raise BackendUnavailableError(
            f"flag {FLAG_KEY} for {scope} cannot be evaluated ({details.error_code.value}); check the flag provider, then try again"
        )


class RealtimeFlag:
    """Says whether what a scope's runs leave is stored while they go on.

    Args:
        setting: The answer where there is no flag provider, or where it does not know the flag or fails: nothing depends on it that
            could be lost.
        client: Of an application that has a provider; None: the setting decides for every scope.
    """

    def __init__(self, setting: bool, client: OpenFeatureClient | None = None) -> None:
        self._setting = setting
        self._client = client

    async def is_on(self, scope: Scope) -> bool:
        """Return whether it is for *scope* now; the provider sees what it sees for the backend's flag."""
        if self._client is None:
            return self._setting
        return (await self._client.get_boolean_details_async(REALTIME_KEY, self._setting, _context(scope))).value


class MetricsFlag:
    """Says where the figures of a scope's dashboard come from.

    Args:
        setting: The answer where there is no flag provider, or where it does not know the flag, fails, or names nothing of these.
        client: Of an application that has a provider; None: the setting decides for every scope.
    """

    def __init__(self, setting: MetricsMode, client: OpenFeatureClient | None = None) -> None:
        self._setting: MetricsMode = setting
        self._client = client

    async def mode_of(self, scope: Scope) -> MetricsMode:
        """Return it for *scope* now; the provider sees what it sees for the backend's flag, for the platform that of GLOBAL."""
        if self._client is None:
            return self._setting
        value = (await self._client.get_string_details_async(METRICS_KEY, self._setting, _context(scope))).value
        known: dict[str, MetricsMode] = {"aggregated": "aggregated", "live": "live", "both": "both"}
        return known.get(value, self._setting)


def _context(scope: Scope) -> EvaluationContext:
    from openfeature.evaluation_context import EvaluationContext  # noqa: PLC0415 - the same

    return EvaluationContext(scope.value, {"organizationId": scope.organization_id or ""})


async def _evaluate(client: OpenFeatureClient, default: str, context: EvaluationContext) -> FlagEvaluationDetails[str]:
    try:
        return await client.get_string_details_async(FLAG_KEY, default, context)
    except UnboundLocalError as error:
        # openfeature-sdk 0.10 trips over the cancellation of an evaluation, and hides it.
        if isinstance(error.__context__, anyio.get_cancelled_exc_class()):
            raise error.__context__ from None
        raise


def _known(name: str, source: str) -> str:
    if name not in known_backends():
        raise ConfigurationError(f"{source}: {name!r} is no backend; one of {', '.join(known_backends())}")
    return name
