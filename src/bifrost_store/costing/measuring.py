"""Makes the calls of a lifecycle in a scratch scope, and reads off the meter what each was charged."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import anyio

from bifrost_store.backends.registry import PRICED
from bifrost_store.blobs.protocol import EXECUTION_DATA
from bifrost_store.core.meter import Meter, metering
from bifrost_store.costing.lifecycle import (
    EACH_EXPIRED,
    STAND_IN_FOR_DOCUMENTS,
    STAND_IN_FOR_EXPIRY,
    STEPS,
    Scene,
    Step,
)
from bifrost_store.costing.mix import EACH_DOCUMENT_EXPIRED
from bifrost_store.costing.places import Place
from bifrost_store.costing.projection import Charge, Measurement
from bifrost_store.documents import Execution

ROUNDS: Final = 3
"""How often each call is made; the charge is the mean."""
_FEW: Final = 30
_MANY: Final = 90
"""Executions stored when what grows with them is measured: more than a page both times."""
_CLEAN_UP_SECONDS: Final = 60


async def measure(place: Place) -> Measurement:
    """Make every call of `STEPS` in a scope of its own at *place*, remove what was made, and return what the calls were charged.

    Raises:
        StoreError: A call failed, or the store cannot be used.
    """
    scene = Scene(place.store)
    if place.is_own:
        await place.store.provision()
    try:
        return await _measure(scene, place)
    finally:
        if not place.is_own:
            with anyio.fail_after(_CLEAN_UP_SECONDS, shield=True):
                await scene.clean_up()


async def _measure(scene: Scene, place: Place) -> Measurement:
    steps = {name: step for name, step in STEPS.items() if place.is_own or step.stand_in is None}
    await scene.prepare()
    for step in steps.values():
        # The first call of each kind also pays for what the SDK has to learn about the account.
        await step.call(scene, await step.before(scene))
    await scene.fill(_FEW)
    charges = {name: await _charge(scene, step) for name, step in steps.items()}
    await scene.fill(_MANY - _FEW)
    for name in [name for name, step in steps.items() if step.grows]:
        more = await _charge(scene, steps[name])
        charges[name] = _grown(charges[name], more, _MANY - _FEW)
    for name, step in STEPS.items():
        if name not in charges and step.stand_in is not None:
            charges[name] = replace(charges[step.stand_in], blob_bytes=0.0, stand_in=step.stand_in)
    size = await _document_bytes(scene)
    expired = await _expired(place)
    charges[EACH_DOCUMENT_EXPIRED] = replace(charges[STAND_IN_FOR_DOCUMENTS], data_bytes=0.0, stand_in=STAND_IN_FOR_DOCUMENTS)
    charges[EACH_EXPIRED] = expired or replace(charges[STAND_IN_FOR_EXPIRY], stand_in=STAND_IN_FOR_EXPIRY)
    return Measurement(place.name, place.is_model, charges, size)


async def _charge(scene: Scene, step: Step) -> Charge:
    """Return what a call costs, and what it leaves in the blobs of the execution that it is about."""
    total, blob_bytes = Meter(), 0
    for _ in range(ROUNDS):
        given = await step.before(scene)
        before = await _blob_bytes(scene, given)
        with metering() as meter:
            await step.call(scene, given)
        total.request_units += meter.request_units
        total.requests.update(meter.requests)
        total.sent_bytes += meter.sent_bytes if step.leaves_data else 0
        blob_bytes += await _blob_bytes(scene, given) - before
    return Charge(
        total.request_units / ROUNDS,
        _requests(total) / ROUNDS,
        blob_bytes=blob_bytes / ROUNDS,
        data_bytes=total.sent_bytes / ROUNDS,
    )


def _requests(meter: Meter) -> int:
    return meter.requests[PRICED] + meter.requests[f"{PRICED}_short_page"]


async def _blob_bytes(scene: Scene, given: object) -> int:
    if not isinstance(given, Execution):
        return 0
    blobs = scene.store.backend.blobs_for(scene.scope)
    return sum([blob.size async for blob in blobs.list(EXECUTION_DATA, f"{given.execution_id}/")])


def _grown(few: Charge, many: Charge, executions: int) -> Charge:
    """Return *few* with what each further execution adds."""
    slope = (many.request_units - few.request_units) / executions
    if slope <= 0:
        return few
    return replace(few, request_units=few.request_units - slope * _FEW, per_stored_execution=slope)


async def _document_bytes(scene: Scene) -> float:
    """Return the size of the document of a run that has ended: as the service sends it, or as it was sent if it is silent."""
    run = (await scene.store.executions.list(scene.scope, limit=1))[0]
    with metering() as meter:
        await scene.store.executions.get(scene.scope, run.execution_id, fallback=False)
    with metering() as rewritten:
        await scene.store.executions.save_result(run, {"synced": 1})
    return max(meter.received_bytes, rewritten.sent_bytes)


async def _expired(place: Place) -> Charge | None:
    """Let everything expire that was stored, remove it, and return what each removal was charged; None in a store of others."""
    if place.expire is None:
        return None
    place.expire()
    with metering() as meter:
        count = await place.store.executions.purge_expired()
    return Charge(meter.request_units / count, _requests(meter) / count)
