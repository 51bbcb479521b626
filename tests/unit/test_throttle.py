"""The budget of request units."""

from __future__ import annotations

import pytest

from bifrost_store.core.meter import count_answer, count_retry
from bifrost_store.errors import ThrottledError
from bifrost_store.migration.throttle import Budget

pytestmark = pytest.mark.anyio


class Time:
    """Seconds that pass only by waiting."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


def budget_of(rate: float | None, time: Time) -> Budget:
    return Budget(rate, monotonic=time, sleep=time.sleep)


async def test_a_given_rate_is_kept() -> None:
    time = Time()
    budget = budget_of(100, time)
    for _ in range(20):
        async with budget.spending():
            count_answer(0, request_units=50)
    assert time.now == pytest.approx(9.5)
    assert budget.spent == 1000


async def test_without_a_rate_nobody_waits_until_the_service_refuses() -> None:
    time = Time()
    budget = budget_of(None, time)
    async with budget.spending():
        count_answer(0, request_units=5000)
    assert time.now == 0
    with pytest.raises(ThrottledError):
        async with budget.spending():
            raise ThrottledError("slow down", retry_after_seconds=3)
    async with budget.spending():
        pass
    assert time.now >= 3
    assert budget.rate is not None
    assert budget.throttled == 1


async def test_the_rate_falls_by_half_and_grows_back_to_the_given_one() -> None:
    time = Time()
    budget = budget_of(1000, time)
    async with budget.spending():
        count_retry()
    assert budget.rate == 500
    rates = []
    for _ in range(20):
        time.now += 1
        async with budget.spending():
            count_answer(0, request_units=1)
        rates.append(budget.rate)
    assert rates[0] == pytest.approx(550)
    assert rates[-1] == 1000


async def test_what_is_refused_together_counts_once() -> None:
    """Else a burst of refusals for calls under way would bring a copy to a standstill."""
    time = Time()
    budget = budget_of(8000, time)
    for _ in range(20):
        async with budget.spending():
            count_retry()
    assert (budget.rate, budget.throttled) == (4000, 20)


@pytest.mark.parametrize(("given", "least"), [(20, 20), (8000, 400)])
async def test_something_is_always_tried(given: float, least: float) -> None:
    time = Time()
    budget = budget_of(given, time)
    for _ in range(10):
        time.now += 1
        async with budget.spending():
            count_retry()
    assert budget.rate == least
