"""Backup Now, and restores: each request makes a job."""

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer
from phoenix_core.api.operator import operator_of
from phoenix_core.domain.requests import BackupRequest, RestoreRequest
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.ledger import Ledger


class BackupResource:
    def __init__(self, desk: JobDesk, ledger: Ledger) -> None:
        self._desk = desk
        self._ledger = ledger

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/backups", self.backup, name="backup"),
            web.post("/v1/restores", self.restore, name="restore"),
        ]

    async def backup(self, request: web.Request) -> web.Response:
        job = await self._desk.backup(await body_of(request, BackupRequest), await operator_of(request))
        return json_answer(await self._ledger.view(job.id), status=201)

    async def restore(self, request: web.Request) -> web.Response:
        job = await self._desk.restore(await body_of(request, RestoreRequest), await operator_of(request))
        return json_answer(await self._ledger.view(job.id), status=201)
