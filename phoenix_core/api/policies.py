"""Backup policies: list, make or change, remove, when they run next, and what their retention would remove."""

import asyncio
from itertools import islice

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer, whole
from phoenix_core.api.operator import operator_of
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.policies import BackupPolicy
from phoenix_core.engine.policies.checks import window_of, zone_read
from phoenix_core.engine.policies.desk import PolicyDesk
from phoenix_core.engine.policies.retention_plan import RetentionPlans
from phoenix_core.engine.policies.timetable import Timetable, runs_within

RUNS_MAX = 1000


class PolicyResource:
    def __init__(self, desk: PolicyDesk, plans: RetentionPlans, clock: Clock) -> None:
        self._desk = desk
        self._plans = plans
        self._clock = clock

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/policies", self.list),
            web.get("/v1/policies/{policy}", self.show),
            web.put("/v1/policies/{policy}", self.put, name="policy.set"),
            web.delete("/v1/policies/{policy}", self.remove, name="policy.remove"),
            web.get("/v1/policies/{policy}/runs", self.runs),
            web.get("/v1/policies/{policy}/retention", self.retention),
        ]

    async def list(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.policies())

    async def show(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.policy(request.match_info["policy"]))

    async def put(self, request: web.Request) -> web.Response:
        """With `new` one that is there already is left as it is, and told."""
        wanted = await body_of(request, BackupPolicy)
        name, who = request.match_info["policy"], await operator_of(request)
        return json_answer(await self._desk.put_policy(name, wanted, who, new="new" in request.query))

    async def remove(self, request: web.Request) -> web.Response:
        await self._desk.remove_policy(request.match_info["policy"], await operator_of(request))
        return json_answer({})

    async def runs(self, request: web.Request) -> web.Response:
        """The next times at which the policy's servers are backed up: when its schedule says, in its window."""
        count = whole(request, "count", 10, low=1, high=RUNS_MAX)
        policy = await self._desk.policy(request.match_info["policy"])
        timetable, window = Timetable(policy.schedule, await zone_read(policy)), await window_of(policy)
        coming = runs_within(timetable, window, self._clock.now())
        return json_answer(await asyncio.to_thread(lambda: list(islice(coming, count))))

    async def retention(self, request: web.Request) -> web.Response:
        """What the policy's retention says of each restore point of its servers."""
        return json_answer(await self._plans.of_policy(request.match_info["policy"]))
