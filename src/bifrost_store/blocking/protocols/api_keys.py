"""Keys with which other systems start workflows. Without await; written by tools/blocking.py."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from bifrost_store.core.page import Page
from bifrost_store.documents import ApiKey
from bifrost_store.repository_protocols.api_keys import NewApiKey


class BlockingApiKeys(Protocol):
    """Keys of one workflow, and global ones that start any. Of each only a hash is stored."""

    def create(
        self,
        *,
        created_by: str,
        workflow_id: str | None = None,
        description: str | None = None,
        expires_at: datetime | None = None,
        disable_global_key: bool = False,
    ) -> NewApiKey:
        """Make a key and return it, this once.

        Args:
            workflow_id: The workflow that it starts; None: any.
            expires_at: From then on it is refused; must be in the future.
            disable_global_key: Global keys no longer start this workflow. Only on the key of a workflow.
        """
        ...

    def validate(self, key: str, workflow: str) -> ApiKey | None:
        """Return what is stored of *key* if it may start *workflow*, else None.

        The workflow's own keys are tried first, then global ones. A key that was revoked or has expired is refused, as is a
        global one if a key of the workflow says ``disable_global_key``: also after that key has expired, but not once it
        was revoked. The use is noted in ``last_used_at``, every five minutes at most; where that fails the answer stands.

        One query, and one write where the use is noted.
        """
        ...

    def get(self, key_id: str) -> ApiKey | None:
        """Return what is stored of the key with this id, in use or not, or None. A point read."""
        ...

    def list(self, *, created_by: str | None = None, workflow_id: str | None = None, include_revoked: bool = False) -> Page[ApiKey]:
        """Return the keys of *workflow_id*, or without it all keys, global ones last; each by time of creation, then id.

        Expired keys are shown. With *created_by* only those that this caller made.
        """
        ...

    def revoke(self, key_id: str, *, revoked_by: str, etag: str | None = None) -> ApiKey:
        """Refuse the key from now on; the document stays. Repeating it changes nothing, not even who did it.

        Raises:
            DocumentNotFoundError: There is none.
        """
        ...

    def delete(self, key_id: str, *, etag: str | None = None) -> bool:
        """Delete what is stored of the key, which is refused from then on. Return whether it was there."""
        ...
