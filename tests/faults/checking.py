"""What both stores must hold in the end, by what the workers were told."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from bifrost_store import StoreSettings
from bifrost_store.backends.protocol import Backend
from bifrost_store.backends.registry import BackendFactory
from bifrost_store.core.clock import utc_now
from bifrost_store.documents import SPECS
from tests.faults.history import COUNTERS, Expected, Possible
from tests.faults.records import STORES, key_of, value_of


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found.

    Attributes:
        records: That were looked at, in each store.
        wrong: A sentence for each thing that must not be.
    """

    records: int
    wrong: list[str]


async def check(settings: StoreSettings, expected: Expected) -> Verdict:
    """Compare both stores with what the logs say."""
    async with AsyncExitStack() as stack:
        factory = BackendFactory(settings, SPECS, utc_now, stack)
        stores = {name: factory.backend(name) for name in STORES}
        for store in stores.values():
            stack.push_async_callback(store.aclose)
        return await check_stores(stores, expected)


async def check_stores(stores: Mapping[str, Backend], expected: Expected) -> Verdict:
    """Compare *stores* with what the logs say: each record in each, and the counters."""
    wrong = list(expected.wrong)
    for name, store in stores.items():
        for record, possible in expected.records.items():
            wrong += await _check_record(name, store, record, possible)
        for counter in COUNTERS:
            found = await store.get(key_of(counter))
            number = 0 if found is None else int(found.body["value"])
            counted, is_open = expected.counted[counter], expected.open_counts[counter]
            if not counted <= number <= counted + is_open:
                wrong.append(f"{name}: {counter} is {number}; {counted} additions were acknowledged, {is_open} are open")
    return Verdict(len(expected.records), wrong)


async def _check_record(name: str, store: Backend, record: str, possible: Possible) -> list[str]:
    found = value_of(await store.get(key_of(record)))
    return [] if possible.allows(found) else [f"{name} holds {found!r} of {record}, where {possible} is possible"]
