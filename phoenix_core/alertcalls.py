"""The part of the client that is about alerts, and whom they are told to."""

from abc import ABC, abstractmethod
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from phoenix_core.domain.alerts import AcknowledgeRequest, AlertState, AlertView
from phoenix_core.domain.notifications import (
    FIRST_RULES,
    Channel,
    ChannelView,
    DeliveryResult,
    MessageView,
    NotificationRule,
    SecretRequest,
)

T = TypeVar("T")


class AlertCalls(ABC):
    """What `client.CoreClient` inherits."""

    @abstractmethod
    async def _call(
        self, method: str, path: str, answer: type[T], *, query: dict[str, Any] | None = None, body: object = None
    ) -> T: ...

    # --- alerts ------------------------------------------------------------------------------------------------------

    async def alerts(
        self, state: AlertState = AlertState.ACTIVE, *, server: str = "", limit: int = 100, before: str = ""
    ) -> list[AlertView]:
        """All that are active, the worst first; or those that are over, the newest end first. `limit` and `before` (an
        alert's id, to page on): of those that are over."""
        query = {"state": state, "server": server, "limit": limit, "before": before}
        return await self._call("GET", "/v1/alerts", list[AlertView], query=query)

    async def alert(self, alert_id: str) -> AlertView:
        return await self._call("GET", _of("alerts", alert_id), AlertView)

    async def acknowledge(self, alert_id: str, note: str = "") -> AlertView:
        """Tell that somebody knows. It stays active until it is gone."""
        return await self._call(
            "POST", _of("alerts", alert_id, "/acknowledge"), AlertView, body=AcknowledgeRequest(note)
        )

    # --- channels ----------------------------------------------------------------------------------------------------

    async def channels(self) -> list[ChannelView]:
        return await self._call("GET", "/v1/channels", list[ChannelView])

    async def channel(self, name: str) -> ChannelView:
        return await self._call("GET", _of("channels", name), ChannelView)

    async def put_channel(self, name: str, channel: Channel, *, new: bool = False) -> ChannelView:
        """Make it, or change the one of this name; `channel.name` may be a new name for it. `new`: only make it."""
        return await self._call("PUT", _of("channels", name), ChannelView, query=_only_new(new), body=channel)

    async def put_channel_secret(self, name: str, secret: str) -> ChannelView:
        """Its password or secret; empty: forget it."""
        return await self._call("PUT", _of("channels", name, "/secret"), ChannelView, body=SecretRequest(secret))

    async def remove_channel(self, name: str) -> None:
        await self._call("DELETE", _of("channels", name), dict[str, str])

    async def test_channel(self, name: str) -> DeliveryResult:
        """Deliver a test message now; what the other end said."""
        return await self._call("POST", _of("channels", name, "/test"), DeliveryResult)

    async def channel_messages(self, name: str, limit: int = 20) -> list[MessageView]:
        """Newest first."""
        return await self._call("GET", _of("channels", name, "/messages"), list[MessageView], query={"limit": limit})

    # --- rules -------------------------------------------------------------------------------------------------------

    async def notification_rules(self) -> list[NotificationRule]:
        return await self._call("GET", "/v1/notification-rules", list[NotificationRule])

    async def notification_rule(self, name: str) -> NotificationRule:
        return await self._call("GET", _of("notification-rules", name), NotificationRule)

    async def put_notification_rule(self, name: str, rule: NotificationRule, *, new: bool = False) -> NotificationRule:
        """As `put_channel`."""
        return await self._call(
            "PUT", _of("notification-rules", name), NotificationRule, query=_only_new(new), body=rule
        )

    async def first_notification_rules(self, channel: str) -> list[NotificationRule]:
        """Where nobody is told anything yet: make the rules of a first channel. Returns those that were made."""
        if any(rule.channels for rule in await self.notification_rules()):
            return []
        wanted = [msgspec.structs.replace(rule, channels=(channel,)) for rule in FIRST_RULES]
        return [await self.put_notification_rule(rule.name, rule) for rule in wanted]

    async def remove_notification_rule(self, name: str) -> None:
        await self._call("DELETE", _of("notification-rules", name), dict[str, str])


def _only_new(new: bool) -> dict[str, str]:
    return {"new": "true"} if new else {}


def _of(collection: str, name: str, rest: str = "") -> str:
    return f"/v1/{collection}/{quote(name, safe='')}{rest}"
