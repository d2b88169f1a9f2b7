"""What a server that is to run Phoenix fetches from its core, without a certificate, since it has none yet:

    GET /install/v1/script            the installer, whose SHA-256 is in the line that an operator pastes
    GET /install/v1/bundle            which wheels there are, with their hashes
    GET /install/v1/wheels/{sha256}   one of them

Nothing else is served by these paths, and nothing of it is secret. Downloads are bounded in number and time.
"""

import asyncio
import os

import msgspec
import structlog
from aiohttp import web

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.rollout.bundle import BundleShelf
from phoenix_core.rollout.script import SCRIPT_PATH, ServedScript

BUNDLE_PATH = "/install/v1/bundle"
WHEEL_PATH = "/install/v1/wheels/{sha256:[0-9a-f]{64}}"
AT_ONCE = 16
DOWNLOAD_S = 600.0
PIECE_BYTES = 256 << 10

log = structlog.get_logger(__name__)


class InstallService:
    def __init__(
        self, shelf: BundleShelf, script: ServedScript, *, at_once: int = AT_ONCE, download_s: float = DOWNLOAD_S
    ) -> None:
        self._shelf = shelf
        self._download_s = download_s
        self._turns = asyncio.Semaphore(at_once)
        self._script = script

    def add_routes(self, app: web.Application) -> None:
        app.router.add_get(SCRIPT_PATH, self._get_script)
        app.router.add_get(BUNDLE_PATH, self._get_bundle)
        app.router.add_get(WHEEL_PATH, self._get_wheel, allow_head=False)

    async def _get_script(self, request: web.Request) -> web.Response:
        return web.Response(body=await self._script.content(), content_type="text/x-python", charset="utf-8")

    async def _get_bundle(self, request: web.Request) -> web.Response:
        try:
            bundle = await asyncio.to_thread(self._shelf.current)
        except PhoenixError as error:
            return _refused(error)
        return web.Response(body=msgspec.json.encode(bundle), content_type="application/json")

    async def _get_wheel(self, request: web.Request) -> web.StreamResponse:
        try:
            async with self._turns, asyncio.timeout(self._download_s):
                return await self._send(request)
        except PhoenixError as error:
            log.warning("wheel refused", error=error.code, remote=request.remote)
            return _refused(error)
        except TimeoutError:
            log.warning("a download of a wheel took too long", remote=request.remote)
            if request.transport is not None:
                request.transport.abort()
            return web.Response(status=499)

    async def _send(self, request: web.Request) -> web.StreamResponse:
        descriptor, length = await asyncio.to_thread(self._shelf.open_wheel, request.match_info["sha256"])
        try:
            response = web.StreamResponse(headers={"Content-Type": "application/octet-stream"})
            response.content_length = length
            await response.prepare(request)
            at = 0
            while at < length:
                piece = await asyncio.to_thread(os.pread, descriptor, PIECE_BYTES, at)
                if not piece:
                    break
                await response.write(piece)
                at += len(piece)
            await response.write_eof()
        finally:
            os.close(descriptor)
        return response


def _refused(error: PhoenixError) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(error.view()), status=error.http_status, content_type="application/json"
    )
