"""Server groups: list, make or change, remove."""

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer
from phoenix_core.api.operator import operator_of
from phoenix_core.domain.policies import ServerGroup
from phoenix_core.engine.policies.desk import PolicyDesk


class GroupResource:
    def __init__(self, desk: PolicyDesk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/groups", self.list),
            web.get("/v1/groups/{group}", self.show),
            web.put("/v1/groups/{group}", self.put, name="group.set"),
            web.delete("/v1/groups/{group}", self.remove, name="group.remove"),
        ]

    async def list(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.groups())

    async def show(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.group(request.match_info["group"]))

    async def put(self, request: web.Request) -> web.Response:
        """With `new` one that is there already is left as it is, and told."""
        wanted = await body_of(request, ServerGroup)
        name, who = request.match_info["group"], await operator_of(request)
        return json_answer(await self._desk.put_group(name, wanted, who, new="new" in request.query))

    async def remove(self, request: web.Request) -> web.Response:
        await self._desk.remove_group(request.match_info["group"], await operator_of(request))
        return json_answer({})
