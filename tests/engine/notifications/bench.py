"""Alerts and notifications on a real catalog, with a clock that stands: all of the engine's parts but the vault's."""

import asyncio
from pathlib import Path

import msgspec

from phoenix_core.catalog.alerts import Alerts
from phoenix_core.catalog.backup_ends import BackupEnds
from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.messages import Messages
from phoenix_core.catalog.notifications import Notifications
from phoenix_core.catalog.peers import Peers
from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.rows import CertificateRow, GroupRow, PeerRow
from phoenix_core.catalog.settings import StoredSettings
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.notifications import Channel, ChannelKind, NotificationRule, Security
from phoenix_core.engine.alerts.board import AlertBoard
from phoenix_core.engine.alerts.condition import Condition, Found
from phoenix_core.engine.events import EventBus
from phoenix_core.engine.notifications.book import NotificationBook
from phoenix_core.engine.notifications.delivery import Delivery
from phoenix_core.engine.notifications.desk import NotificationDesk
from phoenix_core.engine.notifications.digests import Digests
from phoenix_core.engine.notifications.failing import FailingChannels
from phoenix_core.engine.notifications.postman import Postman
from phoenix_core.engine.policies.attached import Attached
from phoenix_core.engine.settings import Settings
from phoenix_core.host.channelsecrets import ChannelSecrets
from phoenix_core.host.datadir import DataDirectory
from tests.engine.fake_clock import FakeClock

CORE = "backup1"


class Bench:
    """`open`, then `close`; another one on the same folder is the core after a restart."""

    def __init__(self, root: Path, clock: FakeClock) -> None:
        self.data = DataDirectory(root)
        self.clock = clock

    async def open(self) -> None:
        await asyncio.to_thread(self.data.create)
        self.catalog = await Catalog.open_file(self.data.catalog)
        self.policies = Policies(self.catalog)
        self.messages = Messages(self.catalog)
        self.alerts = Alerts(self.catalog)
        self.settings = Settings(StoredSettings(self.catalog), self.clock)
        await self.settings.load()
        attached, stored = Attached(self.policies), Notifications(self.catalog)
        secrets = ChannelSecrets(self.data, service=True)
        self.book = NotificationBook(stored, self.messages, attached)
        delivery = Delivery(secrets, self.clock)
        self.events = EventBus(self.clock)
        self.board = AlertBoard(self.alerts, self.events, self.book.notices, lambda: None, lambda row: "", self.clock)
        self.postman = Postman(self.messages, self.book, delivery, self.settings, CORE, lambda: None, self.clock)
        self.desk = NotificationDesk(
            stored,
            self.messages,
            self.policies,
            self.book,
            secrets,
            delivery,
            CORE,
            lambda: None,
            self.clock,
            asyncio.Lock(),
        )
        self.digests = Digests(
            self.book,
            self.alerts,
            self.board,
            BackupEnds(self.catalog),
            self.messages,
            attached,
            CORE,
            lambda: None,
            self.clock,
        )
        self.failing = FailingChannels(self.book, self.messages)
        await self.board.load()
        await self.book.load()

    async def close(self) -> None:
        await self.catalog.close()

    # --- set up ------------------------------------------------------------------------------------------------------

    async def mail_channel(self, port: int, name: str = "ops", **fields: object) -> None:
        channel = Channel(
            name=name,
            host="127.0.0.1",
            port=port,
            security=Security.NONE,
            sender="phoenix@example.org",
            recipients=("ops@example.org",),
        )
        await self.desk.put_channel(name, msgspec.structs.replace(channel, **fields), "root")

    async def webhook(self, url: str, name: str = "hook", **fields: object) -> None:
        channel = Channel(name=name, kind=ChannelKind.WEBHOOK, url=url)
        await self.desk.put_channel(name, msgspec.structs.replace(channel, **fields), "root")

    async def rule(self, name: str = "urgent", **fields: object) -> None:
        await self.desk.put_rule(
            name, msgspec.structs.replace(NotificationRule(name=name, channels=("ops",)), **fields), "root"
        )

    async def group(self, name: str, *server_ids: str) -> None:
        peers = Peers(self.catalog)
        now = self.clock.now()
        for server_id in server_ids:
            row = PeerRow(server_id, "agent", server_id, server_id, "Linux", "1", now)
            await peers.add(row, CertificateRow(f"c{server_id}", server_id, b"", now, now))
        await self.policies.put_group(GroupRow(f"g-{name}", name, None, now, (), server_ids))

    # --- what happens ------------------------------------------------------------------------------------------------

    async def holds(self, *conditions: Condition, of: tuple[AlertKind, ...] = tuple(AlertKind)) -> None:
        """These conditions hold, and no other of these kinds."""
        await self.board.apply(Found(set(of), list(conditions)), self.clock.now())

    async def deliver(self, after_s: float = 61.0) -> None:
        """Let so much time pass, and have delivered what is due then."""
        self.clock.move(after_s)
        await self.postman.turn()
        await self.postman.idle()


def failed(name: str = "web1", text: str = "", severity: Severity = Severity.ERROR) -> Condition:
    return Condition(
        kind=AlertKind.BACKUP_FAILED,
        subject_id=name,
        subject=name,
        severity=severity,
        text=text or f"The last backup of {name} failed: the disk is full.",
        hint="Free space there. `phoenix job show j1` says more.",
        server_id=name,
        job_id="j1",
    )
