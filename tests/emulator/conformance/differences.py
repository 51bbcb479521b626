"""Where other servers are known to differ from the service, case by case."""

from __future__ import annotations

from typing import Final

_KEY_IN_CONDITION: Final = "refuses a query by partition key whose condition does not name the key too"

DIFFERENCES: Final[dict[str, dict[str, str]]] = {
    "vercel": {
        "test_create_read_replace_delete": "a replaced item gets a new resource id",
        "test_keys_of_every_type": "an id is taken once per container, whatever the key",
        "test_an_item_that_is_known_is_not_sent": "does not know 304",
        "test_patches_that_fail": "takes a patch without operations, and makes parents that are missing",
        "test_a_batch_is_all_or_nothing": "leaves what a failed batch did before it failed",
        "test_a_batch_that_succeeds": "cannot patch or delete in a batch",
        "test_limits": "knows none",
        "test_the_feed_collapses_and_goes_on": "gives everything once, and then nothing for ever",
        "test_which_items_a_condition_keeps": _KEY_IN_CONDITION,
        "test_parameters_are_typed": _KEY_IN_CONDITION,
        "test_what_a_row_looks_like": _KEY_IN_CONDITION,
        "test_rows_of_many_items": _KEY_IN_CONDITION,
        "test_several_properties_need_a_composite_index": _KEY_IN_CONDITION,
        "test_pages": _KEY_IN_CONDITION,
    },
}
"""By ``BIFROST_COSMOS_NAME`` and the name of the test; ``vercel`` is @vercel/cosmosdb-server 1.0.1."""
