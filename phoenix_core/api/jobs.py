"""Jobs: list, look at, cancel, start again."""

from aiohttp import web

from phoenix_core.api.codec import json_answer, one_of, whole
from phoenix_core.api.operator import operator_of
from phoenix_core.catalog.jobs import ACTIVE, FINISHED, Jobs
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.views import DamageView, MissingView
from phoenix_core.engine.errors import BadRequest
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.ledger import Ledger, log_line_view
from phoenix_core.engine.peer_directory import PeerDirectory

LIST_MAX = 1000
_GROUPS = {"active": ACTIVE, "finished": FINISHED}


class JobResource:
    def __init__(self, desk: JobDesk, ledger: Ledger, jobs: Jobs, directory: PeerDirectory) -> None:
        self._desk = desk
        self._ledger = ledger
        self._jobs = jobs
        self._directory = directory

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/jobs", self.list),
            web.get("/v1/jobs/{job}", self.show),
            web.get("/v1/jobs/{job}/log", self.log),
            web.get("/v1/jobs/{job}/missing", self.missing),
            web.get("/v1/jobs/{job}/damage", self.damage),
            web.post("/v1/jobs/{job}/cancel", self.cancel, name="job.cancel"),
            web.post("/v1/jobs/{job}/retry", self.retry, name="job.retry"),
        ]

    async def list(self, request: web.Request) -> web.Response:
        before = request.query.get("before", "")
        server = request.query.get("server", "")
        rows = await self._jobs.listed(
            states=_states(request.query.get("state", "")),
            server_id=self._directory.server(server).id if server else "",
            kind=one_of(request, "kind", JobKind),
            limit=whole(request, "limit", 50, low=1, high=LIST_MAX),
            before=await self._desk.find_job(before) if before else None,
        )
        return json_answer([self._ledger.brief(row) for row in rows])

    async def show(self, request: web.Request) -> web.Response:
        job = await self._desk.find_job(request.match_info["job"])
        return json_answer(await self._ledger.full(job))

    async def log(self, request: web.Request) -> web.Response:
        job = await self._desk.find_job(request.match_info["job"])
        lines = await self._jobs.log(job.id, whole(request, "after", 0))
        return json_answer([log_line_view(line) for line in lines])

    async def missing(self, request: web.Request) -> web.Response:
        job = await self._desk.find_job(request.match_info["job"])
        return json_answer([MissingView(*each) for each in (await self._jobs.files(job.id))["missing"]])

    async def damage(self, request: web.Request) -> web.Response:
        job = await self._desk.find_job(request.match_info["job"])
        return json_answer(
            [
                DamageView(each.what, each.snapshots, each.files, each.file_count)
                for each in await self._jobs.damages(job.id)
            ]
        )

    async def cancel(self, request: web.Request) -> web.Response:
        job = await self._desk.cancel(request.match_info["job"], await operator_of(request))
        return json_answer(await self._ledger.view(job.id))

    async def retry(self, request: web.Request) -> web.Response:
        job = await self._desk.retry(request.match_info["job"], await operator_of(request))
        return json_answer(await self._ledger.view(job.id), status=201)


def _states(text: str) -> frozenset[JobState] | None:
    if not text:
        return None
    if text in _GROUPS:
        return _GROUPS[text]
    try:
        return frozenset({JobState(text)})
    except ValueError as error:
        raise BadRequest(detail=f"state={text[:40]} is none of active, finished, {', '.join(JobState)}") from error
