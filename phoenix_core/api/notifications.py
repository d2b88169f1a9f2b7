"""Notification channels and rules: list, make or change, remove, test, and what was sent."""

from aiohttp import web

from phoenix_core.api.codec import body_of, json_answer, whole
from phoenix_core.api.operator import operator_of
from phoenix_core.domain.notifications import Channel, NotificationRule, SecretRequest
from phoenix_core.engine.notifications.desk import NotificationDesk

MESSAGES_MAX = 1000


class ChannelResource:
    def __init__(self, desk: NotificationDesk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/channels", self.list),
            web.get("/v1/channels/{channel}", self.show),
            web.put("/v1/channels/{channel}", self.put, name="notification.set"),
            web.delete("/v1/channels/{channel}", self.remove, name="notification.remove"),
            web.put("/v1/channels/{channel}/secret", self.put_secret, name="notification.secret"),
            web.post("/v1/channels/{channel}/test", self.test, name="notification.test"),
            web.get("/v1/channels/{channel}/messages", self.messages),
        ]

    async def list(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.channels())

    async def show(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.channel(request.match_info["channel"]))

    async def put(self, request: web.Request) -> web.Response:
        """With `new` one that is there already is left as it is, and told."""
        wanted = await body_of(request, Channel)
        name, who = request.match_info["channel"], await operator_of(request)
        return json_answer(await self._desk.put_channel(name, wanted, who, new="new" in request.query))

    async def put_secret(self, request: web.Request) -> web.Response:
        """The audit log keeps that it was changed, not what it is."""
        wanted = await body_of(request, SecretRequest)
        name, who = request.match_info["channel"], await operator_of(request)
        return json_answer(await self._desk.put_secret(name, wanted.secret, who))

    async def remove(self, request: web.Request) -> web.Response:
        await self._desk.remove_channel(request.match_info["channel"], await operator_of(request))
        return json_answer({})

    async def test(self, request: web.Request) -> web.Response:
        """Delivers a message now, and answers with what the other end said; within a minute and some seconds."""
        return json_answer(await self._desk.test(request.match_info["channel"]))

    async def messages(self, request: web.Request) -> web.Response:
        limit = whole(request, "limit", 20, low=1, high=MESSAGES_MAX)
        return json_answer(await self._desk.messages(request.match_info["channel"], limit))


class NotificationRuleResource:
    def __init__(self, desk: NotificationDesk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/notification-rules", self.list),
            web.get("/v1/notification-rules/{rule}", self.show),
            web.put("/v1/notification-rules/{rule}", self.put, name="notification.rule.set"),
            web.delete("/v1/notification-rules/{rule}", self.remove, name="notification.rule.remove"),
        ]

    async def list(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.rules())

    async def show(self, request: web.Request) -> web.Response:
        return json_answer(await self._desk.rule(request.match_info["rule"]))

    async def put(self, request: web.Request) -> web.Response:
        wanted = await body_of(request, NotificationRule)
        name, who = request.match_info["rule"], await operator_of(request)
        return json_answer(await self._desk.put_rule(name, wanted, who, new="new" in request.query))

    async def remove(self, request: web.Request) -> web.Response:
        await self._desk.remove_rule(request.match_info["rule"], await operator_of(request))
        return json_answer({})
