"""Branding, with GLOBAL as the fallback of every organization."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from anyio import to_thread
from typing_extensions import override

from bifrost_store.backends.protocol import Backend
from bifrost_store.blobs.protocol import BRANDING, BlobStore
from bifrost_store.core.clock import Clock, format_time
from bifrost_store.core.record import Body, Record
from bifrost_store.core.scope import GLOBAL, Scope
from bifrost_store.documents import Branding, LogoShape
from bifrost_store.documents.branding import branding_key
from bifrost_store.errors import InvalidRequestError, OutcomeUnknownError, StoreError
from bifrost_store.repositories import logos
from bifrost_store.repositories.changes import change_record, put_record
from bifrost_store.repositories.checks import check_id, check_scope, one_of
from bifrost_store.repositories.images import EXTENSIONS, check_logo
from bifrost_store.repository_protocols.branding import Brandings, Logo

_COLOR: Final = re.compile(r"#(?:[0-9A-Fa-f]{3}|[0-9A-Fa-f]{6})")
_CONTENT_TYPES: Final = {extension: content_type for content_type, extension in EXTENSIONS.items()}


class BrandingRepository(Brandings):
    """The `Brandings` of a store. See `bifrost_store.protocols.Brandings`.

    Args:
        backend: Holds the records.
        clock: Tells the time.
        blobs: Returns the blob store that goes with a scope's backend.
    """

    def __init__(self, backend: Backend, *, clock: Clock, blobs: Callable[[Scope], BlobStore]) -> None:
        self._backend = backend
        self._clock = clock
        self._blobs = blobs

    @override
    async def get(self, scope: Scope) -> Branding:
        record = await self._find(scope)
        return Branding.default() if record is None else Branding.from_record(record)

    @override
    async def set(self, scope: Scope, *, primary_color: str | None, updated_by: str, etag: str | None = None) -> Branding:
        _check_call(scope, updated_by)
        if primary_color is not None and (not isinstance(primary_color, str) or _COLOR.fullmatch(primary_color) is None):
            raise InvalidRequestError("primary_color: must be #RGB or #RRGGBB, in hexadecimal digits")
        after, _ = await self._put(scope, lambda body: {**body, "primaryColor": primary_color}, updated_by, etag)
        return Branding.from_record(after)

    @override
    async def save_logo(self, scope: Scope, shape: LogoShape, content: bytes, content_type: str, *, updated_by: str) -> Branding:
        _check_call(scope, updated_by)
        shape = one_of(LogoShape, shape, "shape")
        extension = await to_thread.run_sync(check_logo, content, content_type)
        name = logos.new_name(scope, shape, extension)
        blobs = self._blobs(scope)
        url = await blobs.address(BRANDING, logos.todays_name(scope, shape, extension))
        await blobs.put(BRANDING, name, content, content_type=content_type)

        def change(body: Body) -> Body:
            return {**body, shape.url_field: url, "logos": {**body["logos"], shape.value: name}}

        try:
            after, before = await self._put(scope, change, updated_by)
        except StoreError as error:
            if not isinstance(error, OutcomeUnknownError):
                await logos.remove(blobs, name)
            raise
        await logos.tidy(blobs, before, after, shape)
        return Branding.from_record(after)

    @override
    async def read_logo(self, scope: Scope, shape: LogoShape) -> Logo | None:
        shape = one_of(LogoShape, shape, "shape")
        missing: tuple[Scope, str] | None = None
        while True:
            record = await self._find(scope)
            name = None if record is None else logos.stored_name(record, shape)
            if record is None or name is None or (record.key.scope, name) == missing:
                return None
            content = await self._blobs(record.key.scope).get(BRANDING, name)
            if content is not None:
                return Logo(content, _CONTENT_TYPES[name.rpartition(".")[2]])
            # A new logo may have taken its place since the record was read; the record then names another.
            missing = (record.key.scope, name)

    @override
    async def delete_logo(self, scope: Scope, shape: LogoShape, *, updated_by: str) -> bool:
        _check_call(scope, updated_by)
        shape = one_of(LogoShape, shape, "shape")
        stored = await self._backend.get(branding_key(scope))
        if stored is None:
            return False

        def change(record: Record) -> Record | None:
            if record.body[shape.url_field] is None:
                return None
            rest = {name: blob for name, blob in record.body["logos"].items() if name != shape}
            return record.with_body(self._stamped({**record.body, shape.url_field: None, "logos": rest}, updated_by))

        changed = await change_record(self._backend, branding_key(scope), change, known=stored)
        if changed.before is None:
            return False
        await logos.tidy(self._blobs(scope), changed.before, changed.record, shape)
        return True

    async def _find(self, scope: Scope) -> Record | None:
        check_scope(scope, Branding.spec)
        return await self._backend.get(branding_key(scope), fallback=None if scope == GLOBAL else GLOBAL)

    async def _put(
        self, scope: Scope, change: Callable[[Body], Body], updated_by: str, etag: str | None = None
    ) -> tuple[Record, Record | None]:
        """Return a scope's branding as *change* made it, and as it was."""
        before: Record | None = None

        def make(stored: Record | None) -> Record:
            nonlocal before
            before = stored
            empty: Body = {"squareLogoUrl": None, "rectangleLogoUrl": None, "primaryColor": None, "logos": {}}
            known = empty if stored is None else {**stored.body, "logos": stored.body["logos"] or {}}
            body = self._stamped(change(known), updated_by)
            return Record(branding_key(scope), body) if stored is None else stored.with_body(body)

        return await put_record(self._backend, branding_key(scope), make, etag=etag), before

    def _stamped(self, body: Body, updated_by: str) -> Body:
        return {**body, "updatedBy": updated_by, "updatedAt": format_time(self._clock())}


def _check_call(scope: Scope, updated_by: str) -> None:
    check_scope(scope, Branding.spec)
    check_id(updated_by, "updated_by")
