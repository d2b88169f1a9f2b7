"""The notification channels and rules of a scripted core, behind the real paths of the operators' API."""

import msgspec
from aiohttp import web

from phoenix_core.domain.notifications import Channel, ChannelView, NotificationRule, SecretRequest
from tests.tui import sample_notifications


class ScriptedNotifications:
    def __init__(self) -> None:
        self.channels: dict[str, ChannelView] = {}
        self.rules: dict[str, NotificationRule] = {}
        self.secrets: dict[str, str] = {}
        self.delivered = sample_notifications.DELIVERED

    def fill(self) -> None:
        """With the samples."""
        self.channels = {view.channel.name: view for view in (sample_notifications.OPS, sample_notifications.CHAT)}
        self.rules = {rule.name: rule for rule in sample_notifications.RULES}

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/v1/channels", self._get_channels),
            web.put("/v1/channels/{name}", self._put_channel),
            web.delete("/v1/channels/{name}", self._remove_channel),
            web.put("/v1/channels/{name}/secret", self._put_secret),
            web.post("/v1/channels/{name}/test", self._test),
            web.get("/v1/notification-rules", self._get_rules),
            web.put("/v1/notification-rules/{name}", self._put_rule),
            web.delete("/v1/notification-rules/{name}", self._remove_rule),
        ]

    async def _get_channels(self, _request: web.Request) -> web.Response:
        return _json(list(self.channels.values()))

    async def _put_channel(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=Channel)
        before = self.channels.pop(request.match_info["name"], ChannelView(wanted))
        self.channels[wanted.name] = msgspec.structs.replace(before, channel=wanted)
        return _json(self.channels[wanted.name])

    async def _remove_channel(self, request: web.Request) -> web.Response:
        del self.channels[request.match_info["name"]]
        return _json({})

    async def _put_secret(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        self.secrets[name] = msgspec.json.decode(await request.read(), type=SecretRequest).secret
        held_by = "file" if self.secrets[name] else ""
        self.channels[name] = msgspec.structs.replace(self.channels[name], secret_held_by=held_by)
        return _json(self.channels[name])

    async def _test(self, _request: web.Request) -> web.Response:
        return _json(self.delivered)

    async def _get_rules(self, _request: web.Request) -> web.Response:
        return _json(list(self.rules.values()))

    async def _put_rule(self, request: web.Request) -> web.Response:
        wanted = msgspec.json.decode(await request.read(), type=NotificationRule)
        self.rules.pop(request.match_info["name"], None)
        self.rules[wanted.name] = wanted
        return _json(wanted)

    async def _remove_rule(self, request: web.Request) -> web.Response:
        del self.rules[request.match_info["name"]]
        return _json({})


def _json(value: object) -> web.Response:
    return web.Response(body=msgspec.json.encode(value), content_type="application/json")
