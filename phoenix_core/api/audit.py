"""The audit log: who changed what, and who took data out. Every request that isn't a mere question leaves an entry,
also one that was refused."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import unquote_plus

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from phoenix_core.api.codec import json_answer, whole
from phoenix_core.api.operator import operator_of
from phoenix_core.api.streaming import StreamCut
from phoenix_core.catalog.audit import AuditLog
from phoenix_core.catalog.errors import CatalogFull
from phoenix_core.catalog.rows import AuditRow
from phoenix_core.domain.audit import AuditEntry
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import NotFound, PhoenixError
from phoenix_core.domain.ids import new_id

DETAIL_CHARS = 2000
SECRET = ".secret"  # noqa: S105 (a name's ending)
"""What a route takes whose name ends so is secret: the entry says that it was called, not with what."""
PAGE_MAX = 1000
INTERRUPTED = "interrupted"
BEGUN = "begun"
"""Of what hands data out: kept before the first byte goes. How it ended, another entry says."""
_NOTE_BEGUN: web.RequestKey[Callable[[], Awaitable[None]]] = web.RequestKey("note_begun")

log = structlog.get_logger(__name__)


class AuditKeeper:
    """Keeps the entries in the catalog, and the log where that is full."""

    def __init__(self, entries: AuditLog, clock: Clock) -> None:
        self._entries = entries
        self._clock = clock

    async def add(self, who: str, action: str, subject: str, detail: str, outcome: str) -> None:
        row = AuditRow(new_id("a", 16), self._clock.now(), who, action, subject, detail, outcome)
        log.info("audit", who=who, action=action, subject=subject, outcome=outcome)
        try:
            await self._entries.add(row)
        except CatalogFull as error:
            log.error("an entry of the audit log is in this log only", entry=row.id, error=error.message)  # noqa: TRY400


Add = Callable[[str, str, str, str, str], Awaitable[None]]


def audited(add: Add) -> Middleware:
    """Routes that change something, or hand data out, have a name; it is the action."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        name = request.match_info.route.name
        if name is None:
            return await handler(request)
        action = name.replace(".", " ")
        who = await operator_of(request)  # while the connection that tells is there
        note: Callable[[], Awaitable[None]] = partial(_add, request, who, action, BEGUN)
        request[_NOTE_BEGUN] = note
        try:
            answer = await handler(request)
        except PhoenixError as error:
            await _add(request, who, action, error.code)
            raise
        except StreamCut as cut:
            await _add(request, who, action, cut.error.code if cut.error else INTERRUPTED)
            raise
        except ConnectionError:
            await _add(request, who, action, INTERRUPTED)
            raise
        except web.HTTPException:
            raise
        except Exception:
            await _add(request, who, action, PhoenixError.code)
            raise
        except asyncio.CancelledError:
            await asyncio.shield(_add(request, who, action, INTERRUPTED))
            raise
        await _add(request, who, action, "done")
        return answer

    async def _add(request: web.Request, who: str, action: str, outcome: str) -> None:
        secret = (request.match_info.route.name or "").endswith(SECRET)
        said = (await request.read()).decode("utf-8", "replace") or unquote_plus(request.query_string)
        detail = "" if secret else said[:DETAIL_CHARS]
        subject = " ".join(request.match_info.values())
        await add(who, action, subject, detail, outcome)

    return middleware


async def data_goes_out(request: web.Request) -> None:
    """Keep that the request hands data out, before it does: so that it stands there however the request ends, and if
    the core ends with it. Raises what keeps the entry from being kept."""
    await request[_NOTE_BEGUN]()


class AuditResource:
    def __init__(self, entries: AuditLog) -> None:
        self._entries = entries

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/audit", self.list)]

    async def list(self, request: web.Request) -> web.Response:
        limit = whole(request, "limit", 100, low=1, high=PAGE_MAX)
        name = request.query.get("before", "")
        before = await self._entries.get(name) if name else None
        if name and before is None:
            raise NotFound(what="entry of the audit log", name=name)
        rows = await self._entries.listed(limit=limit, before=before)
        return json_answer(
            [AuditEntry(**{field: getattr(row, field) for field in row.__struct_fields__}) for row in rows]
        )
