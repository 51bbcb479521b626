"""The SDK's change feed of one container, one request a page, and where in it a reader stands."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any, Final, cast

from azure.cosmos.aio import ContainerProxy

from bifrost_store.backends.cosmos.documents import Document
from bifrost_store.backends.cosmos.errors import BACKEND, understood
from bifrost_store.backends.cosmos.exchanges import watched
from bifrost_store.core.feed import FeedRange
from bifrost_store.core.json import dump_json, load_json
from bifrost_store.errors import BackendUnavailableError

_REPEATABLE: Final[Mapping[str, Any]] = {"retry_total": 2, "retry_connect": 2, "retry_read": 2}
_RANGE: Final = "Range"
_NUMBER: Final = re.compile(r'"?([0-9]{1,18})"?')


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a part of a range was read.

    Attributes:
        token: The service's; None: not read yet.
        part: The part.
        is_drained: It had nothing more when it was read last, since which no other part of the range had anything.
    """

    token: str | None
    part: FeedRange
    is_drained: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """An answer of the service.

    Attributes:
        documents: With what the service adds to them.
        marks: Of what was read: several once the service has split it.
        headers: Of the answer.
    """

    documents: tuple[Document, ...]
    marks: tuple[Mark, ...]
    headers: Mapping[str, str]

    @property
    def behind(self) -> int | None:
        """How many transactions the partition has had that this answer does not reach; None where that is not told."""
        position = next((mark.token for mark in reversed(self.marks) if mark.token is not None), None)
        session = self.headers.get("x-ms-session-token", "").partition("#")[2]
        reached, newest = _NUMBER.match(position or ""), _NUMBER.match(session)
        return max(0, int(newest[1]) - int(reached[1])) if reached and newest else None

    def age_seconds(self, now: float) -> float:
        """Return how long ago the last document was written, by the service's clock if it tells the time, else by *now*."""
        if not self.documents or not isinstance(written := self.documents[-1].get("_ts"), int):
            return 0.0
        told = self.headers.get("Date")
        return max(0.0, (now if told is None else parsedate_to_datetime(told).timestamp()) - written)


async def read_changes(proxy: ContainerProxy, rid: str, mark: Mark, *, size: int) -> Changes:
    """Return what follows *mark*, in one request; in one more where the service has split the part meanwhile."""
    if mark.token is None:
        start: dict[str, Any] = {"feed_range": _sdk_range(mark.part), "start_time": "Beginning"}
    else:
        start = {"continuation": _continuation(rid, mark.part, mark.token)}
    return await _read(proxy, rid, mark.part, {**start, "max_item_count": size})


async def read_tip(proxy: ContainerProxy, rid: str, part: FeedRange) -> Changes:
    """Return the marks that stand behind everything in *part*."""
    return await _read(proxy, rid, part, {"feed_range": _sdk_range(part), "start_time": "Now"})


async def read_ranges(proxy: ContainerProxy) -> list[FeedRange]:
    """Return the parts of the container that the service keeps apart now."""
    with understood():
        found = [_range_of(each[_RANGE]) async for each in proxy.read_feed_ranges(force_refresh=True)]
    return sorted(found)


def cut(marks: tuple[Mark, ...], part: FeedRange) -> tuple[Mark, ...]:
    """Return what of *marks* lies in *part*."""
    cuts = (Mark(mark.token, _common(mark.part, part), mark.is_drained) for mark in marks)
    return tuple(mark for mark in cuts if mark.part.low < mark.part.high)


async def _read(proxy: ContainerProxy, rid: str, part: FeedRange, options: Mapping[str, Any]) -> Changes:
    answers: list[Mapping[str, str]] = []
    changes: Any = proxy.query_items_change_feed(**options, **_REPEATABLE, response_hook=lambda headers, _: answers.append(headers))
    documents: list[Document] = []
    with watched(), understood():
        try:
            documents = [document async for document in await anext(changes.by_page())]
        except StopAsyncIteration:
            pass  # So the SDK says that there is nothing new. Where to go on stands in the headers all the same.
        except ValueError as error:
            if "rid" not in str(error):
                raise
            raise _made_again() from error
        headers = answers[-1]
        if headers.get("x-ms-content-path", rid) != rid:
            raise _made_again()
        # Once the call has ended, the headers that the hook saw hold the SDK's token of all parts in place of the service's.
        marks = _marks(load_json(base64.b64decode(headers["etag"]).decode()))
    return Changes(tuple(documents), cut(marks, part), headers)


def _made_again() -> BackendUnavailableError:
    return BackendUnavailableError("the container was made again meanwhile; try again", backend=BACKEND)


def _marks(token: Any) -> tuple[Mark, ...]:
    return tuple(Mark(each["token"], _range_of(each["range"])) for each in token["continuation"]["continuation"])


def _continuation(rid: str, part: FeedRange, token: str) -> str:
    """Return the SDK's token, azure-cosmos 4.17.1, that goes on behind *token* in exactly *part*."""
    whole = _sdk_range(part)
    continuation = {"v": "v2", "rid": rid, "continuation": [{"token": token, "range": whole[_RANGE]}], **whole}
    state = {"v": "v2", "containerRid": rid, "mode": "LatestVersion", "startFrom": {"Type": "Beginning"}}
    return base64.b64encode(dump_json({**state, "continuation": continuation}).encode()).decode()


def _sdk_range(part: FeedRange) -> dict[str, dict[str, Any]]:
    return {_RANGE: {"min": part.low, "max": part.high, "isMinInclusive": True, "isMaxInclusive": False}}


def _range_of(found: Mapping[str, Any]) -> FeedRange:
    return FeedRange(cast(str, found["min"]), cast(str, found["max"]))


def _common(first: FeedRange, second: FeedRange) -> FeedRange:
    return FeedRange(max(first.low, second.low), min(first.high, second.high))
