"""Whether two stores answer alike, rows apart that only one of them could be given."""

from __future__ import annotations

import json
from collections.abc import Mapping

from tests.rows.questions import Answer, Named

_COUNTS = ("executions.count_by_status ", "executions.statistics ")


def differences(expected: Mapping[str, Answer], found: Mapping[str, Answer], named: Named = frozenset()) -> list[str]:
    """Return the questions that are answered differently.

    Args:
        expected: Of the tables.
        found: Of the other store.
        named: What the way there named as unreadable, so that the other store has never heard of it. Answers about these documents
            may differ: the tables name them, or what their keys tell; the other store knows of nothing, or of GLOBAL's. Counts
            may have them: a run is counted by the columns that its count asks for, whatever else of it cannot be read.
    """
    runs = sum(kind == "execution" for kind, _, _ in named)
    ids = {part for _, _, id_ in named for part in (id_, *id_.split(":")) if part}

    def concerns(text: str) -> bool:
        return any(id_ in text for id_ in ids)

    def rest(answer: Answer) -> tuple[list[str], Named, str]:
        return [item for item in answer.items if not concerns(item)], answer.named - named, answer.error

    different = [question for question in expected if rest(expected[question]) != rest(found[question])]
    return [
        f"{question}: {expected[question]} became {found[question]}"
        for question in different
        if not concerns(question)
        and not (expected[question].error and expected[question].named & named)
        and not (question.startswith(_COUNTS) and 0 <= _more(expected[question], found[question]) <= runs)
    ]


def _more(expected: Answer, found: Answer) -> int:
    """Return how many runs *expected* counts more than *found*; -1 where it counts less anywhere, or shows other failures."""
    if not (expected.items and found.items):
        return -1
    before, after = (json.loads(answer.items[0]) for answer in (expected, found))
    if before.get("recent_failures") != after.get("recent_failures"):
        return -1
    before, after = (one.get("by_status", one) for one in (before, after))
    more = [before.get(status, 0) - after.get(status, 0) for status in before.keys() | after.keys()]
    return sum(more) if min(more, default=0) >= 0 else -1
