"""What happens in a simulated fortnight, from a seed: which servers there are, who is away, what the clock does,
which backups fail."""

import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from phoenix_core.domain.policies import BackupPolicy, MissedRun, Retention

BERLIN, TOKYO = "Europe/Berlin", "Asia/Tokyo"
POLICIES = (
    BackupPolicy(
        "nightly", ("daily at 02:00",), BERLIN, retries=1, retry_delay_s=0, retention=Retention(daily=3, weekly=2)
    ),
    BackupPolicy("often", ("0 */6 * * *",), "UTC", retries=2, retry_delay_s=0, retention=Retention(last=4, daily=5)),
    BackupPolicy("twice a week", ("weekly on wed, sun at 23:30",), TOKYO, retention=Retention(weekly=1, monthly=1)),
    BackupPolicy("working days", ("30 20 * * 1-5",), BERLIN, ("20:00-06:00",), retention=Retention(last=2)),
    BackupPolicy("strict", ("daily at 04:15",), "UTC", missed=MissedRun.SKIP),
)
CORE = ""
"""Who is away, where it is the core itself."""


@dataclass(frozen=True)
class Away:
    who: str
    start: datetime
    end: datetime

    def holds(self, moment: datetime) -> bool:
        return self.start <= moment < self.end


@dataclass
class Fortnight:
    """Times are true ones; what the clock shows is those and the jumps before them."""

    seed: int
    start: datetime
    """A whole minute."""
    servers: int
    days: int = 14
    away: list[Away] = field(default_factory=list)
    jumps: dict[datetime, timedelta] = field(default_factory=dict)

    def __post_init__(self) -> None:
        chance = random.Random(self.seed)

        def moment() -> datetime:
            return self.start + timedelta(minutes=chance.randrange(60 * 24 * self.days))

        for name in self.names:
            for _ in range(chance.randrange(3)):
                begin = moment()
                self.away.append(Away(name, begin, begin + timedelta(minutes=chance.randrange(60, 3600))))
        for _ in range(3):
            begin = moment()
            self.away.append(Away(CORE, begin, begin + timedelta(minutes=chance.randrange(60, 1800))))
        ahead = timedelta(days=30)
        for by in (ahead, -ahead, timedelta(minutes=-20), timedelta(minutes=-20), timedelta(hours=7)):
            self.jumps[moment()] = by

    @property
    def names(self) -> list[str]:
        return [f"s{number:02}" for number in range(self.servers)]

    def policy_of(self, name: str) -> BackupPolicy:
        return POLICIES[int(name[1:]) % len(POLICIES)]

    def servers_of(self, policy: BackupPolicy) -> list[str]:
        return [name for name in self.names if self.policy_of(name) is policy]

    def is_away(self, who: str, moment: datetime) -> bool:
        return any(away.who == who and away.holds(moment) for away in self.away)

    def failures(self, name: str, moment: datetime) -> int:
        """How often in a row a backup that is due then fails."""
        chance = random.Random(f"failures of {name} at {moment - self.start}, {self.seed}")
        return chance.randrange(1, 4) if chance.randrange(6) == 0 else 0

    def minutes(self) -> list[datetime]:
        return [self.start + timedelta(minutes=minute) for minute in range(1, 60 * 24 * self.days)]
