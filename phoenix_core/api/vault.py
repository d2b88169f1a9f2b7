"""The vault: what it holds, and the operations on it."""

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer
from phoenix_core.api.operator import operator_of
from phoenix_core.domain.requests import PruneRequest, RepairRequest, VerifyRequest
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.vault_view import Views


class VaultResource:
    def __init__(self, desk: JobDesk, ledger: Ledger, views: Views, lost: LostSnapshots) -> None:
        self._desk = desk
        self._ledger = ledger
        self._views = views
        self._lost = lost

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/vault", self.show),
            web.post("/v1/vault/verify", self.verify, name="vault.verify"),
            web.post("/v1/vault/repair", self.repair, name="vault.repair"),
            web.post("/v1/vault/prune", self.prune, name="vault.prune"),
            web.post("/v1/vault/rebuild-index", self.rebuild_index, name="vault.rebuild-index"),
            web.post("/v1/retention", self.retention, name="policy.retention"),
        ]

    async def show(self, request: web.Request) -> web.Response:
        await self._lost.look()
        return json_answer(await self._views.vault())

    async def verify(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, VerifyRequest, default=VerifyRequest())
        job = await self._desk.verify(wanted, await operator_of(request))
        return json_answer(await self._ledger.view(job.id), status=201)

    async def repair(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, RepairRequest, default=RepairRequest())
        job = await self._desk.repair(wanted, await operator_of(request))
        return json_answer(await self._ledger.view(job.id), status=201)

    async def prune(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, PruneRequest, default=PruneRequest())
        job = await self._desk.prune(wanted, await operator_of(request))
        return json_answer(await self._ledger.view(job.id), status=201)

    async def rebuild_index(self, request: web.Request) -> web.Response:
        job = await self._desk.rebuild_index(await operator_of(request))
        return json_answer(await self._ledger.view(job.id), status=201)

    async def retention(self, request: web.Request) -> web.Response:
        job = await self._desk.retention(await operator_of(request))
        return json_answer(await self._ledger.view(job.id), status=201)
