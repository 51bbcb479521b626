"""Sees what every call through a store costs, adds it up, and tells OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar, Token
from dataclasses import dataclass
from functools import cache, wraps
from inspect import getdoc, iscoroutinefunction
from time import perf_counter
from types import TracebackType
from typing import Any, Final, TypeVar, cast

from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from bifrost_store.core.clock import Clock
from bifrost_store.core.meter import Meter, close_meter, open_meter
from bifrost_store.core.usage import Ledger, UsageReport
from bifrost_store.wrappers.telemetry import Telemetry, operation_attributes

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Whose operations are observed.

    Attributes:
        layer: ``backend`` or ``blobs``: the first part of the name of an operation that belongs to no call.
        backend: The backend's name; for blobs, that of the backend they go with.
        system: What OpenTelemetry calls it.
    """

    layer: str
    backend: str
    system: str


class Observer:
    """One store's eyes. Safe for concurrent use within one event loop.

    A *call* is what the application makes: ``users.get``. An *operation* is what a backend or blob store does for it, and its
    cost belongs to the outermost call around it. An operation outside of any is a call by itself.

    Args:
        clock: Tells the time.
        tracer_provider, meter_provider: Where spans and metrics go; by default to OpenTelemetry's global ones.
    """

    def __init__(
        self, clock: Clock, *, tracer_provider: TracerProvider | None = None, meter_provider: MeterProvider | None = None
    ) -> None:
        self._ledger = Ledger(clock())
        self._telemetry = Telemetry(tracer_provider, meter_provider)

    def usage(self) -> UsageReport:
        """Return what the calls that have ended cost."""
        return self._ledger.report()

    def repository(self, name: str, repository: T) -> T:
        """Return *repository* with each of its calls observed, as ``<name>.<method>``."""
        return cast(T, _observed_type(name, cast(Any, type(repository)))(self, repository))

    def call(self, name: str) -> AbstractContextManager[object]:
        """Observe what the block does as a call, or as part of the one that it is in."""
        return _Call(name, self, self._ledger, self._telemetry)

    def operation(
        self, place: Place, name: str, collection: str | None = None, *, batch_size: int = 1
    ) -> AbstractContextManager[None]:
        """Observe what the block does as an operation on a *collection*: a kind of records, a container of blobs."""
        outer = _present_call.get()
        if outer is not None and outer.observer is self and outer.telemetry is None:
            outer.backends.add(place.backend)
            return _NOTHING
        call = _Call(f"{place.layer}.{name}", self, self._ledger, self._telemetry)
        return _Operation(call, place, name, collection, batch_size)


# Both blocks are written out and do as little as they can: they are part of every call.


class _Call:
    """A call; nothing by itself inside another of the same observer.

    Attributes:
        backends: Who was asked so far.
        telemetry: Who else is to hear of it and of its operations, if anybody is.
    """

    __slots__ = ("_ledger", "_meter", "_start", "_started", "_telemetry", "_tokens", "backends", "name", "observer", "telemetry")

    def __init__(self, name: str, observer: Observer, ledger: Ledger, telemetry: Telemetry) -> None:
        self.name = name
        self.observer = observer
        self._ledger = ledger
        self._telemetry = telemetry
        self._tokens: tuple[Token[_Call | None], Token[tuple[Meter, ...]]] | None = None

    def __enter__(self) -> _Call:
        outer = _present_call.get()
        if outer is not None and outer.observer is self.observer:
            return outer
        self.backends: set[str] = set()
        self._meter = Meter()
        self._tokens = _present_call.set(self), open_meter(self._meter)
        self._start = perf_counter()
        self.telemetry = self._telemetry if self._telemetry.is_heard(self._start) else None
        if self.telemetry is not None:
            self._started = self.telemetry.start_call(self.name)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._tokens is None:
            return
        seconds = perf_counter() - self._start
        close_meter(self._tokens[1])
        _present_call.reset(self._tokens[0])
        backend = "+".join(sorted(self.backends))
        failure = None if kind is None else kind.__name__
        self._ledger.add(self.name, backend, self._meter, seconds, failure)
        if self.telemetry is not None:
            self.telemetry.end_call(self._started, self.name, backend, self._meter, seconds, failure)


_present_call: Final[ContextVar[_Call | None]] = ContextVar("bifrost_store_call", default=None)


_NOTHING: Final = nullcontext()
_PROTOCOLS: Final = "bifrost_store.repository_protocols."


class _Operation:
    """An operation, in the call that it belongs to. Its own share is measured only for those who are to hear of it."""

    __slots__ = (
        "_attributes", "_batch_size", "_call", "_collection", "_meter", "_name", "_outer", "_place", "_start", "_started", "_token",
    )  # fmt: skip

    def __init__(self, call: _Call, place: Place, name: str, collection: str | None, batch_size: int) -> None:
        self._call = call
        self._place = place
        self._name = name
        self._collection = collection
        self._batch_size = batch_size

    def __enter__(self) -> None:
        self._outer = self._call.__enter__()
        self._outer.backends.add(self._place.backend)
        if self._outer.telemetry is not None:
            self._attributes = operation_attributes(self._place.system, self._name, self._collection)
            self._meter = Meter()
            self._token = open_meter(self._meter)
            self._started = self._outer.telemetry.start_operation(self._attributes, self._outer.name, self._batch_size)
            self._start = perf_counter()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        if self._outer.telemetry is not None:
            seconds = perf_counter() - self._start
            close_meter(self._token)
            failure = None if kind is None else kind.__name__
            self._outer.telemetry.end_operation(self._started, self._attributes, self._outer.name, self._meter, seconds, failure)
        self._call.__exit__(kind, error, where)


class _ObservedRepository:
    """A repository whose coroutine functions are observed; everything else is as it is. Made by `_observed_type`."""

    def __init__(self, observer: Observer, inner: object) -> None:
        self._observer = observer
        self._inner = inner


@cache
def _observed_type(name: str, repository: type) -> type[_ObservedRepository]:
    """Return the class that observes the calls of a *repository*, with the names and texts of its Protocol.

    What a Protocol itself writes over its other methods calls the observed ones.
    """
    protocol = next((base for base in repository.__mro__ if base.__module__.startswith(_PROTOCOLS)), repository)
    members: dict[str, object] = {
        "__doc__": protocol.__doc__,
        "__module__": protocol.__module__,
        "__repr__": lambda _: f"<store.{name}>",
    }
    for method_name in (one for one in dir(repository) if not one.startswith("_")):
        method = getattr(repository, method_name)
        if not method.__module__.startswith(_PROTOCOLS):
            is_call = iscoroutinefunction(method)
            method = _observed(f"{name}.{method_name}", method) if is_call else _passed_on(method)
            method.__doc__ = method.__doc__ or getdoc(getattr(protocol, method_name, None))
        members[method_name] = method
    return type(protocol.__name__, (_ObservedRepository,), members)


def _observed(name: str, method: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    @wraps(method)
    async def call(self: _ObservedRepository, *args: Any, **kwargs: Any) -> Any:
        with self._observer.call(name):
            return await method(self._inner, *args, **kwargs)

    return call


def _passed_on(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def call(self: _ObservedRepository, *args: Any, **kwargs: Any) -> Any:
        return method(self._inner, *args, **kwargs)

    return call
