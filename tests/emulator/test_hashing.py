"""Effective partition keys: the vectors that the SDK computes, and how the key space is divided."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from azure.cosmos.partition_key import PartitionKey

from bifrost_store.emulator.containers.hashing import MAX_EPK, MIN_EPK, EpkRange, effective_partition_key, halve, split_evenly

VECTORS = {
    "": "32E9366E637A71B4E710384B2F4970A0",
    "a": "3A5381E1114EB8D3FCC90795045B49B7",
    "k": "109D05B01C1EB41DE60E1AE316D765C6",
    "org-1": "1F9A1EF6D3E5F91920EFA7FD65CA61F6",
    "x" * 100: "3F35F33CA8F8DA98DB46E18CDC66A245",
    "é€😀": "23C529E839B5720BFB9001DF68875EA9",
    42: "08E6D561F6FD951DCC25E7E4EA2884B5",
    1.5: "35C5DDEB6C795D16A9963C73C54E97BC",
    1e300: "1234CB21048B20039B22F11DBB13CD7B",
    None: "378867E4430E67857ACE5C908374FE16",
    (): "11622DAA78F835834610ABE56EFF5CB5",
}
EQUAL_IN_PYTHON: list[tuple[Any, str]] = [
    (0, "155B95BEDAC4B1E9EC1CDC9BB0DDDE58"),
    (-0.0, "3D018BB1DF3DB27235766E81FD10406E"),
    (False, "2FE1BE91E90A3439635E0E9E37361EF2"),
    (1, "20CD98B339BA78A5D0CF6953B87070B0"),
    (True, "0E711127C5B5A8E4726AC6DD306A3E59"),
]


@pytest.mark.parametrize(("value", "expected"), [*VECTORS.items(), *EQUAL_IN_PYTHON], ids=repr)
def test_a_value_hashes_as_the_sdk_says(value: Any, expected: str) -> None:
    """Version 2 of the hash is the SDK's, type for type."""
    assert effective_partition_key([value], kind="Hash", version=2) == expected


def test_a_hierarchical_key_is_one_hash_per_level() -> None:
    """MultiHash joins the hashes of the levels, so that a prefix of the key is a prefix of the text."""
    both = effective_partition_key(["a", "b"], kind="MultiHash", version=2)
    assert both == "3A5381E1114EB8D3FCC90795045B49B7195644569A78B1E22D200348AF9416CE"
    assert both.startswith(effective_partition_key(["a"], kind="MultiHash", version=2))


def test_random_keys_hash_as_in_the_sdk() -> None:
    """Keys of every length and script hash as the SDK's own code hashes them, under versions 1 and 2."""
    source = random.Random(4)
    for _ in range(300):
        text = "".join(source.choices("ab/é€😀", k=source.randrange(1, 60)))
        value: Any = source.choice([text, source.random() * 1e6, source.randrange(10**6), True])
        for version in (1, 2):
            expected = PartitionKey(path="/a", kind="Hash", version=version)._get_effective_partition_key_string([value])
            found = effective_partition_key([value], kind="Hash", version=version)
            assert found.partition(".")[0] == str(expected).upper()


def test_version_1_tells_long_texts_apart() -> None:
    """Texts that differ after 100 characters lie at one place, and are two keys all the same."""
    one, other = (effective_partition_key(["x" * 100 + end], kind="Hash", version=1) for end in "ab")
    assert one.partition(".")[0] == other.partition(".")[0]
    assert one != other


@pytest.mark.parametrize("count", [1, 2, 3, 7, 100])
@pytest.mark.parametrize("version", [1, 2])
def test_even_parts_cover_the_key_space(count: int, version: int) -> None:
    """Parts meet without gap or overlap from the least to the greatest key."""
    parts = split_evenly(count, kind="Hash", version=version)
    assert len(parts) == count
    assert (parts[0].low, parts[-1].high) == (MIN_EPK, MAX_EPK)
    assert all(one.high == other.low for one, other in pairwise(parts))
    assert all(part.low < part.high for part in parts)


def test_two_halves_meet_where_the_service_splits() -> None:
    """Hashes lie below 40, so that the middle is 1FFF and not 7FFF."""
    middle = "1" + "F" * 31
    assert split_evenly(2, kind="Hash", version=2)[0].high == middle
    assert halve(EpkRange(MIN_EPK, MAX_EPK)) == ((MIN_EPK, middle), (middle, MAX_EPK))


def test_even_parts_get_about_even_shares() -> None:
    """Many keys spread over the parts."""
    parts = split_evenly(4, kind="Hash", version=2)
    found = [0] * 4
    for index in range(2000):
        epk = effective_partition_key([f"org-{index}"], kind="Hash", version=2)
        found[next(place for place, part in enumerate(parts) if part.contains(epk))] += 1
    assert min(found) > 400
