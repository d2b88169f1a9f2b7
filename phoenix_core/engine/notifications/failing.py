"""Channels whose messages don't get through: an alert of its own, told by the other channels and in the console."""

from datetime import datetime

from phoenix_core.catalog.alert_rows import ChannelRow, MessageRow
from phoenix_core.catalog.messages import Messages
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.notifications import MessageState
from phoenix_core.domain.views import Event
from phoenix_core.engine.alerts.condition import Condition, Found
from phoenix_core.engine.alerts.words import moment
from phoenix_core.engine.notifications.book import NotificationBook

ATTEMPTS = 5
"""So often it may fail before it is an alert: a quarter of an hour, in which mail servers let greylisted ones wait."""


class FailingChannels:
    """A source of alerts."""

    def __init__(self, book: NotificationBook, messages: Messages) -> None:
        self._book = book
        self._messages = messages

    def heed(self, event: Event) -> bool:
        return False

    def forget(self) -> None:
        """Nothing is noted."""

    async def look(self, now: datetime) -> Found:
        waiting: dict[str, MessageRow] = {}
        for message in await self._messages.waiting():
            waiting.setdefault(message.channel_id, message)
        ended = await self._messages.newest_ended()
        found = Found({AlertKind.NOTIFICATION_FAILING}, [], {})
        for channel in self._book.channels.values():
            taken = ended.get((channel.id, MessageState.DELIVERED))
            given_up = ended.get((channel.id, MessageState.GIVEN_UP))
            why = _stuck(waiting.get(channel.id)) or _lost(given_up, taken) or _refused(taken)
            if why:
                found.conditions.append(_condition(channel, why))
            else:
                found.over[AlertKind.NOTIFICATION_FAILING, channel.id] = _why_over(taken)
        return found


def _why_over(taken: MessageRow | None) -> str:
    """Also where nothing was delivered since: what was given up or refused is forgotten after a month."""
    newest = f"the newest was delivered {moment(taken.ended_at)}: {taken.answer}" if taken else "none was delivered"
    return f"No message of it is stuck; {newest}."


def _stuck(message: MessageRow | None) -> str:
    if message is None or message.attempts < ATTEMPTS:
        return ""
    return f"Nothing was delivered since {moment(message.created_at)}. {message.problem}"


def _lost(given_up: MessageRow | None, taken: MessageRow | None) -> str:
    """One that a newer digest replaced was never tried to the end, and isn't lost."""
    if given_up is None or given_up.ended_at is None or not given_up.problem:
        return ""
    if taken is not None and taken.ended_at is not None and taken.ended_at >= given_up.ended_at:
        return ""
    return f"A message of {moment(given_up.created_at)} was given up. {given_up.problem}"


def _refused(taken: MessageRow | None) -> str:
    return f"The message of {moment(taken.created_at)}: {taken.problem}" if taken is not None and taken.problem else ""


def _condition(channel: ChannelRow, why: str) -> Condition:
    return Condition(
        kind=AlertKind.NOTIFICATION_FAILING,
        subject_id=channel.id,
        subject=channel.name,
        severity=Severity.ERROR,
        text=why,
        hint=f"`phoenix notification test {channel.name}` shows what the other end says.",
    )
