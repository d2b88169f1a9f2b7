"""The part of the scripted core that is about groups, policies and rules, their retention, and restore drills."""

from abc import ABC, abstractmethod
from datetime import timedelta
from typing import Any

import msgspec
from aiohttp import web

from phoenix_core.domain.drills import DrillRequest
from phoenix_core.domain.policies import BackupPolicy, Config, ContentRule, RetentionVerdict, ServerGroup
from phoenix_core.domain.ruletest import RuleTestLine, RuleTestRequest
from phoenix_core.domain.states import JobKind
from phoenix_core.engine.policies.config import changes_between
from tests.tui import sample, sample_policies

_ITEMS: dict[str, type[BackupPolicy | ContentRule | ServerGroup]] = {
    "policies": BackupPolicy,
    "rules": ContentRule,
    "groups": ServerGroup,
}


class ScriptedPolicies(ABC):
    def __init__(self) -> None:
        super().__init__()
        self.config = sample_policies.CONFIG
        self.verdicts: dict[str, tuple[RetentionVerdict, ...]] = {"nightly": sample_policies.RETENTION}

    @abstractmethod
    def new_job(self, kind: JobKind, title: str, server_id: str = "", **values: Any) -> web.Response: ...

    def policy_routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/config", self._get_config),
            web.post("/v1/config/diff", self._diff_config),
            web.put("/v1/config", self._put_config),
            web.get("/v1/policies/{name}/runs", self._get_runs),
            web.get("/v1/policies/{name}/retention", self._get_retention),
            web.post("/v1/retention", self._retain),
            web.put("/v1/{what:policies|rules|groups}/{name}", self._put_item),
            web.delete("/v1/{what:policies|rules|groups}/{name}", self._remove_item),
            web.post("/v1/rule-tests", self._test_rules),
            web.post("/v1/drills", self._drill),
        ]

    async def _get_config(self, _request: web.Request) -> web.Response:
        return _json(self.config)

    async def _diff_config(self, request: web.Request) -> web.Response:
        return _json(changes_between(self.config, msgspec.json.decode(await request.read(), type=Config)))

    async def _put_config(self, request: web.Request) -> web.Response:
        before, self.config = self.config, msgspec.json.decode(await request.read(), type=Config)
        return _json(changes_between(before, self.config))

    async def _get_runs(self, request: web.Request) -> web.Response:
        return _json([sample.NOW + timedelta(days=day) for day in range(1, 1 + int(request.query["count"]))])

    async def _get_retention(self, request: web.Request) -> web.Response:
        return _json(self.verdicts.get(request.match_info["name"], ()))

    async def _retain(self, _request: web.Request) -> web.Response:
        return self.new_job(JobKind.RETENTION, "Retention")

    async def _drill(self, request: web.Request) -> web.Response:
        server = msgspec.json.decode(await request.read(), type=DrillRequest).server
        return self.new_job(JobKind.RESTORE_DRILL, "Restore drill", server)

    async def _test_rules(self, request: web.Request) -> web.Response:
        asked = msgspec.json.decode(await request.read(), type=RuleTestRequest)
        verdicts = tuple(each for each in sample_policies.VERDICTS if asked.show == "all" or not each.taken)
        lines = [RuleTestLine(verdicts=verdicts), RuleTestLine(summary=sample_policies.RULE_SUMMARY)]
        return web.Response(body=b"".join(msgspec.json.encode(line) + b"\n" for line in lines))

    async def _put_item(self, request: web.Request) -> web.Response:
        item = msgspec.json.decode(await request.read(), type=_ITEMS[request.match_info["what"]])
        self._replace(request, item)
        return _json(item)

    async def _remove_item(self, request: web.Request) -> web.Response:
        self._replace(request)
        return _json({})

    def _replace(self, request: web.Request, *items: object) -> None:
        what, name = request.match_info["what"], request.match_info["name"]
        kept = [each for each in getattr(self.config, what) if each.name != name]
        self.config = msgspec.structs.replace(self.config, **{what: (*kept, *items)})


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
