"""Settings: list and change."""

import msgspec
from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer
from phoenix_core.api.operator import operator_of
from phoenix_core.engine.settings import Settings


class _NewValue(msgspec.Struct):
    value: str | int | float | bool


class SettingResource:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/settings", self.list), web.put("/v1/settings/{key}", self.put, name="setting.set")]

    async def list(self, request: web.Request) -> web.Response:
        return json_answer(self._settings.all())

    async def put(self, request: web.Request) -> web.Response:
        value = (await body_of(request, _NewValue)).value
        text = str(value).lower() if isinstance(value, bool) else str(value)
        return json_answer(await self._settings.put(request.match_info["key"], text, await operator_of(request)))
