"""Comparisons of snapshots with what is on their servers: asked for as jobs, their differences read in pages."""

import msgspec
from aiohttp import web

from phoenix_core.agentlink.comparemessages import Difference
from phoenix_core.api.codec import body_of, json_answer, whole
from phoenix_core.api.operator import operator_of
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.domain.comparing import CompareRequest, DifferencePage, DifferenceView
from phoenix_core.engine.job_desk import JobDesk
from phoenix_core.engine.ledger import Ledger
from phoenix_core.engine.workflows.file_compare import DIFFERENCE

PAGE_MAX = 5000


class CompareResource:
    def __init__(self, desk: JobDesk, ledger: Ledger, jobs: Jobs) -> None:
        self._desk = desk
        self._ledger = ledger
        self._jobs = jobs

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/v1/compares", self.compare, name="snapshot.compare"),
            web.get("/v1/jobs/{job}/differences", self.differences),
        ]

    async def compare(self, request: web.Request) -> web.Response:
        job = await self._desk.compare(await body_of(request, CompareRequest), await operator_of(request))
        return json_answer(await self._ledger.view(job.id), status=201)

    async def differences(self, request: web.Request) -> web.Response:
        job = await self._desk.find_job(request.match_info["job"])
        after, limit = whole(request, "after", 0), whole(request, "limit", 500, low=1, high=PAGE_MAX)
        rows = await self._jobs.files_after(job.id, DIFFERENCE, after, limit + 1)
        return json_answer(
            DifferencePage(
                differences=tuple(_view(after + at, text) for at, (_, text) in enumerate(rows[:limit], 1)),
                next_after=after + limit if len(rows) > limit else 0,
            )
        )


def _view(number: int, text: str) -> DifferenceView:
    found = msgspec.json.decode(text, type=Difference)
    return DifferenceView(number, found.path, found.change, found.size_before, found.size_after, found.what)
