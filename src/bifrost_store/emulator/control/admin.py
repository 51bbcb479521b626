"""The control path, which the SDK never uses: clock, faults, log, splits and reset, under ``/_emulator``.

Requests carry the account's key as ``Authorization: Bearer <key>``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bifrost_store.emulator.containers.throttle import Throttle
from bifrost_store.emulator.control.faults import Faults
from bifrost_store.emulator.control.requestlog import RequestLog
from bifrost_store.emulator.engine import Engine
from bifrost_store.emulator.requests.calls import Call, Reply
from bifrost_store.emulator.wire import jsontext
from bifrost_store.emulator.wire.auth import Authority
from bifrost_store.emulator.wire.errors import ServiceError, bad_request, not_found

Action = Callable[[dict[str, Any]], Any]


class Admin:
    """Answers requests to the control path."""

    def __init__(self, engine: Engine, faults: Faults, log: RequestLog, throttle: Throttle) -> None:
        self._engine = engine
        self._faults = faults
        self._log = log
        self._throttle = throttle
        self._actions: dict[tuple[str, str], Action] = {
            ("GET", "clock"): self._clock,
            ("POST", "clock"): self._move_clock,
            ("GET", "faults"): lambda _: {"frozen": faults.is_frozen, "faults": faults.describe()},
            ("POST", "faults"): self._add_fault,
            ("DELETE", "faults"): lambda _: faults.clear(),
            ("POST", "freeze"): lambda _: faults.freeze(),
            ("POST", "thaw"): lambda _: faults.thaw(),
            ("GET", "log"): lambda _: {"totalCharge": round(log.total_charge, 2), "requests": log.as_json()},
            ("DELETE", "log"): lambda _: log.clear(),
            ("POST", "split"): self._split,
            ("POST", "throughput"): self._limit,
            ("POST", "reset"): lambda _: self.reset(),
        }

    def answer(self, call: Call, authority: Authority) -> Reply:
        """Answer a request."""
        authority.check_bearer(call.header("authorization"))
        action = self._actions.get((call.method, "/".join(call.segments[1:])))
        if action is None:
            raise not_found(
                "There is no such control; there are " + ", ".join(f"{verb} {name}" for verb, name in self._actions) + "."
            )
        body = call.json_object() if call.request.body else {}
        try:
            answer = action(body)
        except (ValueError, TypeError, KeyError) as error:
            raise bad_request(f"The control cannot be carried out: {error}") from None
        return Reply(200, jsontext.dump({} if answer is None else answer))

    def reset(self) -> None:
        """Remove all data, faults and log entries, and return the clock to the machine's time."""
        self._engine.reset()
        self._engine.clock.reset()
        self._faults.clear()
        self._log.clear()
        self._throttle.reset()

    def _clock(self, _: dict[str, Any]) -> dict[str, float]:
        return {"now": self._engine.clock.now()}

    def _move_clock(self, body: dict[str, Any]) -> dict[str, float]:
        clock = self._engine.clock
        known = {"set", "advance", "stop", "run", "reset", "tokenSkew"}
        if not body or set(body) - known:
            raise ValueError(f"a clock is told one or more of {', '.join(sorted(known))}")
        if body.get("reset"):
            clock.reset()
        if body.get("stop"):
            clock.stop()
        if body.get("run"):
            clock.run()
        if "set" in body:
            clock.set(float(body["set"]))
        if "advance" in body:
            clock.advance(float(body["advance"]))
        if "tokenSkew" in body:
            clock.token_skew = float(body["tokenSkew"])
        return self._clock({})

    def _add_fault(self, body: dict[str, Any]) -> dict[str, int]:
        self._faults.add(**body)
        return {"faults": len(self._faults.describe())}

    def _split(self, body: dict[str, Any]) -> dict[str, list[str]]:
        container = self._engine.container(str(body["database"]), str(body["container"]))
        self._engine.split(container, str(body.get("range", "0")))
        return {"ranges": [physical.id for physical in container.ranges]}

    def _limit(self, body: dict[str, Any]) -> None:
        limit = body["ruLimit"]
        if limit is not None and not (isinstance(limit, (int, float)) and limit > 0):
            raise ServiceError(400, "The limit is a positive number of request units per second, or null.")
        self._throttle.ru_per_second = limit
        self._throttle.reset()
