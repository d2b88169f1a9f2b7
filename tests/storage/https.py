"""A storage node behind real HTTPS, with the product's own certificates, in a thread of this process."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web
from aiohttp.typedefs import Handler
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink.ca import CertificateAuthority
from phoenix_core.agentlink.certificates import AGENT, STORAGE, make_request
from phoenix_core.agentlink.peerstate import PeerFile, PeerState, write_identity
from phoenix_core.agentlink.tlsfiles import TlsFiles
from phoenix_core.storage.node import StorageNode
from phoenix_core.storage.service import add_storage_routes


class Pki:
    """A core's authority, and peers' identities that it signed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.authority = CertificateAuthority.open(folder / "pki")

    def peer(self, role: str, folder: Path | None = None) -> TlsFiles:
        where = folder or self._folder / role
        where.mkdir(parents=True, exist_ok=True)
        key = Ed25519PrivateKey.generate()
        issued = self.authority.issue(make_request(key), role, "p1")
        peer = PeerFile(peer_id="p1", name="peer", role=role, urls=("https://127.0.0.1:1",))
        write_identity(where, key, issued.certificate_pem, issued.ca_pem, peer)
        return PeerState.load(where).tls

    def agent(self) -> TlsFiles:
        return self.peer(AGENT)

    def storage(self, folder: Path | None = None) -> TlsFiles:
        return self.peer(STORAGE, folder)


class Served:
    """The running service; `drop_connections` cuts what clients keep alive."""

    def __init__(self, node: StorageNode, tls: TlsFiles, port: int = 0) -> None:
        self._node = node
        self._context = tls.server_context()
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="https", daemon=True)
        self._runner: web.AppRunner | None = None
        self.requests: Counter[str] = Counter()
        """Those that came, by method and kind."""

    def start(self) -> str:
        self._thread.start()
        return asyncio.run_coroutine_threadsafe(self._start(), self._loop).result()

    def stop(self) -> None:
        """Waits for the requests under way."""
        if self._runner is None or self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def drop_connections(self) -> None:
        def drop() -> None:
            assert self._runner is not None
            assert self._runner.server is not None
            for connection in list(self._runner.server.connections):
                if connection.transport is not None:
                    connection.transport.abort()
            done.set()

        done = threading.Event()
        self._loop.call_soon_threadsafe(drop)
        done.wait()

    async def _start(self) -> str:
        app = web.Application(middlewares=[self._counted])
        add_storage_routes(app, self._node)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._context).start()
        return f"https://127.0.0.1:{self._runner.addresses[0][1]}"

    @web.middleware
    async def _counted(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        resource = request.match_info.route.resource
        self.requests[f"{request.method} {resource.canonical if resource else request.path}"] += 1
        return await handler(request)


@contextmanager
def served(node: StorageNode, tls: TlsFiles) -> Iterator[tuple[str, Served]]:
    service = Served(node, tls)
    url = service.start()
    try:
        yield url, service
    finally:
        service.stop()
