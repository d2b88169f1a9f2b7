"""The event stream: `text/event-stream`, resumable by number."""

from contextlib import aclosing

import msgspec
from aiohttp import web

from phoenix_core.api.codec import whole
from phoenix_core.domain.views import Event
from phoenix_core.engine.events import EventBus

COMMENT_INTERVAL_S = 10.0


class EventResource:
    def __init__(self, events: EventBus, comment_interval_s: float = COMMENT_INTERVAL_S) -> None:
        self._events = events
        self._interval_s = comment_interval_s

    def routes(self) -> list[web.RouteDef]:
        return [web.get("/v1/events", self.follow)]

    async def follow(self, request: web.Request) -> web.StreamResponse:
        after = whole(request, "after", -1)
        last = request.headers.get("Last-Event-ID", "")
        if after < 0 and last.isascii() and last.isdigit():
            after = int(last)
        answer = web.StreamResponse(
            headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        )
        await answer.prepare(request)
        async with aclosing(self._events.follow(None if after < 0 else after, idle_s=self._interval_s)) as following:
            async for event in following:
                try:
                    # The comment tells a silent reader that the core is still there, and us that the reader is.
                    await answer.write(b": still here\n\n" if event is None else _frame(event))
                except ConnectionError:
                    break
        return answer


def _frame(event: Event) -> bytes:
    return f"id: {event.number}\nevent: {event.kind}\ndata: ".encode() + msgspec.json.encode(event) + b"\n\n"
