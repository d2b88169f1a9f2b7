"""The part of the client that is about what operators decide about snapshots."""

from abc import ABC, abstractmethod
from typing import Any, TypeVar
from urllib.parse import quote

from phoenix_core.domain.requests import HoldRequest, NoteChange, TagChange
from phoenix_core.domain.views import SnapshotView

T = TypeVar("T")


def snapshot_path(snapshot: str, rest: str = "") -> str:
    return f"/v1/snapshots/{quote(snapshot, safe='')}{rest}"


class SnapshotCalls(ABC):
    """What `client.CoreClient` inherits."""

    @abstractmethod
    async def _call(
        self, method: str, path: str, answer: type[T], *, query: dict[str, Any] | None = None, body: object = None
    ) -> T: ...

    async def undelete_snapshot(self, snapshot: str) -> SnapshotView:
        """Undo a removal whose undo period isn't over."""
        return await self._call("POST", snapshot_path(snapshot, "/undelete"), SnapshotView)

    async def tag_snapshot(self, snapshot: str, change: TagChange) -> SnapshotView:
        return await self._call("POST", snapshot_path(snapshot, "/tags"), SnapshotView, body=change)

    async def note_snapshot(self, snapshot: str, text: str) -> SnapshotView:
        """Empty: no note."""
        return await self._call("PUT", snapshot_path(snapshot, "/note"), SnapshotView, body=NoteChange(text))

    async def hold_snapshot(self, snapshot: str, hold: HoldRequest) -> SnapshotView:
        return await self._call("PUT", snapshot_path(snapshot, "/hold"), SnapshotView, body=hold)

    async def release_snapshot(self, snapshot: str) -> SnapshotView:
        return await self._call("DELETE", snapshot_path(snapshot, "/hold"), SnapshotView)
