"""What operators decide about snapshots: tags, notes, holds, and that a removal is undone."""

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer
from phoenix_core.api.operator import operator_of
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.errors import UsageError
from phoenix_core.domain.ids import SnapshotId
from phoenix_core.domain.requests import HoldRequest, NoteChange, TagChange
from phoenix_core.engine.annotations import Annotations
from phoenix_core.engine.errors import BadRequest
from phoenix_core.engine.removals import Removals
from phoenix_core.engine.sources import LATEST, Sources
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.vault_view import Views


class AnnotationResource:
    def __init__(
        self, annotations: Annotations, removals: Removals, sources: Sources, seat: VaultSeat, views: Views
    ) -> None:
        self._annotations = annotations
        self._removals = removals
        self._sources = sources
        self._seat = seat
        self._views = views

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/snapshots/{snapshot}/tags", self.tag, name="snapshot.tag"),
            web.put("/v1/snapshots/{snapshot}/note", self.note, name="snapshot.note"),
            web.put("/v1/snapshots/{snapshot}/hold", self.hold, name="snapshot.hold"),
            web.delete("/v1/snapshots/{snapshot}/hold", self.release, name="snapshot.release"),
            web.post("/v1/snapshots/{snapshot}/undelete", self.undelete, name="snapshot.undelete"),
        ]

    async def tag(self, request: web.Request) -> web.Response:
        change = await body_of(request, TagChange)
        vault, snapshot = self._seat.get(), await self._named(request)
        return self._answer(await self._annotations.tag(vault, snapshot, change.add, change.remove))

    async def note(self, request: web.Request) -> web.Response:
        change = await body_of(request, NoteChange)
        vault, snapshot = self._seat.get(), await self._named(request)
        return self._answer(await self._annotations.note(vault, snapshot, change.text))

    async def hold(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, HoldRequest)
        if wanted.until is not None and wanted.until.tzinfo is None:
            raise BadRequest(detail="until has no time zone")
        vault, snapshot, who = self._seat.get(), await self._named(request), await operator_of(request)
        return self._answer(await self._annotations.hold(vault, snapshot, wanted.reason, who, wanted.until))

    async def release(self, request: web.Request) -> web.Response:
        vault, snapshot = self._seat.get(), await self._named(request)
        return self._answer(await self._annotations.release(vault, snapshot))

    async def undelete(self, request: web.Request) -> web.Response:
        vault, who = self._seat.get(), await operator_of(request)
        row = await self._sources.snapshot(request.match_info["snapshot"], removed=True)
        return self._answer(await self._removals.bring_back(vault, SnapshotId(row.id), who))

    async def _named(self, request: web.Request) -> SnapshotId:
        """Of `latest`, one that was made meanwhile might be meant or not."""
        name = request.match_info["snapshot"]
        if name == LATEST:
            raise UsageError(detail="The snapshot is named by its id.")
        return SnapshotId((await self._sources.snapshot(name)).id)

    def _answer(self, row: SnapshotRow) -> web.Response:
        return json_answer(self._views.snapshot(row))
