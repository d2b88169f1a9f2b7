"""What must come of a fortnight, told minute by minute from what the policies say; shares no code with the product."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from phoenix_core.domain.policies import BackupPolicy, MissedRun
from tests.simulation.plan import BERLIN, CORE, POLICIES, TOKYO, Fortnight

LATE = timedelta(minutes=5)
LONG_BACK = timedelta(hours=1)


def _wall(zone: str, says: Callable[[datetime], bool]) -> Callable[[datetime], bool]:
    """What comes twice on the wall, since the clock is set back in autumn, is due the first time; what the clock leaps
    over in spring is due right after the leap."""

    def is_due(moment: datetime) -> bool:
        wall = moment.astimezone(ZoneInfo(zone))
        minute_before = (moment - timedelta(minutes=1)).astimezone(ZoneInfo(zone)).replace(tzinfo=None)
        leapt = wall.replace(tzinfo=None) - minute_before - timedelta(minutes=1)
        skipped = (wall - timedelta(minutes=minute) for minute in range(1, 1 + int(leapt.total_seconds()) // 60))
        return not wall.fold and (says(wall) or any(map(says, skipped)))

    return is_due


DUE: dict[str, Callable[[datetime], bool]] = {
    "nightly": _wall(BERLIN, lambda wall: (wall.hour, wall.minute) == (2, 0)),
    "often": _wall("UTC", lambda wall: wall.hour % 6 == 0 and wall.minute == 0),
    "twice a week": _wall(TOKYO, lambda wall: wall.weekday() in {2, 6} and (wall.hour, wall.minute) == (23, 30)),
    "working days": _wall(BERLIN, lambda wall: wall.weekday() < 5 and (wall.hour, wall.minute) == (20, 30)),
    "strict": _wall("UTC", lambda wall: (wall.hour, wall.minute) == (4, 15)),
}
is_retention_due = _wall("UTC", lambda wall: (wall.hour, wall.minute) == (6, 30))


@dataclass
class Model:
    fortnight: Fortnight
    kept: dict[str, list[datetime]] = field(default_factory=dict)
    """By server, the clock's times of the restore points that are there, in the order in which they were made."""
    skipped: int = 0
    left_out: int = 0
    """Of those skipped: missed, and by their policy not made up for."""
    failed: int = 0
    """Attempts."""
    _dealt_with: dict[str, datetime] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.kept = {name: [] for name in self.fortnight.names}
        self._dealt_with = dict.fromkeys(DUE, self.fortnight.start)

    def interesting(self, clock: datetime) -> bool:
        return is_retention_due(clock) or any(due(clock) for due in DUE.values())

    def turn(self, moment: datetime, clock: datetime, failing: Mapping[str, int]) -> None:
        """The core looks at the clock; the true time is `moment`. `failing`: how often in a row a server's backup would
        fail now."""
        if self.fortnight.is_away(CORE, moment):
            return
        for policy in POLICIES:
            due = self._due(policy.name, clock)
            if due is not None:
                self._run(policy, moment, clock, failing, missed=clock - due > LATE)

    def apply_retention(self) -> None:
        for name, points in self.kept.items():
            self.kept[name] = _keep(self.fortnight.policy_of(name), points)

    def _due(self, what: str, clock: datetime) -> datetime | None:
        """The newest time that is due and not dealt with, which it is from now on."""
        since = self._dealt_with[what]
        if since > clock:
            if since - clock > LONG_BACK:
                self._dealt_with[what] = clock
            return None
        minute = clock
        while minute > since:
            if DUE[what](minute):
                self._dealt_with[what] = minute
                return minute
            minute -= timedelta(minutes=1)
        return None

    def _run(
        self, policy: BackupPolicy, moment: datetime, clock: datetime, failing: Mapping[str, int], *, missed: bool
    ) -> None:
        if missed and policy.missed is MissedRun.SKIP:
            left_out = len(self.fortnight.servers_of(policy))
            self.skipped += left_out
            self.left_out += left_out
            return
        wall = clock.astimezone(ZoneInfo(policy.time_zone))
        closed = policy.name == "working days" and 6 <= wall.hour < 20
        for name in self.fortnight.servers_of(policy):
            if closed or self.fortnight.is_away(name, moment):
                self.skipped += 1
                continue
            attempts = 1 + policy.retries
            self.failed += min(failing.get(name, 0), attempts)
            if failing.get(name, 0) < attempts:
                self.kept[name].append(clock)


def _keep(policy: BackupPolicy, points: list[datetime]) -> list[datetime]:
    rule, zone = policy.retention, ZoneInfo(policy.time_zone)
    if rule.keeps_all or not points:
        return points
    newest_first = list(reversed(points))
    stay = {0, *range(min(rule.last, len(points)))}
    for count, form in (
        (rule.daily, "%Y-%m-%d"),
        (rule.weekly, "%G-%V"),
        (rule.monthly, "%Y-%m"),
        (rule.yearly, "%Y"),
    ):
        seen: list[str] = []
        for at, point in enumerate(newest_first):
            period = point.astimezone(zone).strftime(form)
            if period not in seen and len(seen) < count:
                stay.add(at)
            if period not in seen:
                seen.append(period)
    return [point for at, point in reversed(list(enumerate(newest_first))) if at in stay]


def whole_minute(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(second=0, microsecond=0)
