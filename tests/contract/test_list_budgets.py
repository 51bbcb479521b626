"""What lists that are read whole cost: of small kinds on Table Storage each row is read once, however many pages they are."""

from __future__ import annotations

import pytest

from bifrost_store.core.meter import count_requests, metering
from bifrost_store.core.scope import GLOBAL
from bifrost_store.repositories import reading
from bifrost_store.repositories.assembly import Repositories
from bifrost_store.repositories.reading import all_records
from bifrost_store.testing.bulk import create_all
from bifrost_store.testing.examples import ORGANIZATION, config, membership, user
from bifrost_store.testing.harness import Harness, StoreUnderTest

pytestmark = pytest.mark.anyio
KEYS = ["a/b", "a%b", "a b", "é", "%%", "z", *(f"key-{number}" for number in range(6))]


@pytest.fixture(autouse=True)
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PAGE_SIZE", 5)


async def test_a_list_of_several_pages_reads_its_rows_once(store: StoreUnderTest, harness: Harness) -> None:
    """On Table Storage one request of the service's own page size; elsewhere one for each page. Every record comes once."""
    await create_all(store.backend, [config(key) for key in KEYS])
    with count_requests() as counted:
        found = await all_records(store.backend, "config", ORGANIZATION)

    assert sorted(KEYS) == sorted(one.key.id for one in found)
    assert len(KEYS) == len(found)
    assert counted[harness.name] <= (1 if harness.name == "table" else 3)


async def test_the_next_list_reads_anew(store: StoreUnderTest) -> None:
    """What is kept for the pages of one list is gone with it."""
    await create_all(store.backend, [user(f"{number}@x.example") for number in range(7)])
    await all_records(store.backend, "user", GLOBAL)
    await store.backend.create(user("new@x.example"))

    assert "new@x.example" in {one.key.id for one in await all_records(store.backend, "user", GLOBAL)}


async def test_users_of_an_organization_are_looked_for_among_their_neighbours(
    store: StoreUnderTest, repositories: Repositories
) -> None:
    """Whatever their addresses hold; others that come after the last are not sent."""
    emails = ["m/1@x.example", "m\U0001f600@x.example", "m\uffee@x.example", "m%25@x.example", "m é@x.example", "m@x.example"]
    await create_all(store.backend, [user(email) for email in emails])
    await create_all(store.backend, [membership(email) for email in emails])
    with metering() as before:
        few = await repositories.users.list_organization("o-1")
    await create_all(store.backend, [user(f"z{number}@x.example") for number in range(9)])
    with metering() as after:
        many = await repositories.users.list_organization("o-1")

    assert sorted(emails) == sorted(one.email for one in few) == sorted(one.email for one in many)
    assert after.received_bytes <= before.received_bytes


@pytest.mark.parametrize("what", ["memberships of a user", "whether there are users"])
async def test_what_others_have_is_not_sent(store: StoreUnderTest, repositories: Repositories, what: str) -> None:
    """What is asked on the way of a sign-in takes as much with ten others as with one."""
    for email in ("kim@x.example", "y@x.example"):
        await repositories.users.create(email, organization_id="o-1")

    async def ask() -> object:
        users = repositories.users
        return await (users.memberships("kim@x.example") if what == "memberships of a user" else users.any_exist())

    with metering() as before:
        first = await ask()
    await create_all(store.backend, [user(f"z{number}@x.example") for number in range(9)])
    await create_all(store.backend, [membership(f"z{number}@x.example") for number in range(9)])
    with metering() as after:
        second = await ask()

    assert first == second
    assert after.received_bytes <= before.received_bytes
