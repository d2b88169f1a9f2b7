"""Restore drills: run one, list what came of them, look at one."""

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer, whole
from phoenix_core.api.operator import operator_of
from phoenix_core.domain.drills import DrillRequest
from phoenix_core.engine.drills.desk import DrillDesk
from phoenix_core.engine.drills.proofs import Proofs
from phoenix_core.engine.ledger import Ledger

LIST_MAX = 1000


class DrillResource:
    def __init__(self, desk: DrillDesk, ledger: Ledger, proofs: Proofs) -> None:
        self._desk = desk
        self._ledger = ledger
        self._proofs = proofs

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/drills", self.list),
            web.get("/v1/drills/{drill}", self.show),
            web.post("/v1/drills", self.run, name="drill.run"),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """What came of drills, newest first; one that runs is a job yet."""
        limit = whole(request, "limit", 50, low=1, high=LIST_MAX)
        found = await self._proofs.listed(request.query.get("server", ""), limit, request.query.get("before", ""))
        return json_answer(found)

    async def show(self, request: web.Request) -> web.Response:
        return json_answer(await self._proofs.one(request.match_info["drill"]))

    async def run(self, request: web.Request) -> web.Response:
        job = await self._desk.run(await body_of(request, DrillRequest), await operator_of(request))
        return json_answer(await self._ledger.view(job.id), status=201)
