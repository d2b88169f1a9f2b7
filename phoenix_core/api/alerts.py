"""Alerts: list, show, acknowledge."""

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer, one_of, whole
from phoenix_core.api.operator import operator_of
from phoenix_core.domain.alerts import AcknowledgeRequest, AlertState
from phoenix_core.engine.alerts.board import view_of
from phoenix_core.engine.alerts.desk import AlertDesk
from phoenix_core.engine.peer_directory import PeerDirectory

PAGE_MAX = 1000


class AlertResource:
    def __init__(self, desk: AlertDesk, directory: PeerDirectory) -> None:
        self._desk = desk
        self._directory = directory

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/alerts", self.list),
            web.get("/v1/alerts/{alert}", self.show),
            web.post("/v1/alerts/{alert}/acknowledge", self.acknowledge, name="alert.acknowledge"),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Those that are active, the worst first, or those that are over, the newest end first."""
        state = one_of(request, "state", AlertState) or AlertState.ACTIVE
        limit = whole(request, "limit", 100, low=1, high=PAGE_MAX)
        name = request.query.get("server", "")
        server_id = self._directory.server(name).id if name else ""
        if state is AlertState.ACTIVE:
            return json_answer([view_of(row) for row in self._desk.active(server_id)])
        before = request.query.get("before", "")
        rows = await self._desk.resolved(server_id=server_id, limit=limit, before=before)
        return json_answer([view_of(row) for row in rows])

    async def show(self, request: web.Request) -> web.Response:
        return json_answer(view_of(await self._desk.find(request.match_info["alert"])))

    async def acknowledge(self, request: web.Request) -> web.Response:
        """It stays active until it is gone; digests tell who knows of it."""
        wanted = await body_of(request, AcknowledgeRequest, default=AcknowledgeRequest())
        who = await operator_of(request)
        return json_answer(view_of(await self._desk.acknowledge(request.match_info["alert"], who, wanted.note)))
