"""Serves the operators' API on the Unix socket, mode 0600."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

from aiohttp import web

from phoenix_core.api.audit import Add, audited
from phoenix_core.api.errors import error_boundary
from phoenix_core.host.unixsocket import listen_unix

BODY_MAX_BYTES = 8 * 2**20
SHUTDOWN_S = 5.0


class Resource(Protocol):
    def routes(self) -> list[web.RouteDef]: ...


class ApiServer:
    def __init__(self, path: Path, resources: Iterable[Resource], audit: Add) -> None:
        """`audit` keeps an entry for each request that changes something."""
        self._path = path
        boundary = [error_boundary, audited(audit)]
        app = web.Application(middlewares=boundary, client_max_size=BODY_MAX_BYTES)
        for resource in resources:
            app.router.add_routes(resource.routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)

    async def start(self) -> None:
        await self._runner.setup()
        listener = await asyncio.to_thread(listen_unix, self._path)
        await web.SockSite(self._runner, listener).start()

    async def stop(self) -> None:
        """Take no more requests, and wait for those under way."""
        await self._runner.cleanup()
        await asyncio.to_thread(self._path.unlink, missing_ok=True)
