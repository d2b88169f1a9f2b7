"""Sends one message by the channel that it is for."""

import asyncio
import traceback

import structlog

from phoenix_core.catalog.alert_rows import ChannelRow
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.notifications import ChannelKind
from phoenix_core.engine.notifications.blotting import blotted
from phoenix_core.engine.notifications.content import Content
from phoenix_core.engine.notifications.errors import ChannelSecretMissing, NotDelivered
from phoenix_core.engine.notifications.mail import Delivered, send_mail
from phoenix_core.engine.notifications.trouble import place_of
from phoenix_core.engine.notifications.webhook import post
from phoenix_core.host.channelsecrets import ChannelSecrets
from phoenix_core.host.errors import SecretUnavailable

log = structlog.get_logger(__name__)


class Delivery:
    def __init__(self, secrets: ChannelSecrets, clock: Clock) -> None:
        self._secrets = secrets
        self._clock = clock

    async def send(self, channel: ChannelRow, content: Content) -> Delivered:
        """Within a minute and some seconds. Raises NotDelivered, ChannelSecretMissing, and nothing else: what nobody
        thought of is NotDelivered too, and its cause is in the log."""
        secret = ""
        try:
            secret = await self._secret(channel)
            if channel.body.kind is ChannelKind.MAIL:
                return await send_mail(channel.body, secret, content)
            return await post(channel.body, secret, content, self._clock.now())
        except PhoenixError:
            raise
        except Exception as error:
            raise _unforeseen(channel, secret, content, error) from None

    async def _secret(self, channel: ChannelRow) -> str:
        if channel.secret_held_by:
            try:
                return await asyncio.to_thread(self._secrets.get, channel.id, channel.secret_held_by)
            except SecretUnavailable as error:
                detail = str(error.fields["detail"])
                raise ChannelSecretMissing(channel=channel.name, detail=detail) from error
        if channel.body.needs_secret:
            raise ChannelSecretMissing(channel=channel.name, detail="none was given")
        return ""


def _unforeseen(channel: ChannelRow, secret: str, content: Content, error: Exception) -> NotDelivered:
    cause = blotted("".join(traceback.format_exception(error)), secret, channel.body.user)
    log.error("a delivery failed unexpectedly", channel=channel.name, message=content.id, cause=cause)
    return NotDelivered(
        place=place_of(channel.body),
        detail=f"an error of Phoenix itself came in between ({type(error).__name__})",
        advice="The core's log says more; `phoenix doctor` names it.",
    )
