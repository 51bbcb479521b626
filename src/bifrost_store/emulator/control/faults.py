"""`Faults`: answers that fail on demand, to see what a client makes of them."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, get_args

from bifrost_store.emulator.requests.calls import Call
from bifrost_store.emulator.requests.operations import NAMES, operation_of

Drop = Literal["before", "after", "half"]


@dataclass(slots=True)
class Fault:
    """What goes wrong, with which requests, and how often.

    Attributes:
        operation: What the request does, such as ``Create`` (see `operations.NAMES`); None is any.
        kind: What it does it to: ``docs``, ``colls``, ``dbs``, ``pkranges``, ``offers``; None is any.
        container: The container's name; None is any.
        path: A regular expression found in the request's path; None is any.
        skip: How many matching requests are spared first.
        every: Of those that follow, each n-th is struck.
        times: How many requests are struck in all; None never ends.
        status: Answer so, and do nothing; None carries the request out.
        sub_status: The substatus of that answer.
        retry_after_ms: The ``x-ms-retry-after-ms`` of that answer; None sends none.
        delay: Seconds to wait before the request is looked at.
        delay_after: Seconds to wait before its answer is sent.
        drop: End the connection ``before`` the request is carried out, ``after`` it, or after ``half`` of the answer's body.
        reset: End it with a reset.
        page_items: Let a page of a query have at most so many items, and promise more; 0 gives empty pages.
        struck: How many requests were struck so far.
    """

    operation: str | None = None
    kind: str | None = None
    container: str | None = None
    path: str | None = None
    skip: int = 0
    every: int = 1
    times: int | None = 1
    status: int | None = None
    sub_status: int = 0
    retry_after_ms: int | None = None
    delay: float = 0.0
    delay_after: float = 0.0
    drop: Drop | None = None
    reset: bool = False
    page_items: int | None = None
    struck: int = 0
    _matched: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        if self.operation is not None and self.operation not in NAMES:
            raise ValueError(f"there is no operation {self.operation!r}; there are {', '.join(NAMES)}")
        if self.drop is not None and self.drop not in get_args(Drop):
            raise ValueError(f"drop is one of {', '.join(get_args(Drop))}, not {self.drop!r}")
        if self.every < 1 or self.skip < 0 or (self.times is not None and self.times < 0):
            raise ValueError("every is at least 1, skip and times are at least 0")
        if self.status is not None and not 200 <= self.status <= 599:
            raise ValueError("status is between 200 and 599")
        re.compile(self.path or "")

    def strikes(self, call: Call) -> bool:
        """Count a request, and return whether it is struck."""
        if not self._matches(call) or self.is_spent:
            return False
        self._matched += 1
        beyond = self._matched - self.skip
        if beyond < 1 or beyond % self.every:
            return False
        self.struck += 1
        return True

    @property
    def is_spent(self) -> bool:
        """Whether it strikes no more."""
        return self.times is not None and self.struck >= self.times

    def _matches(self, call: Call) -> bool:
        return (
            (self.kind is None or self.kind == call.kind)
            and (self.operation is None or self.operation == operation_of(call))
            and (self.container is None or (call.segments[2:4] == ["colls", self.container]))
            and (self.path is None or re.search(self.path, call.request.target) is not None)
        )


class Faults:
    """The faults in force. Every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._is_frozen = False
        self.is_quiet = True

    def add(self, **what: Any) -> Fault:
        """Let something go wrong from now on; see `Fault` for the names, of which ``times`` is 1 unless given.

        Raises:
            ValueError: A name or a value is wrong.
        """
        known = {each.name for each in fields(Fault)} - {"struck", "_matched"}
        if unknown := sorted(set(what) - known):
            raise ValueError(f"a fault has no {', '.join(unknown)}; it has {', '.join(sorted(known))}")
        try:
            fault = Fault(**what)
        except (TypeError, re.error) as error:
            raise ValueError(str(error)) from error
        with self._lock:
            self._faults.append(fault)
            self.is_quiet = False
        return fault

    def clear(self) -> None:
        """Let nothing go wrong any more, and answer all that was frozen."""
        with self._lock:
            self._faults.clear()
            self._is_frozen = False
            self.is_quiet = True

    def freeze(self) -> None:
        """Answer nothing until `thaw`; what arrives waits."""
        with self._lock:
            self._is_frozen, self.is_quiet = True, False

    def thaw(self) -> None:
        """Answer what waits, and go on."""
        with self._lock:
            self._is_frozen = False
            self.is_quiet = not self._faults

    @property
    def is_frozen(self) -> bool:
        """Whether nothing is answered."""
        return self._is_frozen

    def take(self, call: Call) -> Fault | None:
        """Return the first fault that strikes a request, if any."""
        with self._lock:
            return next((fault for fault in self._faults if fault.strikes(call)), None)

    def describe(self) -> list[Mapping[str, Any]]:
        """Return the faults in force."""
        with self._lock:
            names = [each.name for each in fields(Fault) if each.name != "_matched"]
            return [{name: getattr(fault, name) for name in names} for fault in self._faults]
