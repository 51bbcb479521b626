"""Where a partition key lies: effective partition keys (EPK), bit for bit as the service and its SDKs compute them.

An EPK is upper-case hex text; the key space of a container runs from ``""`` to ``"FF"`` in the order of that text. Version 2
is MurmurHash3 (x64, 128 bits) of the values, a hierarchical key (*MultiHash*) one such hash per level. Version 1, of containers
without a version, is a 32-bit hash followed by the values themselves, of which texts count with their first 100 characters.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Final, NamedTuple

KeyValue = None | bool | int | float | str | tuple[()]
"""One level of a partition key; the empty tuple stands for undefined."""

UNDEFINED_KEY: Final[tuple[()]] = ()
MIN_EPK: Final = ""
MAX_EPK: Final = "FF"

_MASK32: Final = 0xFFFFFFFF
_MASK64: Final = 0xFFFFFFFFFFFFFFFF
_LARGEST_HASH: Final = (1 << 126) - 1
_V1_TEXT_LENGTH: Final = 100
_V1_TEXT_BYTES: Final = 100


class EpkRange(NamedTuple):
    """A half-open range of effective partition keys."""

    low: str
    high: str

    def contains(self, epk: str) -> bool:
        """Return whether *epk* lies in the range."""
        return self.low <= epk < self.high


def effective_partition_key(values: Sequence[KeyValue], *, kind: str, version: int) -> str:
    """Return the EPK of a partition key, or of the first levels of a hierarchical one.

    Under version 1, long texts share an EPK; the hash of version 2 is appended after a dot, so that the answer tells keys apart
    and still lies where version 1 puts it.
    """
    # 1, 1.0 and True are equal to a cache, so are 0.0 and -0.0; their bytes are not.
    texts = tuple(_hash_input(value, b"\xff") for value in values)
    if kind == "MultiHash":
        return "".join([_hash_v2(text) for text in texts])
    if version >= 2:
        return _hash_v2(b"".join(texts))
    return f"{_hash_v1(values)}.{_hash_v2(b''.join(texts))}"


def split_evenly(count: int, *, kind: str, version: int) -> list[EpkRange]:
    """Return the ranges of *count* physical partitions that share the key space."""
    if kind == "Hash" and version < 2:
        inner = [_encode_v1(float((index << 32) // count)).hex().upper() for index in range(1, count)]
    else:
        inner = [f"{_LARGEST_HASH // count * index:032X}" for index in range(1, count)]
    bounds = [MIN_EPK, *inner, MAX_EPK]
    return [EpkRange(low, high) for low, high in pairwise(bounds)]


def halve(whole: EpkRange) -> tuple[EpkRange, EpkRange]:
    """Return the two halves of a range, as a split of a physical partition makes them."""
    low = int((whole.low or "0").ljust(32, "0")[:32], 16)
    high = _LARGEST_HASH if whole.high == MAX_EPK else int(whole.high.ljust(32, "0")[:32], 16)
    middle = f"{(low + high) // 2:032X}"
    return EpkRange(whole.low, middle), EpkRange(middle, whole.high)


def _hash_input(value: KeyValue, end_of_text: bytes) -> bytes:
    if value == ():
        return b"\x00"
    if value is None:
        return b"\x01"
    if value is False:
        return b"\x02"
    if value is True:
        return b"\x03"
    if isinstance(value, str):
        return b"\x08" + value.encode("utf-8", "surrogatepass") + end_of_text
    assert isinstance(value, (int, float))
    return b"\x05" + struct.pack("<d", value)


@lru_cache(maxsize=4096)
def _hash_v2(data: bytes) -> str:
    low, high = murmur3_128(data)
    digest = bytearray(struct.pack("<QQ", low, high))
    digest.reverse()
    digest[0] &= 0x3F
    return digest.hex().upper()


def _hash_v1(values: Sequence[KeyValue]) -> str:
    short = [value[:_V1_TEXT_LENGTH] if isinstance(value, str) else value for value in values]
    digest = float(murmur3_32(b"".join([_hash_input(value, b"\x00") for value in short])))
    return b"".join([_encode_v1(value) for value in (digest, *short)]).hex().upper()


def _encode_v1(value: KeyValue) -> bytes:
    """Return the order-preserving bytes that version 1 appends to its hash."""
    if value == ():
        return b"\x00"
    if value is None:
        return b""
    if isinstance(value, bool):
        return b"\x03" if value else b"\x02"
    if isinstance(value, str):
        data = value.encode("utf-8", "surrogatepass")
        shifted = bytes([(byte + 1) & 0xFF for byte in data[: _V1_TEXT_BYTES + 1]])
        return b"\x08" + shifted + (b"\x00" if len(data) <= _V1_TEXT_BYTES else b"")
    assert isinstance(value, (int, float))
    return b"\x05" + _encode_number_v1(value)


def _encode_number_v1(value: float) -> bytes:
    (bits,) = struct.unpack("<Q", struct.pack("<d", value))
    payload: int = bits ^ (1 << 63) if bits < (1 << 63) else -bits & _MASK64
    encoded = bytearray([payload >> 56])
    payload = payload << 8 & _MASK64
    byte, is_first = 0, True
    while payload:
        if not is_first:
            encoded.append(byte)
        is_first = False
        byte = payload >> 56 | 1
        payload = payload << 7 & _MASK64
    encoded.append(byte & 0xFE)
    return bytes(encoded)


def murmur3_128(data: bytes) -> tuple[int, int]:
    """Return MurmurHash3 x64 128 with seed 0 as its low and high halves."""
    first = second = 0
    length = len(data)
    whole = length & ~15
    for one, two in struct.iter_unpack("<QQ", data[:whole]):
        first ^= _scramble_one(one)
        first = ((_rotate64(first, 27) + second) * 5 + 0x52DCE729) & _MASK64
        second ^= _scramble_two(two)
        second = ((_rotate64(second, 31) + first) * 5 + 0x38495AB5) & _MASK64
    rest = data[whole:]
    second ^= _scramble_two(int.from_bytes(rest[8:], "little"))
    first ^= _scramble_one(int.from_bytes(rest[:8], "little"))
    first, second = first ^ length, second ^ length
    first = (first + second) & _MASK64
    second = (second + first) & _MASK64
    first, second = _mix64(first), _mix64(second)
    first = (first + second) & _MASK64
    return first, (second + first) & _MASK64


def murmur3_32(data: bytes) -> int:
    """Return MurmurHash3 x86 32 with seed 0."""
    digest = 0
    whole = len(data) & ~3
    for (word,) in struct.iter_unpack("<I", data[:whole]):
        digest ^= _scramble32(word)
        digest = (_rotate32(digest, 13) * 5 + 0xE6546B64) & _MASK32
    digest ^= _scramble32(int.from_bytes(data[whole:], "little"))
    digest ^= len(data)
    digest = (digest ^ digest >> 16) * 0x85EBCA6B & _MASK32
    digest = (digest ^ digest >> 13) * 0xC2B2AE35 & _MASK32
    return digest ^ digest >> 16


def _scramble_one(word: int) -> int:
    return _rotate64(word * 0x87C37B91114253D5 & _MASK64, 31) * 0x4CF5AD432745937F & _MASK64


def _scramble_two(word: int) -> int:
    return _rotate64(word * 0x4CF5AD432745937F & _MASK64, 33) * 0x87C37B91114253D5 & _MASK64


def _scramble32(word: int) -> int:
    return _rotate32(word * 0xCC9E2D51 & _MASK32, 15) * 0x1B873593 & _MASK32


def _rotate64(word: int, count: int) -> int:
    return (word << count | word >> (64 - count)) & _MASK64


def _rotate32(word: int, count: int) -> int:
    return (word << count | word >> (32 - count)) & _MASK32


def _mix64(word: int) -> int:
    word = (word ^ word >> 33) * 0xFF51AFD7ED558CCD & _MASK64
    word = (word ^ word >> 33) * 0xC4CEB9FE1A85EC53 & _MASK64
    return word ^ word >> 33
