"""Snapshots: list, look into, search, compare, remove. Trees are read as they are asked for."""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from phoenix_core.api.codec import flag, json_answer, whole
from phoenix_core.api.operator import operator_of
from phoenix_core.engine import browse
from phoenix_core.engine.browse import SnapshotReader
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.sources import Sources
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.vault_view import Views
from phoenix_core.vault.errors import PathNotInSnapshot

PAGE_MAX = 5000
T = TypeVar("T")


class SnapshotResource:
    def __init__(
        self,
        desk: JobDesk,
        ledger: Ledger,
        sources: Sources,
        seat: VaultSeat,
        views: Views,
    ) -> None:
        self._desk = desk
        self._ledger = ledger
        self._sources = sources
        self._seat = seat
        self._views = views
        self._cache = browse.TreeCache()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/snapshots", self.list),
            web.get("/v1/snapshots/{snapshot}", self.show),
            web.delete("/v1/snapshots/{snapshot}", self.remove, name="snapshot.remove"),
            web.get("/v1/snapshots/{snapshot}/entries", self.entries),
            web.get("/v1/snapshots/{snapshot}/entry", self.entry),
            web.get("/v1/snapshots/{snapshot}/find", self.find),
            web.get("/v1/snapshots/{snapshot}/diff/{other}", self.diff),
        ]

    async def list(self, request: web.Request) -> web.Response:
        rows = await self._sources.listed(
            request.query.get("server", ""),
            whole(request, "limit", 0),
            request.query.getall("tag", []),
            held=flag(request, "held"),
            removed=flag(request, "removed"),
        )
        return await asyncio.to_thread(lambda: json_answer([self._views.snapshot(row) for row in rows]))

    async def show(self, request: web.Request) -> web.Response:
        name, server = request.match_info["snapshot"], request.query.get("server", "")
        row = await self._sources.snapshot(name, server, removed=flag(request, "removed"))
        return json_answer(self._views.snapshot(row))

    async def remove(self, request: web.Request) -> web.Response:
        job = await self._desk.remove_snapshot(
            request.match_info["snapshot"],
            await operator_of(request),
            typed=request.query.get("typed", ""),
            at_once=flag(request, "at_once"),
        )
        return json_answer(await self._ledger.view(job.id), status=201)

    async def entries(self, request: web.Request) -> web.Response:
        path, after, limit = request.query.get("path", "/"), request.query.get("after", ""), _page(request)
        return await self._look(request, lambda view: browse.entries(view, path, after, limit))

    async def entry(self, request: web.Request) -> web.Response:
        path = request.query.get("path", "/")
        return await self._look(request, lambda view: browse.entry(view, path))

    async def find(self, request: web.Request) -> web.Response:
        pattern, path = request.query.get("pattern", ""), request.query.get("path", "/")
        after, limit = request.query.get("after", ""), _page(request)
        return await self._look(request, lambda view: browse.find(view, pattern, path, after, limit))

    async def diff(self, request: web.Request) -> web.Response:
        other = await self._sources.legible(request.match_info["other"], request.query.get("server", ""))
        later = SnapshotReader(self._seat.get(), other, self._cache)
        after, limit = request.query.get("after", ""), _page(request)
        return await self._look(request, lambda view: browse.diff(view, later, after, limit))

    async def _look(self, request: web.Request, look: Callable[[SnapshotReader], T]) -> web.Response:
        vault = self._seat.get()  # without its key, no snapshot of it may be known
        path = request.query.get("path", "/")
        paths = () if path == "/" else (path,)
        row = await self._sources.legible(request.match_info["snapshot"], request.query.get("server", ""), paths)
        try:
            return json_answer(await asyncio.to_thread(lambda: look(SnapshotReader(vault, row, self._cache))))
        except PathNotInSnapshot as error:
            raise await self._sources.path_missing(error, row, vault, paths) from error


def _page(request: web.Request) -> int:
    return whole(request, "limit", 500, low=1, high=PAGE_MAX)
