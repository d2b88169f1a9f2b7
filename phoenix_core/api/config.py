"""All policies, rules, groups and notifications at once: read, compare, put in force."""

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer
from phoenix_core.api.operator import operator_of
from phoenix_core.domain.policies import Config
from phoenix_core.engine.policies.config import ConfigDesk


class ConfigResource:
    def __init__(self, desk: ConfigDesk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/config", self.show),
            web.post("/v1/config/diff", self.diff),
            web.put("/v1/config", self.apply, name="config.apply"),
        ]

    async def show(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.current())

    async def diff(self, request: web.Request) -> web.Response:
        """What putting this configuration in force would change."""
        return json_answer(await self._desk.diff(await body_of(request, Config)))

    async def apply(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.apply(await body_of(request, Config), await operator_of(request)))
