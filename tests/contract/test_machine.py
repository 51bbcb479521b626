"""All backends at once."""

from bifrost_store.testing.contract.machine import test_every_sequence_gives_the_same_answers  # noqa: F401
