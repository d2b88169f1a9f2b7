"""The core itself: status, doctor, stop."""

from collections.abc import Awaitable, Callable

from aiohttp import web

from phoenix_core.api.codec import json_answer
from phoenix_core.domain.views import StatusView
from phoenix_core.engine.doctor import Doctor


class CoreResource:
    def __init__(self, status: Callable[[], Awaitable[StatusView]], doctor: Doctor, stop: Callable[[], None]) -> None:
        self._status = status
        self._doctor = doctor
        self._stop = stop

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/status", self.status),
            web.get("/v1/doctor", self.doctor),
            web.post("/v1/core/stop", self.stop, name="core.stop"),
        ]

    async def status(self, request: web.Request) -> web.Response:
        return json_answer(await self._status())

    async def doctor(self, request: web.Request) -> web.Response:
        return json_answer(await self._doctor.findings(lone=request.query.get("lone") == "true"))

    async def stop(self, request: web.Request) -> web.Response:
        self._stop()
        return json_answer({"state": "stopping"}, status=202)
