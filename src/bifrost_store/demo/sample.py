"""Sample data for any store: a small platform whose runs end now, through the repositories, as the platform would write it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from bifrost_store.core.clock import Clock, utc_now
from bifrost_store.core.progress import Progress, silent
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.demo.generator import ADMINS, NAMES, ORGANIZATIONS, WORKFLOWS
from bifrost_store.documents import ConfigType, ExecutionStatus, UserType
from bifrost_store.errors import ConfigurationError, DocumentExistsError, NotProvisionedError
from bifrost_store.opening.store import open_store
from bifrost_store.settings import StoreSettings
from bifrost_store.store import Store

DEFAULT_RUNS: Final = 200
_SEED: Final = 20251120
_PERIOD: Final = timedelta(days=7)
"""Runs are spread over so long; never over more than half the retention, so that none has expired when it is stored."""
_ENDS: Final = (
    *[ExecutionStatus.SUCCESS] * 14,
    *[ExecutionStatus.FAILED] * 3,
    ExecutionStatus.COMPLETED_WITH_ERRORS,
    ExecutionStatus.TIMEOUT,
    ExecutionStatus.CANCELLED,
)
_LIVE_RUNS: Final = 3
_SCHEMA: Final = {"fields": [{"name": "mailbox", "type": "text", "label": "Mailbox", "required": True}]}


class _Hands:
    """A clock that is set to the moment of what is being told."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


@dataclass(frozen=True, slots=True)
class _Place:
    """A scope, and who starts runs in it."""

    scope: Scope
    people: Sequence[str]


async def fill_with_samples(
    settings: StoreSettings, *, runs: int = DEFAULT_RUNS, add: bool = False, clock: Clock = utc_now, progress: Progress = silent
) -> dict[str, int]:
    """Put organizations, people, configuration, roles, forms and *runs* runs of the last days into the store of *settings*.

    Everything but the runs has the same names and keys at every call; what of it is there stays as it is.

    Args:
        add: Go on although the store holds something.
        clock: Tells the time at which the newest run began.
        progress: Is told how many runs were stored.

    Returns:
        How many of each there are now of this data set: organizations, users, executions.

    Raises:
        ConfigurationError: The store holds something, and *add* was not given. Nothing was written.
    """
    now = clock()
    hands = _Hands(now)
    async with open_store(settings, clock=hands) as store:
        if not add and (found := await _first_record(store)):
            raise ConfigurationError(
                f"the store is not empty: it holds {found}; sample data would mix with it. Name an empty store, or add to it "
                "with --add"
            )
        await store.provision()
        chance = random.Random(_SEED)  # noqa: S311 - reproducible, not secret
        places = await _people(store, hands, chance)
        for place in places:
            await _belongings(store, place)
        await _runs(store, hands, chance, places, _moments(settings, now, chance, runs), progress)
    return {
        "organizations": len(ORGANIZATIONS),
        "users": len({one for place in places for one in place.people}),
        "executions": runs,
    }


async def _first_record(store: Store) -> str | None:
    """Return the kind of a record that *store* holds, or None; a store without tables is empty."""
    with suppress(NotProvisionedError):
        async for page in store.backend.scan():
            if page.records:
                return f"records of kind {page.records[0].key.kind}"
            if page.unreadable:
                return "rows that cannot be read"
    return None


async def _people(store: Store, hands: _Hands, chance: random.Random) -> list[_Place]:
    now = hands.now
    hands.now = now - timedelta(days=60)
    for email in ADMINS:
        await _user(store, email, user_type=UserType.PLATFORM, is_platform_admin=True)
    places = [_Place(GLOBAL, ADMINS)]
    for number, (name, domain) in enumerate(ORGANIZATIONS):
        organization = str(UUID(int=chance.getrandbits(128), version=4))
        with suppress(DocumentExistsError):
            await store.organizations.create(name, created_by=ADMINS[0], domain=domain, id=organization)
        people = [f"{person}@{domain or 'oldmill.example'}" for person in NAMES[number : number + 5]]
        for email in people:
            await _user(store, email, organization_id=organization)
        places.append(_Place(Scope.of(organization), people))
    hands.now = now
    return places


async def _user(store: Store, email: str, **given: Any) -> None:
    name = email.partition("@")[0].replace(".", " ").title()
    with suppress(DocumentExistsError):
        await store.users.create(email, display_name=name, created_by=ADMINS[0], **given)


async def _belongings(store: Store, place: _Place) -> None:
    """Store configuration, a role and a form of one scope."""
    values: list[tuple[str, ConfigType, Any]] = [("time_zone", ConfigType.STRING, "Europe/Berlin")]
    if place.scope == GLOBAL:
        values += [("max_retries", ConfigType.INT, 3), ("feature_flags", ConfigType.JSON, {"new_editor": True, "rate": 0.25})]
    for key, kind, value in values:
        if await store.config.get(place.scope, key, fallback=False) is None:
            await store.config.set(place.scope, key, value, config_type=kind, updated_by=ADMINS[0])
    if await store.roles.list(place.scope):
        return
    role = await store.roles.create(place.scope, "Front office", created_by=ADMINS[0])
    form = await store.forms.create(
        place.scope, "Onboard a user", linked_workflow="user_onboarding", form_schema=_SCHEMA, created_by=ADMINS[0]
    )
    await store.roles.assign_forms(place.scope, role.id, [form.id], assigned_by=ADMINS[0])
    if place.scope != GLOBAL:
        await store.roles.assign_users(place.scope, role.id, list(place.people[:2]), assigned_by=ADMINS[0])


def _moments(settings: StoreSettings, now: datetime, chance: random.Random, count: int) -> list[datetime]:
    """Return when the runs began, in order: more by day than by night."""
    days = settings.execution_retention_days
    period = _PERIOD if days is None else min(_PERIOD, timedelta(days=days) / 2)
    moments = [now - period * chance.random() for _ in range(2 * count)]
    by_day = [moment for moment in moments if 6 <= moment.hour < 18]
    return sorted((by_day + [moment for moment in moments if moment not in set(by_day)])[:count])


async def _runs(
    store: Store, hands: _Hands, chance: random.Random, places: Sequence[_Place], moments: Sequence[datetime], progress: Progress
) -> None:
    now = hands.now
    for number, moment in enumerate(moments, start=1):
        place = chance.choice(places)
        await _run(store, hands, chance, place, moment, now, is_live=number > len(moments) - _LIVE_RUNS)
        progress("runs", number, len(moments))
    hands.now = now


async def _run(
    store: Store, hands: _Hands, chance: random.Random, place: _Place, began: datetime, now: datetime, *, is_live: bool
) -> None:
    hands.now = began
    user, mailboxes, milliseconds = chance.choice(place.people), chance.randint(1, 40), chance.randint(80, 9_000)
    run = await store.executions.create(
        place.scope,
        workflow_name=chance.choice(WORKFLOWS),
        executed_by=user,
        executed_by_name=user.partition("@")[0],
        input_data={"mailboxes": mailboxes, "dry_run": chance.random() < 0.2},
    )
    if is_live:
        return
    async with store.execution_data.recording(run) as recording:
        recording.info(f"{mailboxes} mailboxes are to be looked at")
        recording.debug("GET /mailboxes 200", data={"count": mailboxes})
        recording.set_variables({"left": 0, "seen": mailboxes})
        status = chance.choice(_ENDS)
        if status is not ExecutionStatus.SUCCESS:
            recording.error(f"mailbox {mailboxes} was not found")
    hands.now = min(now, began + timedelta(milliseconds=milliseconds))
    is_fine = status in (ExecutionStatus.SUCCESS, ExecutionStatus.COMPLETED_WITH_ERRORS)
    await store.executions.complete(
        run,
        status,
        duration_ms=milliseconds,
        result={"seen": mailboxes} if is_fine else None,
        error_message=None if status is ExecutionStatus.SUCCESS else f"mailbox {mailboxes} was not found",
        error_type=None if status is ExecutionStatus.SUCCESS else "MailboxNotFound",
    )
