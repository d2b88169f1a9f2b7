"""Makes the parts of a core that alerts and notifications are made of; the other parts they get from `parts`."""

import asyncio
from collections.abc import Callable

from phoenix_core.catalog.alerts import Alerts
from phoenix_core.catalog.backup_ends import BackupEnds
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.drills import Drills
from phoenix_core.catalog.handed_dumps import HandedDumps
from phoenix_core.catalog.jobs import Jobs
from phoenix_core.catalog.messages import Messages
from phoenix_core.catalog.notifications import Notifications
from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.clock import Clock
from phoenix_core.engine.alerts.agents import AgentSource
from phoenix_core.engine.alerts.backups import BackupSource
from phoenix_core.engine.alerts.board import AlertBoard
from phoenix_core.engine.alerts.desk import AlertDesk
from phoenix_core.engine.alerts.drills import DrillSource
from phoenix_core.engine.alerts.handed import HandedSource
from phoenix_core.engine.alerts.holding import Holding
from phoenix_core.engine.alerts.machine import MachineSource
from phoenix_core.engine.alerts.overdue import Overdue
from phoenix_core.engine.alerts.subjects import Subjects
from phoenix_core.engine.alerts.upkeep import UpkeepSource
from phoenix_core.engine.alerts.vault import VaultSource
from phoenix_core.engine.alerts.watch import AlertWatch
from phoenix_core.engine.events import EventBus
from phoenix_core.engine.lost_snapshots import LostSnapshots
from phoenix_core.engine.notifications.book import NotificationBook
from phoenix_core.engine.notifications.delivery import Delivery
from phoenix_core.engine.notifications.desk import NotificationDesk
from phoenix_core.engine.notifications.digests import Digests
from phoenix_core.engine.notifications.failing import FailingChannels
from phoenix_core.engine.notifications.postman import Postman
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.seen_time import SeenTime
from phoenix_core.engine.settings import Settings
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.vault_view import Views
from phoenix_core.host.channelsecrets import ChannelSecrets
from phoenix_core.host.datadir import DataDirectory

LAST_TRY_S = 5.0
"""A core inside of a console or command gives what waits so long when it ends."""


class AlertParts:
    def __init__(
        self,
        catalog: Catalog,
        data: DataDirectory,
        events: EventBus,
        directory: PeerDirectory,
        attached: Attached,
        policies: Policies,
        jobs: Jobs,
        snapshots: Snapshots,
        lost: LostSnapshots,
        seat: VaultSeat,
        views: Views,
        settings: Settings,
        facts: Facts,
        seen: SeenTime,
        core: str,
        turn: asyncio.Lock,
        rules_changed: Callable[[], None],
        clock: Clock,
        *,
        embedded: bool,
    ) -> None:
        """`core`: its host name. `turn`: held by who changes policies, groups or notifications. `rules_changed`: the
        scheduler is to look anew. `embedded`: the core ends with the console or command that it is in."""
        self._embedded = embedded
        self._rules_changed = rules_changed
        stored, messages, ends = Alerts(catalog), Messages(catalog), BackupEnds(catalog)
        notifications = Notifications(catalog)
        secrets = ChannelSecrets(data, service=not embedded)
        self._messages = messages
        self._book = NotificationBook(notifications, messages, attached)
        delivery = Delivery(secrets, clock)
        subjects = Subjects(directory, self._book.has)
        self.board = AlertBoard(stored, events, self._book.notices, self._told, subjects.why_gone, clock)
        self.desk = AlertDesk(stored, self.board)
        self.postman = Postman(messages, self._book, delivery, settings, core, self._delivered, clock)
        self._vault = VaultSource(seat, views, snapshots, lost, settings, Holding(self.board.is_active, clock), clock)
        sources = (
            BackupSource(ends, directory, attached, Overdue(settings, facts), seen),
            HandedSource(HandedDumps(catalog), directory, settings),
            AgentSource(directory, settings, self.board.is_active, clock.now(), embedded),
            self._vault,
            UpkeepSource(jobs),
            DrillSource(Drills(catalog), ends, directory, attached, settings),
            MachineSource(data.root, facts, clock),
            FailingChannels(self._book, messages),
        )
        self.watch = AlertWatch(sources, self.board, stored, events, clock)
        settings.on_change(self._setting_changed)
        self.digests = Digests(self._book, stored, self.board, ends, messages, attached, core, self.postman.poke, clock)
        self.notification_desk = NotificationDesk(
            notifications, messages, policies, self._book, secrets, delivery, core, self._channels_changed, clock, turn
        )

    async def load(self) -> None:
        await self.board.load()
        await self._book.load()

    async def close(self) -> None:
        """After the tasks have ended. A core that may not run again for long tells what there is to tell."""
        if self._embedded and self._book.rules:
            await self.watch.look()
            await self.postman.flush(LAST_TRY_S)
        await self._vault.close()

    def _told(self) -> None:
        self.postman.poke()

    def _delivered(self) -> None:
        self.watch.poke()

    def _channels_changed(self) -> None:
        self.postman.poke()
        self.watch.poke()
        self._rules_changed()

    def _setting_changed(self, key: str) -> None:
        if key.startswith(("alert.", "drill.", "prove.", "storage.", "streams.")):
            self.watch.poke()
        elif key.startswith("notification."):
            self.postman.poke()
