"""Mounts: opened and closed once each, which the audit log tells; what is read through them it doesn't."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer, whole
from phoenix_core.api.operator import operator_of
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.names import parse_shown, shown
from phoenix_core.domain.reading import MountRequest, NodePage
from phoenix_core.engine.browse import SnapshotReader, TreeCache, folder_of
from phoenix_core.engine.reading.mounts import Mounts, OpenFiles, node_view, nodes
from phoenix_core.engine.reading.readers import Readers
from phoenix_core.engine.reading.snapshotfiles import SnapshotFiles, snapshot_files
from phoenix_core.engine.sources import Sources
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.treewalk import parts

PAGE_MAX = 5000
READ_MAX_BYTES = 2**24
T = TypeVar("T")


class MountResource:
    def __init__(self, sources: Sources, seat: VaultSeat, readers: Readers, mounts: Mounts) -> None:
        self._sources = sources
        self._seat = seat
        self._readers = readers
        self._mounts = mounts
        self._files = OpenFiles()
        self._trees = TreeCache()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/mounts", self.list),
            web.post("/v1/mounts", self.open, name="mount.open"),
            web.delete("/v1/mounts/{mount}", self.close, name="mount.close"),
            web.get("/v1/mounts/{mount}/nodes", self.nodes),
            web.get("/v1/mounts/{mount}/node", self.node),
            web.get("/v1/mounts/{mount}/content", self.content),
        ]

    async def list(self, request: web.Request) -> web.Response:
        return json_answer(self._mounts.listed())

    async def open(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, MountRequest)
        self._seat.get()
        return json_answer(self._mounts.open(wanted.place, await operator_of(request)), status=201)

    async def close(self, request: web.Request) -> web.Response:
        return json_answer(self._mounts.close(request.match_info["mount"]))

    async def nodes(self, request: web.Request) -> web.Response:
        after = parse_shown(request.query.get("after", ""))
        limit = whole(request, "limit", 1000, low=1, high=PAGE_MAX)

        def look(files: SnapshotFiles, view: SnapshotReader, path: bytes) -> NodePage:
            return nodes(view, folder_of(view.row, path, files.entry(path)), after, limit)

        return json_answer(await self._look(request, look))

    async def node(self, request: web.Request) -> web.Response:
        return json_answer(await self._look(request, lambda files, view, path: node_view(files.entry(path))))

    async def content(self, request: web.Request) -> web.Response:
        start = whole(request, "start", 0)
        length = whole(request, "length", 2**20, low=1, high=READ_MAX_BYTES)

        def read(files: SnapshotFiles, view: SnapshotReader, path: bytes) -> bytes:
            return self._files.read(files, path, start, start + length)

        data = await self._look(request, read)
        return web.Response(body=data, content_type="application/octet-stream")

    async def _look(self, request: web.Request, look: Callable[[SnapshotFiles, SnapshotReader, bytes], T]) -> T:
        mount = self._mounts.get(request.match_info["mount"])
        vault = self._seat.get()
        path = b"/" + b"/".join(parts(parse_shown(request.query.get("path", "/"))))
        row = await self._sources.legible(request.query.get("snapshot", ""), "", (shown(path),))
        self._mounts.looked(mount.id, row.id)
        return await asyncio.to_thread(self._looked, vault, row, path, look)

    def _looked(
        self,
        vault: OpenVault,
        row: SnapshotRow,
        path: bytes,
        look: Callable[[SnapshotFiles, SnapshotReader, bytes], T],
    ) -> T:
        with (
            snapshot_files(self._readers, vault, row) as files,
            self._readers.lent(vault, row.domain, row.epoch, PackKind.META) as trees,
        ):
            return look(files, SnapshotReader(vault, row, self._trees, trees), path)
