"""What lies behind what readers see."""

from bifrost_store.testing.contract.stored import *  # noqa: F403
