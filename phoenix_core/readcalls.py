"""The part of the client that is about finding and reading files: search over snapshots, downloads, mounts."""

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec

from phoenix_core.domain.comparing import CompareRequest, DifferencePage
from phoenix_core.domain.errors import PhoenixError, RemoteError
from phoenix_core.domain.reading import (
    ArchiveFormat,
    DownloadState,
    DownloadView,
    MountRequest,
    MountView,
    NodePage,
    NodeView,
    SearchLine,
)
from phoenix_core.domain.views import JobView

READ_BYTES = 2**18
ID_HEADER = "Phoenix-Download"

T = TypeVar("T")


class DownloadCut(PhoenixError):
    """The connection ended before all was there, and nobody knows why."""

    code = "download_cut"
    template = "The download of {path} was cut short after {bytes} bytes; the core does not answer why."
    hint = "See whether the core runs with `phoenix doctor`, then try again."
    retryable = True


class SearchCut(PhoenixError):
    """The connection ended in the middle of a search, and nobody knows why."""

    code = "search_cut"
    template = "The search for {pattern} was cut short: there may be more than what was found so far."
    hint = "See whether the core runs with `phoenix doctor`, then search again."
    retryable = True


class ReadCalls(ABC):
    """What `client.CoreClient` inherits."""

    @abstractmethod
    async def _call(
        self, method: str, path: str, answer: type[T], *, query: dict[str, Any] | None = None, body: object = None
    ) -> T: ...

    @abstractmethod
    def _streamed(
        self, path: str, query: dict[str, Any], headers: dict[str, str] | None = None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """A GET whose answer is read piece by piece. Raises RemoteError, CoreUnreachable before it begins."""

    # --- search ------------------------------------------------------------------------------------------------------

    async def find_versions(
        self, pattern: str, *, server: str = "", path: str = "/", since: str = "", until: str = "", limit: int = 1000
    ) -> AsyncGenerator[SearchLine, None]:
        """Each version of what fits, over all snapshots, and how far the search is, as they come. The last line has
        `end`. `since`, `until`: times of snapshots in RFC 3339. `limit` 0: all. Closing the generator ends the search.

        Raises RemoteError and SearchCut also in the middle."""
        query = {"pattern": pattern, "server": server, "path": path, "since": since, "until": until, "limit": limit}
        async with self._streamed("/v1/find", query) as response:
            ended = False
            try:
                async for line in _lines(response.content):
                    found = msgspec.json.decode(line, type=SearchLine)
                    if found.error is not None:
                        raise RemoteError(found.error)
                    ended = found.end is not None
                    yield found
            except (aiohttp.ClientError, OSError, TimeoutError, msgspec.MsgspecError) as error:
                if not ended:
                    raise SearchCut(pattern=pattern) from error
            if not ended:
                raise SearchCut(pattern=pattern)

    # --- comparing ---------------------------------------------------------------------------------------------------

    async def compare(self, request: CompareRequest) -> JobView:
        return await self._call("POST", "/v1/compares", JobView, body=request)

    async def differences(self, job_id: str, *, after: int = 0, limit: int = 500) -> DifferencePage:
        """What a finished comparison found, by path."""
        path = f"/v1/jobs/{quote(job_id, safe='')}/differences"
        return await self._call("GET", path, DifferencePage, query={"after": after, "limit": limit})

    # --- downloads ---------------------------------------------------------------------------------------------------

    async def download_file(
        self, snapshot: str, path: str, *, server: str = "", start: int = 0, end: int | None = None
    ) -> AsyncGenerator[bytes, None]:
        """A file's bytes from `start` on, up to before `end`. Raises RemoteError also in the middle, DownloadCut."""
        headers = {"Range": f"bytes={start}-{'' if end is None else end - 1}"} if start or end is not None else {}
        where = f"/v1/snapshots/{quote(snapshot, safe='')}/content"
        async with (
            self._streamed(where, {"path": path, "server": server}, headers) as response,
            aclosing(self._blocks(response, path)) as blocks,
        ):
            async for block in blocks:
                yield block

    async def download_archive(
        self, snapshot: str, path: str, kind: ArchiveFormat, *, server: str = ""
    ) -> AsyncGenerator[bytes, None]:
        """An archive of a folder, or of anything else. Raises as `download_file`."""
        where = f"/v1/snapshots/{quote(snapshot, safe='')}/archive"
        query = {"path": path, "server": server, "format": kind}
        async with (
            self._streamed(where, query) as response,
            aclosing(self._blocks(response, path)) as blocks,
        ):
            async for block in blocks:
                yield block

    async def download(self, name: str) -> DownloadView:
        return await self._call("GET", f"/v1/downloads/{quote(name, safe='')}", DownloadView)

    async def _blocks(self, response: aiohttp.ClientResponse, path: str) -> AsyncGenerator[bytes, None]:
        received = 0
        try:
            async for block in response.content.iter_chunked(READ_BYTES):
                received += len(block)
                yield block
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            cut = DownloadCut(path=path, bytes=received)
            try:
                known = await self.download(response.headers.get(ID_HEADER, ""))
            except PhoenixError:
                raise cut from error
            if known.state is DownloadState.FAILED and known.error is not None:
                raise RemoteError(known.error) from error
            raise cut from error

    # --- mounts ------------------------------------------------------------------------------------------------------

    async def mounts(self) -> list[MountView]:
        return await self._call("GET", "/v1/mounts", list[MountView])

    async def open_mount(self, place: str) -> MountView:
        return await self._call("POST", "/v1/mounts", MountView, body=MountRequest(place))

    async def close_mount(self, mount: str) -> None:
        await self._call("DELETE", _mount(mount), MountView)

    async def nodes(self, mount: str, snapshot: str, path: str, *, after: str = "", limit: int = 1000) -> NodePage:
        """A page of a folder's entries, sorted by name bytes."""
        query = {"snapshot": snapshot, "path": path, "after": after, "limit": limit}
        return await self._call("GET", _mount(mount, "/nodes"), NodePage, query=query)

    async def node(self, mount: str, snapshot: str, path: str) -> NodeView:
        return await self._call("GET", _mount(mount, "/node"), NodeView, query={"snapshot": snapshot, "path": path})

    async def read_content(self, mount: str, snapshot: str, path: str, start: int, length: int) -> bytes:
        """At most `length` bytes of a file, fewer at its end. Raises RemoteError, CoreUnreachable."""
        query = {"snapshot": snapshot, "path": path, "start": start, "length": length}
        async with self._streamed(_mount(mount, "/content"), query) as response:
            try:
                return await response.read()
            except (aiohttp.ClientError, OSError, TimeoutError) as error:
                raise DownloadCut(path=path, bytes=0) from error


async def _lines(content: aiohttp.StreamReader) -> AsyncGenerator[bytes, None]:
    """However long they are; what comes after the last end of a line isn't given."""
    held: list[bytes] = []
    async for block in content.iter_any():
        first, *more = block.split(b"\n")
        held.append(first)
        for rest in more:
            yield b"".join(held)
            held = [rest]


def _mount(name: str, rest: str = "") -> str:
    return f"/v1/mounts/{quote(name, safe='')}{rest}"
