"""The one TLS port of a core: agent link, enrolment and, where the core keeps the vault, storage."""

import asyncio
import socket
from collections.abc import Callable, Sequence

import structlog
from aiohttp import web

from phoenix_core.agentlink.ca import CertificateAuthority
from phoenix_core.domain.errors import PhoenixError

SHUTDOWN_S = 5.0
BACKLOG = 512

log = structlog.get_logger(__name__)


class PortTaken(PhoenixError):
    code = "port_taken"
    template = "The core can't listen on {host}:{port}: {detail}."
    hint = "End the program that listens there, or set core.listen in phoenix.toml."
    http_status = 500


class LinkServer:
    """`start` listens; `stop` may be called without."""

    def __init__(self, ca: CertificateAuthority, add_routes: Sequence[Callable[[web.Application], None]]) -> None:
        self._ca = ca
        app = web.Application()
        for add in add_routes:
            add(app)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
        self._listener: socket.socket | None = None
        self.port = 0

    def listen(self, host: str, port: int, remembered_port: int) -> None:
        """Take a port: where none is set that of the last time, if it is free. Blocks. Raises PortTaken."""
        for wanted in dict.fromkeys((port or remembered_port, port)):
            try:
                self._listener = _listen(host, wanted)
            except OSError as error:
                problem = error
                continue
            self.port = self._listener.getsockname()[1]
            return
        raise PortTaken(host=host, port=port, detail=problem.strerror or problem) from problem

    async def start(self, names: Sequence[str]) -> None:
        """Serve, after `listen`, with a certificate for these host names and addresses."""
        assert self._listener is not None
        files = await asyncio.to_thread(self._ca.server_files, names)
        context = await asyncio.to_thread(files.server_context)
        await self._runner.setup()
        await web.SockSite(self._runner, self._listener, ssl_context=context).start()
        log.info("listening", port=self.port)

    async def stop(self) -> None:
        await self._runner.cleanup()
        if self._listener is not None:
            self._listener.close()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except BaseException:
        listener.close()
        raise
    return listener
