"""The storage node over HTTPS, for agents on other hosts and for a core on another host.

    POST /storage/v1/job           a job's call; body and answer as in `wire`
    POST /storage/v1/core          a call of the core, for tokens with the right `core`
    PUT  /storage/v1/packs/{hex}   store a pack; the body is the pack, with its Content-Length
    GET  /storage/v1/packs/{hex}   a pack or, with `Range: bytes=a-b`, a part of it

Every request carries `Authorization: Bearer <storage token>`. An error is its HTTP status with an ErrorView as JSON.
The node's calls block, and a call may be long to decode, so all of that runs in threads of the service's own.
"""

import asyncio
import logging
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import PackId
from phoenix_core.storage.dispatch import call_core, call_job
from phoenix_core.storage.errors import BadRequest, StorageFailed, TokenMalformed
from phoenix_core.storage.node import StorageNode
from phoenix_core.storage.objectstore import OpenObject, StagedObject
from phoenix_core.storage.wire import CONTENT_TYPE, MAX_CALL_BYTES, ROOT, decode_core_call, decode_job_call, encode
from phoenix_core.vault.malformed import MALFORMED

log = logging.getLogger(__name__)
T = TypeVar("T")
THREADS = 16
PIECE_BYTES = 1 << 20
_RANGE = re.compile(r"bytes=(\d{1,15})-(\d{1,15})?")
_PACK_ID = re.compile(r"[0-9a-f]{64}")


def add_storage_routes(app: web.Application, node: StorageNode) -> None:
    """Serve `node` under /storage/v1/ of the application, which ends the service's threads when it is cleaned up."""
    service = StorageService(node)
    app.router.add_post(f"{ROOT}/job", service.told(service.job))
    app.router.add_post(f"{ROOT}/core", service.told(service.core))
    app.router.add_put(f"{ROOT}/packs/{{pack}}", service.told(service.put_pack))
    app.router.add_get(f"{ROOT}/packs/{{pack}}", service.told(service.get_pack), allow_head=False)
    app.cleanup_ctx.append(service.running)


class StorageService:
    def __init__(self, node: StorageNode) -> None:
        self._node = node
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="storage-http")

    async def running(self, _app: web.Application) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(self._threads.shutdown, wait=True)

    def told(self, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        """The handler with its errors turned into answers."""

        async def answering(request: web.Request) -> web.StreamResponse:
            try:
                return await handler(request)
            except PhoenixError as error:
                log.warning("%s %s was refused: %s (%s)", request.method, request.path, error, error.code)
                return _refusal(error)
            except web.HTTPException:
                raise
            except ConnectionError as error:
                log.info("%s %s broke off: %s", request.method, request.path, error)
                if request.transport is not None:
                    request.transport.abort()  # an answer that has begun must not look complete
                return web.Response(status=499)
            except Exception as error:
                log.exception("%s %s failed", request.method, request.path)
                return _refusal(StorageFailed(action="The call", name="", place="the storage node", detail=error))

        return answering

    async def job(self, request: web.Request) -> web.Response:
        token = _token(request)
        body = await self._body(request, token)
        return _answer(
            await self._run(lambda: encode(call_job(self._node.desk, token, _decoded(decode_job_call, body))))
        )

    async def core(self, request: web.Request) -> web.Response:
        token = _token(request)
        self._node.desk.core(token)
        body = await self._body(request, token)
        return _answer(await self._run(lambda: encode(call_core(self._node, _decoded(decode_core_call, body)))))

    async def put_pack(self, request: web.Request) -> web.Response:
        token, pack_id, length = _token(request), _pack_id(request), request.content_length
        if length is None:
            raise BadRequest(detail="a pack comes with its Content-Length")
        desk = self._node.desk
        staging = desk.staging(token, length)
        staged = await self._run(staging.__enter__)
        try:
            await self._receive(request, staged)
            if staged.length != length:
                raise BadRequest(detail=f"{staged.length} bytes of {length} arrived")
            await self._run(lambda: desk.put_staged(token, pack_id, staged))
        finally:
            await self._run(lambda: staging.__exit__(None, None, None))
        return _answer(encode(None))

    async def get_pack(self, request: web.Request) -> web.StreamResponse:
        token, pack_id = _token(request), _pack_id(request)
        opened = await self._run(lambda: self._node.desk.open_pack(token, pack_id))
        try:
            return await self._send(request, opened)
        finally:
            opened.close()

    async def _send(self, request: web.Request, opened: OpenObject) -> web.StreamResponse:
        start, end, ranged = _range(request, opened.length)
        if ranged and start >= opened.length:
            return web.Response(status=416, headers={"Content-Range": f"bytes */{opened.length}"})
        response = web.StreamResponse(status=206 if ranged else 200)
        response.content_type = "application/octet-stream"
        response.content_length = end - start
        if ranged:
            response.headers["Content-Range"] = f"bytes {start}-{end - 1}/{opened.length}"
        await response.prepare(request)
        while start < end:
            piece = await self._run(opened.pread, min(PIECE_BYTES, end - start), start)
            if not piece:
                raise ConnectionError("the pack is shorter than it was")
            await response.write(piece)
            start += len(piece)
        await response.write_eof()
        return response

    async def _receive(self, request: web.Request, staged: StagedObject) -> None:
        """Into the staged file, a megabyte at a time: never the whole pack in memory."""
        buffer = bytearray()
        async for data in request.content.iter_any():
            buffer += data
            if len(buffer) >= PIECE_BYTES:
                await self._run(staged.write, bytes(buffer))
                buffer.clear()
        if buffer:
            await self._run(staged.write, bytes(buffer))

    async def _body(self, request: web.Request, token: str) -> bytearray:
        """Only from a holder of a valid token, since it may be long."""
        self._node.desk.who(token)
        body = bytearray()
        async for data in request.content.iter_any():
            body += data
            if len(body) > MAX_CALL_BYTES:
                raise BadRequest(detail=f"the call is above {MAX_CALL_BYTES} bytes")
        return body

    async def _run(self, work: Callable[..., T], *args: object) -> T:
        """In a thread. It is waited for even where the request is cancelled, since it holds files."""
        running = asyncio.get_running_loop().run_in_executor(self._threads, work, *args)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            await asyncio.wait([running])
            raise


def _token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        raise TokenMalformed(detail="the request carries none")
    return token


def _pack_id(request: web.Request) -> PackId:
    name = request.match_info["pack"]
    if not _PACK_ID.fullmatch(name):
        raise BadRequest(detail="a pack is named by 64 hex digits")
    return PackId(bytes.fromhex(name))


def _range(request: web.Request, length: int) -> tuple[int, int, bool]:
    """First byte, byte after the last, and whether a part was asked for."""
    asked = request.headers.get("Range")
    if asked is None:
        return 0, length, False
    match = _RANGE.fullmatch(asked)
    if match is None or (match[2] and int(match[2]) < int(match[1])):
        raise BadRequest(detail=f"the range {asked[:40]} isn't understood")
    end = int(match[2]) + 1 if match[2] else length
    return int(match[1]), min(end, length), True


def _decoded(decode: Callable[[bytearray], T], body: bytearray) -> T:
    try:
        return decode(body)
    except MALFORMED as error:
        raise BadRequest(detail=error) from error


def _answer(encoded: bytes) -> web.Response:
    return web.Response(body=encoded, content_type=CONTENT_TYPE)


def _refusal(error: PhoenixError) -> web.Response:
    return web.Response(
        status=error.http_status, body=msgspec.json.encode(error.view()), content_type="application/json"
    )
