"""The part of the scripted core that is about what operators decide on snapshots: tags, notes, holds, removals."""

from typing import Any

import msgspec
from aiohttp import web

from phoenix_core.domain.annotations import Hold
from phoenix_core.domain.requests import HoldRequest, NoteChange, TagChange
from phoenix_core.domain.views import SnapshotView
from tests.tui import sample


class ScriptedDecisions:
    def __init__(self) -> None:
        super().__init__()
        self.snapshots: list[SnapshotView] = list(sample.SNAPSHOTS)
        self.removed: list[SnapshotView] = []
        """Those whose removal can be undone."""

    def decision_routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/snapshots/{snapshot}/tags", self._tag),
            web.put("/v1/snapshots/{snapshot}/note", self._note),
            web.put("/v1/snapshots/{snapshot}/hold", self._hold),
            web.delete("/v1/snapshots/{snapshot}/hold", self._release),
            web.post("/v1/snapshots/{snapshot}/undelete", self._undelete),
        ]

    def snapshot(self, name: str) -> SnapshotView:
        """Raises KeyError."""
        found = [each for each in (*self.snapshots, *self.removed) if each.id.startswith(name)]
        if not found:
            raise KeyError(name)
        return found[0]

    def take_away(self, name: str) -> SnapshotView:
        """A removed one goes for good."""
        gone = self.snapshot(name)
        (self.removed if gone in self.removed else self.snapshots).remove(gone)
        return gone

    async def _tag(self, request: web.Request) -> web.Response:
        change = msgspec.json.decode(await request.read(), type=TagChange)
        tags = set(self._of(request).tags) - set(change.remove) | set(change.add)
        return self._decided(request, tags=tuple(sorted(tags)))

    async def _note(self, request: web.Request) -> web.Response:
        return self._decided(request, note=msgspec.json.decode(await request.read(), type=NoteChange).text)

    async def _hold(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=HoldRequest)
        return self._decided(request, hold=Hold(wanted.reason, "mara", sample.NOW, wanted.until))

    async def _release(self, request: web.Request) -> web.Response:
        return self._decided(request, hold=None)

    async def _undelete(self, request: web.Request) -> web.Response:
        gone = self._of(request)
        self.removed.remove(gone)
        back = msgspec.structs.replace(gone, removed_at=None, removed_by="", undo_until=None)
        self.snapshots.append(back)
        return _json(back)

    def _of(self, request: web.Request) -> SnapshotView:
        return self.snapshot(request.match_info["snapshot"])

    def _decided(self, request: web.Request, **changes: Any) -> web.Response:
        before = self._of(request)
        changed = msgspec.structs.replace(before, **changes)
        self.snapshots[self.snapshots.index(before)] = changed
        return _json(changed)


def _json(answer: SnapshotView) -> web.Response:
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
