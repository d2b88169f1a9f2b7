"""Protected servers, storage nodes, and the tokens that enrol them."""

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer
from phoenix_core.api.operator import operator_of
from phoenix_core.domain.views import ActivationTokenRequest
from phoenix_core.engine.enrolment import Enrolments
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.servers import ServerRemoval
from phoenix_core.engine.vault_view import Views


class ServerResource:
    def __init__(self, directory: PeerDirectory, views: Views, enrolments: Enrolments, removal: ServerRemoval) -> None:
        self._directory = directory
        self._views = views
        self._enrolments = enrolments
        self._removal = removal

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/servers", self.list),
            web.get("/v1/servers/{server}", self.show),
            web.delete("/v1/servers/{server}", self.remove, name="server.remove"),
            web.post("/v1/activation-tokens", self.new_token, name="server.token"),
            web.get("/v1/storage-nodes", self.storage_nodes),
        ]

    async def list(self, request: web.Request) -> web.Response:
        return json_answer(await self._views.servers())

    async def show(self, request: web.Request) -> web.Response:
        return json_answer(await self._views.server(self._directory.server(request.match_info["server"])))

    async def remove(self, request: web.Request) -> web.Response:
        peer = await self._removal.remove(request.match_info["server"], await operator_of(request))
        return json_answer(await self._views.server(peer))

    async def new_token(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, ActivationTokenRequest, default=ActivationTokenRequest())
        return json_answer(await self._enrolments.new_token(wanted, await operator_of(request)), status=201)

    async def storage_nodes(self, request: web.Request) -> web.Response:
        return json_answer(await self._views.storage_nodes())
