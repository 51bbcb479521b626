"""A secondary as long as it is this migration's: while it has no copy of the control document, it is as if it did not answer."""

from __future__ import annotations

from collections.abc import Callable

from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.errors import BackendUnavailableError
from bifrost_store.routing.copies import Lack
from bifrost_store.wrappers.pass_through import PassThrough


class GuardedSecondary(PassThrough):
    """A `Backend` that a migration tells of its writes. Rule D5: nothing is read from or written to a store that is not its own.

    Args:
        inner: The store, addressed directly.
        lack: Why it is not this migration's, as was seen last; None where it is.
    """

    def __init__(self, inner: Backend, lack: Callable[[], Lack | None]) -> None:
        super().__init__(inner)
        self._lack = lack

    @property
    @override
    def _inner(self) -> Backend:
        lack = self._lack()
        if lack is not None:
            raise BackendUnavailableError(f"nothing is sent to {lack.store}, which {lack.reason}", backend=lack.store)
        return super()._inner

    @override
    async def aclose(self) -> None:
        """The store stays open: whoever opened it closes it."""
