"""Makes messages of what is to be told at once, and delivers all messages: each channel on its own, one message at a
time, again and again until it is taken. Nothing waits for it.

A message is delivered at least once: a core that is killed between the other end's answer and the note of it sends it
again, with the same id. A catalog that can't take the note makes nothing be sent again: it is held until it can.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import msgspec
import structlog

from phoenix_core.catalog.alert_rows import ChannelRow, MessageRow
from phoenix_core.catalog.errors import CatalogFull
from phoenix_core.catalog.messages import Messages
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import new_id
from phoenix_core.domain.notifications import MessageState
from phoenix_core.engine.alerts.board import view_of
from phoenix_core.engine.notifications.book import NotificationBook
from phoenix_core.engine.notifications.content import AT_ONCE, Content, Told, worst_first
from phoenix_core.engine.notifications.delivery import Delivery
from phoenix_core.engine.notifications.joining import LOOKED_BACK, due_at
from phoenix_core.engine.notifications.outcomes import Outcomes
from phoenix_core.engine.settings import Settings

LOOK_S = 30.0
AGAIN_S = 60.0
AGAIN_MAX_S = 3600.0
GIVEN_UP_AFTER = timedelta(days=3)
ATTEMPTS_MIN = 12
"""A clock that was set on is no reason to give up."""
KEPT = timedelta(days=30)
FORGET_EVERY_S = 86_400.0

log = structlog.get_logger(__name__)


class Postman:
    """Used from the event loop only."""

    def __init__(
        self,
        messages: Messages,
        book: NotificationBook,
        delivery: Delivery,
        settings: Settings,
        core: str,
        changed: Callable[[], None],
        clock: Clock,
    ) -> None:
        """`core`: its host name. `changed` is called when a delivery ended, well or not."""
        self._messages = messages
        self._outcomes = Outcomes(messages)
        self._book = book
        self._delivery = delivery
        self._settings = settings
        self._core = core
        self._changed = changed
        self._clock = clock
        self._wake = asyncio.Event()
        self._under_way: dict[str, asyncio.Task[None]] = {}
        """By channel."""
        self._noting: set[str] = set()
        """Channels whose delivery is over but for the note of it."""
        self._forgot_s: float | None = None

    def poke(self) -> None:
        """There is something to tell, or a channel was changed."""
        self._wake.set()

    async def run(self) -> None:
        try:
            while True:
                self._wake.clear()
                pause_s = LOOK_S
                try:
                    due = await self.turn()
                    if due is not None:
                        pause_s = min(max(0.0, (due - self._clock.now()).total_seconds()), LOOK_S)
                except Exception:  # what is under way goes on
                    log.exception("what is to be told could not be looked at")
                try:
                    async with asyncio.timeout(pause_s):
                        await self._wake.wait()
                except TimeoutError:
                    continue
        finally:
            await self._end()

    async def turn(self) -> datetime | None:
        """Make the messages that are due, and begin to deliver; returns when there will be more to do."""
        now = self._clock.now()
        coming: list[datetime] = []
        try:
            await self._outcomes.write()
            await self._forget(now)
            due = await self._make(now)
            coming += [due] if due is not None else []
        except CatalogFull as error:
            log.warning("what is to be told waits for space in the catalog", error=error.message)
        for channel, message in await self._free():
            if channel.id in self._under_way:
                continue
            if message.next_try_at <= now or message.next_try_at - now > timedelta(seconds=AGAIN_MAX_S):
                self._begin(channel, message)
            else:
                coming.append(message.next_try_at)
        return min(coming, default=None)

    async def flush(self, within_s: float) -> None:
        """Try once, now, whatever waits: the core ends, and may not begin again for long."""
        try:
            async with asyncio.timeout(within_s):
                now = self._clock.now()
                for channel_id in await self._messages.pending():
                    await self._join(channel_id, now)
                for channel, message in await self._free():
                    if channel.id not in self._under_way and not message.attempts:
                        self._begin(channel, message)
                await self.idle()
        except (TimeoutError, CatalogFull):
            log.info("messages wait for the core's next start")
        finally:
            await self._end()

    async def idle(self) -> None:
        """Wait until no delivery is under way."""
        await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    # --- making ------------------------------------------------------------------------------------------------------

    async def _make(self, now: datetime) -> datetime | None:
        """While a message of a channel waits, no other joins it: what comes meanwhile goes into the next."""
        held_up = {message.channel_id for message in await self._waiting() if not message.rule_id}
        coming: list[datetime] = []
        for channel_id, (_, oldest) in (await self._messages.pending()).items():
            if channel_id in held_up:
                continue
            earlier = await self._messages.at_once_since(channel_id, now - LOOKED_BACK)
            join_s, gap_s = (self._settings.seconds(f"notification.{each}") for each in ("join_s", "gap_s"))
            due = due_at(oldest, earlier, now, join_s, gap_s)
            if due > now:
                coming.append(due)
            else:
                await self._join(channel_id, now)
        return min(coming, default=None)

    async def _join(self, channel_id: str, now: datetime) -> None:
        """Put all that waits for a channel into one message. Of an alert the newest change counts."""
        pending = await self._messages.pending_of(channel_id)
        newest = {notice.alert_id: Told(notice.change, view_of(alert)) for notice, alert in pending}
        if not newest:
            return
        content = Content(
            id=new_id("m", 16),
            kind=AT_ONCE,
            at=now,
            core=self._core,
            alerts=tuple(sorted(newest.values(), key=worst_first)),
        )
        message = MessageRow(
            id=content.id,
            channel_id=channel_id,
            rule_id="",
            body=msgspec.json.encode(content).decode(),
            state=MessageState.WAITING,
            created_at=now,
            next_try_at=now,
        )
        await self._messages.add(message, [notice.id for notice, _ in pending])

    async def _forget(self, now: datetime) -> None:
        at_s = self._clock.monotonic_s()
        if self._forgot_s is None or at_s - self._forgot_s >= FORGET_EVERY_S:
            self._forgot_s = at_s
            await self._messages.forget(now - KEPT)

    # --- delivering --------------------------------------------------------------------------------------------------

    async def _waiting(self) -> list[MessageRow]:
        """Oldest first, each as it is known here, where the catalog is behind."""
        known = [self._outcomes.known(message) for message in await self._messages.waiting()]
        return [message for message in known if message.state is MessageState.WAITING]

    async def _free(self) -> list[tuple[ChannelRow, MessageRow]]:
        """What waits at channels that deliver nothing, oldest first. One whose delivery ends while the catalog is read
        is left out: what was read of it may be from before, and the message would go out twice."""
        busy = set(self._under_way)
        waiting = [(self._book.channels.get(message.channel_id), message) for message in await self._waiting()]
        return [(channel, message) for channel, message in waiting if channel is not None and channel.id not in busy]

    def _begin(self, channel: ChannelRow, message: MessageRow) -> None:
        task = asyncio.create_task(self._deliver(channel, message), name=f"deliver {message.id} by {channel.name}")
        self._under_way[channel.id] = task
        task.add_done_callback(lambda done: self._ended(channel.id, done))

    def _ended(self, channel_id: str, task: asyncio.Task[None]) -> None:
        if self._under_way.get(channel_id) is task:
            del self._under_way[channel_id]
        if not task.cancelled() and task.exception() is not None:
            log.error("a delivery failed unexpectedly", error=repr(task.exception()))
        self.poke()

    async def _deliver(self, channel: ChannelRow, message: MessageRow) -> None:
        outcome = await self._tried(channel, message)
        self._noting.add(channel.id)
        try:
            await self._outcomes.keep(message.id, outcome)
        except Exception as error:  # the catalog's; it is held, and each turn tries to write it
            log.warning("what became of a message can't be kept yet", message=message.id, error=repr(error))
        finally:
            self._noting.discard(channel.id)
        self._changed()

    async def _tried(self, channel: ChannelRow, message: MessageRow) -> dict[str, object]:
        """Try once; what became of it, as values of the message. No error but the task's end leaves this."""
        attempts = message.attempts + 1
        try:
            delivered = await self._delivery.send(channel, msgspec.json.decode(message.body, type=Content))
        except PhoenixError as error:
            log.warning("a message was not delivered", message=message.id, channel=channel.name, error=error.message)
            return self._failed(message, attempts, error.message)
        except Exception as error:  # such as a body that another release wrote
            log.exception("a message can't be delivered", message=message.id, channel=channel.name)
            problem = f"An error of Phoenix itself came in between ({type(error).__name__}); the core's log says more."
            return self._failed(message, attempts, problem)
        log.info("message delivered", message=message.id, channel=channel.name, answer=delivered.answer)
        return {
            "state": MessageState.DELIVERED,
            "attempts": attempts,
            "ended_at": self._clock.now(),
            "answer": delivered.answer,
            "problem": f"Not taken for {delivered.refused}" if delivered.refused else "",
        }

    def _failed(self, message: MessageRow, attempts: int, problem: str) -> dict[str, object]:
        now = self._clock.now()
        values: dict[str, object] = {"attempts": attempts, "problem": problem}
        if attempts >= ATTEMPTS_MIN and now - message.created_at > GIVEN_UP_AFTER:
            return values | {"state": MessageState.GIVEN_UP, "ended_at": now}
        again_s = min(AGAIN_S * 2.0 ** min(attempts - 1, 10), AGAIN_MAX_S)
        return values | {"next_try_at": now + timedelta(seconds=again_s)}

    async def _end(self) -> None:
        """What is under way goes on at the next start."""
        tasks = dict(self._under_way)
        for channel_id, task in tasks.items():
            if channel_id not in self._noting:
                task.cancel()
        await asyncio.gather(*tasks.values(), return_exceptions=True)
        try:
            await self._outcomes.write()
        except CatalogFull as error:
            log.warning("what became of some messages is not kept; they may go out again", error=error.message)
