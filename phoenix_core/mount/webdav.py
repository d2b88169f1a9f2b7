"""The snapshot folder over WebDAV (RFC 4918), read-only, on this machine's loopback address, behind a password.

OPTIONS, PROPFIND (depth 0 and 1), HEAD and GET with ranges. WebDAV knows files and folders: links and special files of
a snapshot are left out, but for SERVER/latest, which is a folder here. A browser gets a plain list of links."""

import errno
import html
import mimetypes
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote, quote_from_bytes, unquote_to_bytes

import structlog
from aiohttp import encode_basic_auth, hdrs, web
from aiohttp.typedefs import Handler

from phoenix_core.mount.errors import PortUnusable
from phoenix_core.mount.readahead import ReadAhead
from phoenix_core.mount.snapshotfolder import LATEST, Node, SnapshotFolder

HOST = "127.0.0.1"
USER = "phoenix"
METHODS = "OPTIONS, GET, HEAD, PROPFIND"
BLOCK_BYTES = 2**20
SHUTDOWN_S = 1.0
_HEAD = '<?xml version="1.0" encoding="utf-8"?>\n<D:multistatus xmlns:D="DAV:">\n'
_STATUS = {
    errno.ENOENT: 404,
    errno.ENOTDIR: 404,
    errno.EISDIR: 405,
    errno.EINVAL: 400,
    errno.EIO: 502,
}

log = structlog.get_logger(__name__)


class WebDav:
    """Handlers for one folder. `password` is asked for in every request."""

    def __init__(self, folder: SnapshotFolder, password: str) -> None:
        self._folder = folder
        self._expected = encode_basic_auth(USER, password).encode()

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=2**16)
        app.router.add_route("*", "/{path:.*}", self._answer)
        return app

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get(hdrs.AUTHORIZATION, "").encode("utf-8", "replace")
        if not secrets.compare_digest(given, self._expected):
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="Phoenix snapshots"'})
        try:
            answer = await handler(request)
        except OSError as error:
            if isinstance(error, ConnectionError):
                raise
            return web.Response(status=_STATUS.get(error.errno or 0, 500), text=f"{error.strerror}\n")
        return answer

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = b"/" + unquote_to_bytes(request.raw_path.partition("?")[0]).strip(b"/")
        if any(name in {b".", b".."} for name in path.split(b"/")):
            return web.Response(status=404)
        match request.method:
            case "OPTIONS":
                return web.Response(headers={"DAV": "1", "Allow": METHODS, "MS-Author-Via": "DAV"})
            case "PROPFIND":
                return await self._propfind(request, path)
            case "GET" | "HEAD":
                node = await self._visible(path)
                return await (self._index(path) if node.is_folder else self._file(request, path, node))
            case _:
                return web.Response(status=405, headers={"Allow": METHODS}, text="Snapshots are read-only.\n")

    async def _visible(self, path: bytes) -> Node:
        """The node at the path as WebDAV has it. Raises OSError."""
        node = await self._folder.stat(path)
        shown = _as_dav(path, node)
        if shown is None:
            raise OSError(errno.ENOENT, "this kind of entry can't be had over WebDAV")
        return shown

    # --- listing -----------------------------------------------------------------------------------------------------

    async def _below(self, path: bytes) -> list[Node]:
        found = [_as_dav(path.rstrip(b"/") + b"/" + node.name, node) for node in await self._folder.entries(path)]
        return [node for node in found if node is not None]

    async def _propfind(self, request: web.Request, path: bytes) -> web.Response:
        depth = request.headers.get("Depth", "infinity")
        if depth not in {"0", "1"}:
            text = '<?xml version="1.0"?><D:error xmlns:D="DAV:"><D:propfind-finite-depth/></D:error>'
            return web.Response(status=403, text=text, content_type="application/xml")
        node = await self._visible(path)
        parts = [_HEAD, _response(path, node)]
        if depth == "1" and node.is_folder:
            parts += [_response(path.rstrip(b"/") + b"/" + each.name, each) for each in await self._below(path)]
        return web.Response(
            status=207, text="".join([*parts, "</D:multistatus>\n"]), content_type="application/xml", charset="utf-8"
        )

    async def _index(self, path: bytes) -> web.Response:
        names = [node.name + (b"/" if node.is_folder else b"") for node in await self._below(path)]
        links = [(b"../", "..")] if path != b"/" else []
        links += [(name, name.decode("utf-8", "replace")) for name in names]
        items = "".join(
            f'<li><a href="./{quote_from_bytes(name)}">{html.escape(text)}</a></li>' for name, text in links
        )
        title = html.escape(path.decode("utf-8", "replace"))
        page = f"<!doctype html><meta charset=utf-8><base href='{html.escape(_href(path, folder=True))}'>"
        page += f"<title>{title}</title><h1>{title}</h1><ul>{items}</ul>"
        policy = {"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff"}
        return web.Response(text=page, content_type="text/html", charset="utf-8", headers=policy)

    # --- files -------------------------------------------------------------------------------------------------------

    async def _file(self, request: web.Request, path: bytes, node: Node) -> web.StreamResponse:
        tag = _tag(node)
        headers = {
            "Accept-Ranges": "bytes",
            "Content-Type": _content_type(node.name),
            "Content-Disposition": "attachment",  # a page out of a backup is not to run in a browser
            "X-Content-Type-Options": "nosniff",
            "ETag": tag,
            "Last-Modified": _http_time(node.mtime_ns),
        }
        start, end, status = 0, node.size, 200
        if "Range" in request.headers and request.headers.get("If-Range", tag) == tag:
            try:
                asked = request.http_range
            except ValueError:
                asked = slice(None)
            if asked != slice(None):
                start, end, _ = slice(asked.start, asked.stop).indices(node.size)
                if start >= end:
                    return web.Response(status=416, headers={"Content-Range": f"bytes */{node.size}"})
                headers["Content-Range"] = f"bytes {start}-{end - 1}/{node.size}"
                status = 206
        answer = web.StreamResponse(status=status, headers=headers)
        answer.content_length = end - start
        await answer.prepare(request)
        if request.method != "HEAD":
            await self._send(request, answer, path, node, start, end)
        return answer

    async def _send(
        self, request: web.Request, answer: web.StreamResponse, path: bytes, node: Node, start: int, end: int
    ) -> None:
        reading = ReadAhead(node.size, lambda at, length: self._folder.read(path, at, length))
        try:
            while start < end:
                data = await reading.read(start, min(BLOCK_BYTES, end - start))
                if not data:
                    raise OSError(errno.EIO, "a file ended early")
                await answer.write(data)
                start += len(data)
        except OSError as error:
            if request.transport is not None:
                request.transport.abort()  # fewer bytes than were promised: nobody takes them for the file
            log.warning("a file was cut short", error=str(error))
        finally:
            await reading.close()


@asynccontextmanager
async def serving(folder: SnapshotFolder, port: int, password: str) -> AsyncIterator[str]:
    """Serve for the time of the block; gives the address. `port` 0: any free one. Raises PortUnusable."""
    runner = web.AppRunner(WebDav(folder, password).application(), access_log=None, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, HOST, port)
        try:
            await site.start()
        except OSError as error:
            raise PortUnusable(port=port, detail=error.strerror or str(error)) from error
        yield f"http://{HOST}:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def _as_dav(path: bytes, node: Node) -> Node | None:
    """What WebDAV knows of it: SERVER/latest is a folder, other links and special files aren't there."""
    if node.type in {"file", "directory"}:
        return node
    if node.name == LATEST and path.strip(b"/").count(b"/") == 1:
        return node._replace(type="directory", size=0)
    return None


def _response(path: bytes, node: Node) -> str:
    name = html.escape(_legible(node.name))
    kind = "<D:resourcetype><D:collection/></D:resourcetype>"
    if not node.is_folder:
        kind = (
            f"<D:resourcetype/><D:getcontentlength>{node.size}</D:getcontentlength>"
            f"<D:getetag>{html.escape(_tag(node))}</D:getetag>"
            f"<D:getcontenttype>{html.escape(_content_type(node.name))}</D:getcontenttype>"
        )
    created = _time(node.ctime_ns).strftime("%Y-%m-%dT%H:%M:%SZ")
    return (
        f"<D:response><D:href>{_href(path, folder=node.is_folder)}</D:href><D:propstat><D:prop>"
        f"<D:displayname>{name}</D:displayname>{kind}<D:creationdate>{created}</D:creationdate>"
        f"<D:getlastmodified>{_http_time(node.mtime_ns)}</D:getlastmodified><D:supportedlock/></D:prop>"
        "<D:status>HTTP/1.1 200 OK</D:status></D:propstat></D:response>\n"
    )


def _href(path: bytes, *, folder: bool) -> str:
    return quote(path.rstrip(b"/") + (b"/" if folder else b""), safe="/")


def _legible(name: bytes) -> str:
    """As text that XML can hold."""
    return "".join(
        char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in name.decode("utf-8", "replace")
    )


def _tag(node: Node) -> str:
    return f'"{node.mtime_ns:x}-{node.ctime_ns:x}-{node.size:x}"'


def _content_type(name: bytes) -> str:
    return mimetypes.guess_type(name.decode("utf-8", "replace"))[0] or "application/octet-stream"


def _http_time(time_ns: int) -> str:
    return format_datetime(_time(time_ns), usegmt=True)


def _time(time_ns: int) -> datetime:
    try:
        return datetime.fromtimestamp(time_ns // 10**9, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime(1970, 1, 1, tzinfo=UTC)
