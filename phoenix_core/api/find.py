"""Search over all snapshots: each version of a file once, as lines of JSON that come while the search goes on."""

import asyncio
from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import groupby

import msgspec
from aiohttp import web

from phoenix_core.api.codec import whole
from phoenix_core.api.streaming import send
from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.names import parse_shown
from phoenix_core.domain.reading import FileVersion, SearchLine, SearchProgress
from phoenix_core.engine.browse import matcher
from phoenix_core.engine.errors import BadRequest
from phoenix_core.engine.reading.versions import VersionSearch
from phoenix_core.engine.sources import Sources
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.vault.treewalk import parts

SOON_S = 0.3
LIMIT_MAX = 10**9


class FindResource:
    def __init__(self, sources: Sources, seat: VaultSeat) -> None:
        self._sources = sources
        self._seat = seat

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/find", self.find)]

    async def find(self, request: web.Request) -> web.StreamResponse:
        vault = self._seat.get()
        pattern = request.query.get("pattern", "")
        fits = matcher(pattern)
        path = parse_shown(request.query.get("path", "/"))
        parts(path)
        limit = whole(request, "limit", 1000, high=LIMIT_MAX) or LIMIT_MAX
        since, until = _time(request, "since"), _time(request, "until")
        rows = await self._sources.listed(request.query.get("server", ""))

        def in_time(row: SnapshotRow) -> bool:
            return not (since and row.created_at < since) and not (until and row.created_at > until)

        def wanted(row: SnapshotRow) -> bool:
            return row.readable and in_time(row)

        lost = sum(in_time(row) and not row.readable for row in rows)
        by_server = await asyncio.to_thread(_by_server, rows)
        searches = [VersionSearch(vault, of_server, fits, wanted) for of_server in by_server]
        answer = web.StreamResponse(headers={"Content-Type": "application/x-ndjson", "Cache-Control": "no-store"})
        answer.enable_chunked_encoding()
        await answer.prepare(request)
        await send(request, answer, _lines(searches, path, limit, lost), soon_s=SOON_S)
        return answer


def _by_server(rows: Sequence[SnapshotRow]) -> list[list[SnapshotRow]]:
    """Each server's snapshots, newest first; what was one server under two enrolments is one."""
    ordered = sorted(rows, key=lambda row: (row.server_name, -row.created_at.timestamp(), -row.sequence))
    return [list(group) for _, group in groupby(ordered, key=lambda row: row.server_name)]


def _lines(searches: Sequence[VersionSearch], path: bytes, limit: int, lost: int) -> Iterator[bytes]:
    count = 0
    done = SearchProgress(0, 0, lost=lost)
    try:
        for search in searches:
            for each in search.run(path):
                if isinstance(each, FileVersion):
                    count += 1
                    yield _line(SearchLine(version=each))
                    if count >= limit:
                        yield _line(SearchLine(end=_sum(done, search.progress()), truncated=True))
                        return
                else:
                    yield _line(SearchLine(progress=_sum(done, each)))
            done = _sum(done, search.progress())
    except PhoenixError as error:
        yield _line(SearchLine(error=error.view()))
    else:
        yield _line(SearchLine(end=done))


def _sum(one: SearchProgress, two: SearchProgress) -> SearchProgress:
    return SearchProgress(
        one.folders + two.folders,
        one.entries + two.entries,
        two.current,
        one.unreadable + two.unreadable,
        one.lost + two.lost,
    )


def _line(line: SearchLine) -> bytes:
    return msgspec.json.encode(line) + b"\n"


def _time(request: web.Request, name: str) -> datetime | None:
    text = request.query.get(name, "")
    if not text:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadRequest(detail=f"{name}={text[:40]} is no time in RFC 3339") from error
    if at.tzinfo is None:
        raise BadRequest(detail=f"{name}={text[:40]} names no time zone")
    return at
