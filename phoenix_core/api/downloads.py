"""Downloads: one file of a snapshot, in ranges too, or a folder as tar or zip. Each is in the audit log,
before its first byte goes out and at its end."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from email.utils import formatdate
from urllib.parse import quote

from aiohttp import web

from phoenix_core.api.audit import data_goes_out
from phoenix_core.api.codec import json_answer, one_of
from phoenix_core.api.streaming import StreamCut, send
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.names import parse_shown, portable, shown
from phoenix_core.domain.reading import ArchiveFormat, DownloadState
from phoenix_core.engine.reading.downloads import Downloads
from phoenix_core.engine.reading.errors import RangeNotThere
from phoenix_core.engine.reading.leases import ReadingLeases
from phoenix_core.engine.reading.readers import Readers
from phoenix_core.engine.reading.snapshotfiles import SnapshotFiles, content_tag, snapshot_files
from phoenix_core.engine.reading.tarstream import tar_stream
from phoenix_core.engine.reading.zipstream import zip_stream
from phoenix_core.engine.sources import Sources
from phoenix_core.engine.vault import OpenVault, VaultSeat
from phoenix_core.vault.errors import PathNotInSnapshot
from phoenix_core.vault.filecontent import FileContent
from phoenix_core.vault.treewalk import parts

ID_HEADER = "Phoenix-Download"
_STREAMS = {ArchiveFormat.TAR: tar_stream, ArchiveFormat.ZIP: zip_stream}
_TYPES = {ArchiveFormat.TAR: "application/x-tar", ArchiveFormat.ZIP: "application/zip"}


class DownloadResource:
    def __init__(
        self, sources: Sources, seat: VaultSeat, readers: Readers, reading_leases: ReadingLeases, downloads: Downloads
    ) -> None:
        self._sources = sources
        self._seat = seat
        self._readers = readers
        self._reading_leases = reading_leases
        self._downloads = downloads

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/snapshots/{snapshot}/content", self.content, name="snapshot.download"),
            web.get("/v1/snapshots/{snapshot}/archive", self.archive, name="snapshot.archive"),
            web.get("/v1/downloads/{download}", self.show),
        ]

    async def show(self, request: web.Request) -> web.Response:
        return json_answer(self._downloads.get(request.match_info["download"]))

    async def content(self, request: web.Request) -> web.StreamResponse:
        async with self._opened(request) as (files, path):
            content = await asyncio.to_thread(files.content, path)
            tag = content_tag(content.entry)
            if tag in {each.value for each in request.if_none_match or ()}:
                return web.Response(status=304, headers={"ETag": f'"{tag}"'})
            start, end, partial = _range(request, content, path, tag)
            answer = web.StreamResponse(
                status=206 if partial else 200,
                headers={
                    "Accept-Ranges": "bytes",
                    "Content-Disposition": _disposition(path.rpartition(b"/")[2]),
                    "Content-Type": "application/octet-stream",
                    "ETag": f'"{tag}"',
                    "Last-Modified": formatdate(max(content.entry.mtime_ns, 0) / 1e9, usegmt=True),
                },
            )
            if partial:
                answer.headers["Content-Range"] = f"bytes {start}-{end - 1}/{content.size}"
            answer.content_length = end - start
            return await self._send(request, answer, files, path, files.read(path, content, start, end))

    async def archive(self, request: web.Request) -> web.StreamResponse:
        kind = one_of(request, "format", ArchiveFormat) or ArchiveFormat.TAR
        async with self._opened(request) as (files, path):
            await asyncio.to_thread(files.entry, path)
            name = path.rpartition(b"/")[2] or files.row.server_name.encode()
            answer = web.StreamResponse(
                headers={
                    "Content-Disposition": _disposition(name + f".{kind}".encode()),
                    "Content-Type": _TYPES[kind],
                }
            )
            answer.enable_chunked_encoding()
            return await self._send(request, answer, files, path, _STREAMS[kind](files, path))

    @asynccontextmanager
    async def _opened(self, request: web.Request) -> AsyncIterator[tuple[SnapshotFiles, bytes]]:
        """What the request is about, leased for the time of the block."""
        vault = self._seat.get()
        path = b"/" + b"/".join(parts(parse_shown(request.query.get("path", "/"))))
        paths = () if path == b"/" else (shown(path),)
        row = await self._sources.legible(request.match_info["snapshot"], request.query.get("server", ""), paths)
        async with self._reading_leases.on(vault, row), _lent(self._readers, vault, row) as files:
            try:
                yield files, path
            except PathNotInSnapshot as error:
                raise await self._sources.path_missing(error, row, vault, paths) from error

    async def _send(
        self,
        request: web.Request,
        answer: web.StreamResponse,
        files: SnapshotFiles,
        path: bytes,
        pieces: Iterator[bytes | memoryview],
    ) -> web.StreamResponse:
        name = self._downloads.begin(files.row.id, shown(path))
        answer.headers[ID_HEADER] = name
        state = DownloadState.INTERRUPTED
        try:
            if request.method != "HEAD":
                await data_goes_out(request)
            await answer.prepare(request)
            if request.method != "HEAD":
                await send(request, answer, pieces, lambda count: self._downloads.sent(name, count))
            state = DownloadState.DONE
        except StreamCut as error:
            if error.error is not None:
                self._downloads.end(name, DownloadState.FAILED, error.error)
            raise
        finally:
            if self._downloads.get(name).state is DownloadState.RUNNING:
                self._downloads.end(name, state)
        return answer


@asynccontextmanager
async def _lent(readers: Readers, vault: OpenVault, row: SnapshotRow) -> AsyncIterator[SnapshotFiles]:
    opened = snapshot_files(readers, vault, row)
    files = await asyncio.to_thread(opened.__enter__)
    try:
        yield files
    finally:
        opened.__exit__(None, None, None)


def _range(request: web.Request, content: FileContent, path: bytes, tag: str) -> tuple[int, int, bool]:
    """First byte, the one behind the last, and whether only a part was asked for. Raises RangeNotThere."""
    wanted = request.headers.get("If-Range", "")
    if "Range" not in request.headers or (wanted and wanted != f'"{tag}"'):
        return 0, content.size, False
    try:
        asked = request.http_range
    except ValueError:  # several ranges, or another unit: all of it is a right answer
        return 0, content.size, False
    start, end, _ = slice(asked.start, asked.stop).indices(content.size)
    if start >= end:
        raise RangeNotThere(path=shown(path), size=content.size, start=start)
    return start, end, True


def _disposition(name: bytes) -> str:
    safe = portable(name)
    plain = safe.encode("ascii", "replace").decode().replace('"', "_")
    return f"attachment; filename=\"{plain}\"; filename*=UTF-8''{quote(safe, safe='')}"
