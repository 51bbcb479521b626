"""Where dumped execution data goes: into execution data, or with the run, as blobs, where a store keeps none."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from pathlib import Path

from anyio import to_thread

from bifrost_store.blobs.protocol import EXECUTION_DATA
from bifrost_store.core.execution_data import DataDocument, Run
from bifrost_store.core.record import Key, Record
from bifrost_store.errors import CorruptDocumentError
from bifrost_store.repositories.execution_data.gathering import Gathering
from bifrost_store.repositories.execution_data.items import items_of
from bifrost_store.repositories.execution_data.places import OwnItems, run_of
from bifrost_store.repositories.executions.gathered import is_gathered
from bifrost_store.repositories.executions.payloads import IN_DOCUMENTS, blob_names, is_document, payload_data
from bifrost_store.repositories.executions.saving import KIND, SavedPayloads
from bifrost_store.repository_protocols.execution_data import Item
from bifrost_store.store import Store
from bifrost_store.transfer.data_lines import data_of


class DataHomes:
    """Puts documents of a dump where they belong.

    Args:
        store: Whose routes decide.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def put(self, document: DataDocument) -> None:
        """Store *document*, unless it is a segment of a scope that keeps none: see `leave`.

        Raises:
            DocumentExistsError: The store holds another one under its id, which stays.
            StoreError: It is not stored.
        """
        place = await self._store.backend.data_place(document.run.scope)
        if place.data is None and document.type == "payload":
            await self._put_as_blob(document)
        elif place.data is not None:
            (error,) = await place.data.append([[document]])
            if error is not None:
                raise error

    async def _put_as_blob(self, document: DataDocument) -> None:
        """Store a payload under its own name, and under the one by which the old application knows it."""
        name, value = str(document.body.get("name")), document.body.get("value")
        if not is_document(name):
            raise CorruptDocumentError(f"execution data {document.id}: names no payload; dump again")
        record = await self._record(document.run)
        if record is None or name not in blob_names(record):
            return
        blobs = await self._store.backend.present_blobs(document.run.scope)
        execution_id, _, file = name.split("/")
        await blobs.put(EXECUTION_DATA, name, await to_thread.run_sync(payload_data, name, value))
        await blobs.copy_for(document.run.scope.value, EXECUTION_DATA, name, f"{execution_id}/{file}")

    async def leave(self, lines: Path) -> list[str]:
        """Save the segments of a dump with their runs where a store keeps none; return what could not be.

        Runs that have something of the kind already are left as they are: an earlier load was here.
        """
        context = self._store.context
        gathering = Gathering(self._store.backend, self._store.backend.data_place, None)
        saved = SavedPayloads(
            context.backend, clock=context.clock, payloads=context.payloads, retention=context.retention, gathering=gathering
        )
        problems = []
        for run, positions in (await self._homeless(lines)).items():
            record = await self._record(run)
            if record is None or any(is_gathered(record, payload) for payload in IN_DOCUMENTS):
                continue
            try:
                own = _recordings(await to_thread.run_sync(_documents, lines, positions))
            except CorruptDocumentError as error:
                problems.append(str(error))
            else:
                await saved.leave(record.key, own)
        return problems

    async def _homeless(self, lines: Path) -> dict[Run, list[int]]:
        """Return where the segments of runs stand whose scope keeps none."""
        found: defaultdict[Run, list[int]] = defaultdict(list)
        if all(backend.execution_data is not None for backend in self._store.backend.all_backends()):
            return found
        for position, run in await to_thread.run_sync(_segments, lines):
            if (await self._store.backend.data_place(run.scope)).data is None:
                found[run].append(position)
        return found

    async def _record(self, run: Run) -> Record | None:
        """Return the record of a run, if that is what stands under its id here."""
        record = await self._store.backend.get(Key(KIND, run.scope, run.execution_id))
        return record if record is not None and run_of(record) == run else None


def _segments(path: Path) -> list[tuple[int, Run]]:
    """Return where each segment that can be read stands, and whose it is."""
    found = []
    position = 0
    with path.open("rb") as lines:
        for line in lines:
            with suppress(CorruptDocumentError):
                document = data_of(line)
                found += [(position, document.run)] if document.type != "payload" else []
            position += len(line)
    return found


def _documents(path: Path, positions: list[int]) -> list[DataDocument]:
    documents = []
    with path.open("rb") as lines:
        for position in positions:
            lines.seek(position)
            documents.append(data_of(lines.readline()))
    return documents


def _recordings(documents: list[DataDocument]) -> list[OwnItems]:
    items: defaultdict[int, list[Item]] = defaultdict(list)
    for document in sorted(documents, key=lambda one: one.id):
        items[document.recording] += items_of(document)
    return [OwnItems(None, recording, kept) for recording, kept in sorted(items.items())]
