"""`Throttle`: the request units that each physical partition serves in a second."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bifrost_store.emulator.containers import charges
from bifrost_store.emulator.containers.container import Container, PhysicalRange
from bifrost_store.emulator.wire.errors import ServiceError

MESSAGE = (
    'Message: {"Errors":["Request rate is large. More Request Units may be needed, so no changes were made. Please retry this '
    'request later. Learn more: http://aka.ms/cosmosdb-error-429"]}'
)


class Throttle:
    """Keeps the budgets; a request is served while something is left, and what it takes beyond that is paid back first.

    Args:
        monotonic: Seconds that only grow.
        ru_per_second: What a container may spend, shared evenly by its physical partitions; None is no limit.
    """

    def __init__(self, monotonic: Callable[[], float], ru_per_second: float | None) -> None:
        self._monotonic = monotonic
        self.ru_per_second = ru_per_second
        self._left: dict[tuple[int, str], tuple[float, float]] = {}

    def admit(self, container: Container, physicals: Sequence[PhysicalRange]) -> None:
        """Raise 429 if the budget of a physical partition is spent, and say when there will be some again."""
        if self.ru_per_second is None:
            return
        rate = self.ru_per_second / len(container.ranges)
        left = min(self._budget(container, physical, rate) for physical in physicals)
        if left <= 0:
            raise throttled(max(1, math.ceil((1.0 - left) / rate * 1000)))

    def spend(self, container: Container, physicals: Sequence[PhysicalRange], charge: float) -> None:
        """Take what a request cost from the budgets of the physical partitions it touched."""
        if self.ru_per_second is None:
            return
        rate = self.ru_per_second / len(container.ranges)
        for physical in physicals:
            left = self._budget(container, physical, rate) - charge / len(physicals)
            self._left[container.resource.number, physical.id] = (self._monotonic(), left)

    def _budget(self, container: Container, physical: PhysicalRange, rate: float) -> float:
        now = self._monotonic()
        since, left = self._left.get((container.resource.number, physical.id), (now, rate))
        return min(rate, left + (now - since) * rate)

    def reset(self) -> None:
        """Fill all budgets."""
        self._left.clear()


def throttled(retry_after_milliseconds: int | None) -> ServiceError:
    """Return the error of a request beyond the throughput."""
    headers = {} if retry_after_milliseconds is None else {"x-ms-retry-after-ms": str(retry_after_milliseconds)}
    return ServiceError(429, MESSAGE, sub_status=3200, charge=charges.THROTTLED, headers=headers)
