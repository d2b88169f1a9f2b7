"""Protected servers, storage nodes, and the tokens that enrol them."""

import msgspec
from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer
from phoenix_core.api.operator import operator_of
from phoenix_core.domain.requests import ActivationTokenRequest
from phoenix_core.engine.enrolment import Enrolments
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.servers import ServerRemoval
from phoenix_core.engine.upgrades import Upgrades
from phoenix_core.engine.vault_view import Views
from phoenix_core.rollout.lines import InstallLines


class ServerResource:
    def __init__(
        self,
        directory: PeerDirectory,
        views: Views,
        enrolments: Enrolments,
        removal: ServerRemoval,
        lines: InstallLines,
        upgrades: Upgrades,
    ) -> None:
        self._directory = directory
        self._views = views
        self._enrolments = enrolments
        self._removal = removal
        self._lines = lines
        self._upgrades = upgrades

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/servers", self.list),
            web.get("/v1/servers/{server}", self.show),
            web.delete("/v1/servers/{server}", self.remove, name="server.remove"),
            web.post("/v1/servers/{server}/undelete", self.undelete, name="server.undelete"),
            web.post("/v1/servers/{server}/upgrade", self.upgrade, name="server.upgrade"),
            web.post("/v1/activation-tokens", self.new_token, name="server.token"),
            web.get("/v1/storage-nodes", self.storage_nodes),
        ]

    async def list(self, request: web.Request) -> web.Response:
        return json_answer(await self._views.servers())

    async def show(self, request: web.Request) -> web.Response:
        return json_answer(await self._views.server(self._directory.server(request.match_info["server"])))

    async def remove(self, request: web.Request) -> web.Response:
        name, typed = request.match_info["server"], request.query.get("typed", "")
        peer = await self._removal.remove(name, await operator_of(request), typed=typed)
        return json_answer(await self._views.server(peer))

    async def undelete(self, request: web.Request) -> web.Response:
        peer = await self._removal.undo(request.match_info["server"], await operator_of(request))
        return json_answer(await self._views.server(peer))

    async def upgrade(self, request: web.Request) -> web.Response:
        """Have the agent take the core's version, where its administrator allows that."""
        peer = await self._upgrades.order(request.match_info["server"], await operator_of(request))
        return json_answer(await self._views.server(peer), status=202)

    async def new_token(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, ActivationTokenRequest, default=ActivationTokenRequest())
        address = await self._lines.address(wanted.address) if wanted.install else ""
        made = await self._enrolments.new_token(wanted, await operator_of(request))
        if wanted.install:
            made = msgspec.structs.replace(made, install_line=await self._lines.line(made.token, address))
        return json_answer(made, status=201)

    async def storage_nodes(self, request: web.Request) -> web.Response:
        return json_answer(await self._views.storage_nodes())
