"""Content rules: list, make or change, remove."""

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer
from phoenix_core.api.operator import operator_of
from phoenix_core.domain.policies import ContentRule
from phoenix_core.engine.policies.desk import PolicyDesk


class RuleResource:
    def __init__(self, desk: PolicyDesk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/rules", self.list),
            web.get("/v1/rules/{rule}", self.show),
            web.put("/v1/rules/{rule}", self.put, name="rule.set"),
            web.delete("/v1/rules/{rule}", self.remove, name="rule.remove"),
        ]

    async def list(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.rules())

    async def show(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.rule(request.match_info["rule"]))

    async def put(self, request: web.Request) -> web.Response:
        """With `new` one that is there already is left as it is, and told."""
        wanted = await body_of(request, ContentRule)
        name, who = request.match_info["rule"], await operator_of(request)
        return json_answer(await self._desk.put_rule(name, wanted, who, new="new" in request.query))

    async def remove(self, request: web.Request) -> web.Response:
        await self._desk.remove_rule(request.match_info["rule"], await operator_of(request))
        return json_answer({})
