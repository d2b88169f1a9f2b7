"""The known settings, their defaults and what values they take."""

import re
from collections.abc import Callable
from enum import StrEnum
from zoneinfo import ZoneInfo

import msgspec

from phoenix_core.catalog.settings import StoredSettings
from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.states import ConflictRule
from phoenix_core.domain.views import SettingView
from phoenix_core.engine.errors import BadSetting
from phoenix_core.engine.policies.timetable import Timetable


class Edition(StrEnum):
    BUSINESS = "business"
    ENTERPRISE = "enterprise"
    ELITE = "elite"


class _Known(msgspec.Struct, frozen=True):
    key: str
    default: str
    description: str
    normalise: Callable[[str], str]
    """The value as it is kept; raises ValueError with what is wrong."""
    at_start: bool = False
    """The core looks at it only when it starts."""


UTC = ZoneInfo("UTC")
"""Made here, since the first one made reads a file."""
_UNITS = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}


def _whole(low: int, high: int) -> Callable[[str], str]:
    def normalise(text: str) -> str:
        if not re.fullmatch(r"[+-]?\d+", text) or not low <= int(text) <= high:
            raise ValueError(f"a whole number from {low} to {high} is wanted")
        return str(int(text))

    return normalise


def _seconds(low: float, high: float) -> Callable[[str], str]:
    def normalise(text: str) -> str:
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not low <= value <= high:
            raise ValueError(f"seconds from {low:g} to {high:g} are wanted")
        return f"{value:g}"

    return normalise


def _size(text: str) -> str:
    match = re.fullmatch(r"(\d+)\s*([kmgt]?)(?:i?b)?", text.strip().lower())
    if match is None:
        raise ValueError("a number of bytes is wanted, such as 1073741824 or 1G")
    return str(int(match.group(1)) * _UNITS[match.group(2)])


def _flag(text: str) -> str:
    word = text.strip().lower()
    if word in {"true", "yes", "on", "1"}:
        return "true"
    if word in {"false", "no", "off", "0"}:
        return "false"
    raise ValueError("true or false is wanted")


def _one_of(kind: type[StrEnum]) -> Callable[[str], str]:
    def normalise(text: str) -> str:
        word = text.strip().lower()
        if word not in {str(member) for member in kind}:
            raise ValueError("one of " + ", ".join(kind) + " is wanted")
        return word

    return normalise


def _text(text: str) -> str:
    return text.strip()


def _schedule(text: str) -> str:
    line = text.strip()
    if line.lower() in {"", "off"}:
        return "off"
    Timetable((line,), UTC)
    return line


KNOWN: dict[str, _Known] = {
    known.key: known
    for known in (
        _Known("agent.cancel_grace_s", "30", "Seconds that an agent has to stop a cancelled job.", _seconds(0, 3600)),
        _Known(
            "agent.grace_s",
            "60",
            "Seconds that a job waits for its agent to come back, before it is aborted.",
            _seconds(0, 86400),
        ),
        _Known(
            "alert.agent_away_s",
            "1800",
            "Seconds that an agent may be away before that is an alert; 0: it is none.",
            _seconds(0, 31_536_000),
        ),
        _Known(
            "alert.no_backup_by_hand_days",
            "14",
            "Days without a good backup, of a server on no schedule that was backed up before; 0: no alert.",
            _whole(0, 3650),
        ),
        _Known(
            "alert.no_backup_days",
            "3",
            "Days without a good backup, of a server on a schedule, before that is an alert; 0: it is none.",
            _whole(0, 3650),
        ),
        _Known(
            "alert.proof_days",
            "2",
            "Days that new snapshots may wait to be read back before that is an alert; 0: it is none.",
            _whole(0, 3650),
        ),
        _Known("backup.compression_level", "3", "zstd level of new packs.", _whole(1, 19)),
        _Known("backup.cross_mounts", "false", "Whether backups go into other file systems mounted below.", _flag),
        _Known(
            "backup.lvm_snapshot_percent",
            "15",
            "Percent of an LVM volume that is set aside for a snapshot of it; a thin volume needs none.",
            _whole(1, 100),
        ),
        _Known(
            "backup.nice",
            "10",
            "How far backups, drills, comparisons and tests of rules give way to their server's own work; 0: not.",
            _whole(0, 19),
        ),
        _Known("backup.workers", "0", "Worker processes of a backup; 0: as many as the agent sees fit.", _whole(0, 64)),
        _Known(
            "certificate.days",
            "90",
            "Days that a new certificate of an agent or storage node lasts; it is renewed before.",
            _whole(1, 825),
        ),
        _Known(
            "drill.recent_days",
            "35",
            "Days after which a proof of restore doesn't count as recent any more; 0: none is asked for.",
            _whole(0, 3650),
        ),
        _Known("edition", "elite", "The edition: which features are on.", _one_of(Edition)),
        _Known("jobs.at_once", "8", "Backups and restores that run at once; 0: as many as there are.", _whole(0, 1000)),
        _Known(
            "notification.gap_s",
            "300",
            "Seconds between two messages of a channel, at least; it grows while more and more is to be told.",
            _seconds(0, 86400),
        ),
        _Known(
            "notification.join_s",
            "60",
            "Seconds that what is to be told at once waits for more, to go into one message.",
            _seconds(0, 3600),
        ),
        _Known("prove.enabled", "true", "Whether new packs are read back, decrypted and re-hashed.", _flag),
        _Known(
            "prune.keep_stopped_days",
            "14",
            "Days that a prune on schedule leaves what stopped backups sent, for the next ones; 0: not at all.",
            _whole(0, 3650),
        ),
        _Known(
            "prune.schedule",
            "weekly on sun at 07:00",
            "When the vault is pruned, where that is worth it, in UTC; off: by hand only.",
            _schedule,
        ),
        _Known(
            "prune.unused_percent",
            "10",
            "How much of what is stored must be unused for a prune on schedule to be worth it.",
            _whole(0, 100),
        ),
        _Known("restore.conflict", "overwrite", "What a restore does where an entry exists.", _one_of(ConflictRule)),
        _Known(
            "restore.workers", "0", "Worker processes of a restore; 0: as many as the agent sees fit.", _whole(0, 64)
        ),
        _Known(
            "retention.schedule",
            "daily at 06:00",
            "When restore points that no policy keeps are removed, in UTC; off: never.",
            _schedule,
        ),
        _Known(
            "servers.undo_days",
            "7",
            "Days in which the removal of a server can be undone; 0: not at all.",
            _whole(0, 365),
        ),
        _Known(
            "snapshots.undo_days",
            "7",
            "Days in which the removal of a snapshot, by hand or by retention, can be undone; until they are over its "
            "data stays. 0: a removal is final at once.",
            _whole(0, 365),
        ),
        _Known(
            "storage.node",
            "",
            "The storage node that keeps the vault; empty: the core itself; takes effect at the core's next start.",
            _text,
            at_start=True,
        ),
        _Known("storage.reserve_bytes", "1G", "Free bytes at the vault below which `doctor` sounds the alarm.", _size),
        _Known(
            "streams.handed_per_day",
            "2000",
            "Streams that the agent of a server may hand over by itself on one day, UTC; 0: as many as it likes.",
            _whole(0, 1_000_000),
        ),
        _Known(
            "token.lifetime_s", "900", "Seconds that a job's storage token lasts; it is renewed.", _seconds(30, 86400)
        ),
        _Known(
            "vault.accept_rollback",
            "0",
            "Number of the vault's record whose loss is accepted; the core sets it to 0 again once it has done so.",
            _whole(0, 2**53),
        ),
        _Known(
            "verify.days",
            "30",
            "Within so many days each verify on schedule has every pack read and checked, some each time; 0: none.",
            _whole(0, 3650),
        ),
        _Known(
            "verify.schedule",
            "daily at 08:00",
            "When the vault's structure is verified, and packs are read in turn, in UTC; off: by hand only.",
            _schedule,
        ),
        _Known("warm_days", "90", "Days after which a snapshot counts as cold.", _whole(1, 36500)),
    )
}


class Settings:
    """The settings in force, in memory; `load` once, `put` writes through to the catalog."""

    def __init__(self, stored: StoredSettings, clock: Clock) -> None:
        self._stored = stored
        self._clock = clock
        self._values: dict[str, str] = {}
        self._on_change: list[Callable[[str], None]] = []
        self._guards: dict[str, Callable[[str], None]] = {}

    def guard(self, key: str, check: Callable[[str], None]) -> None:
        """Have `check` look at each new value of a setting; it raises a PhoenixError for one that can't be."""
        self._guards[key] = check

    def on_change(self, told: Callable[[str], None]) -> None:
        """Call `told` with the key of each setting that is put."""
        self._on_change.append(told)

    async def load(self) -> None:
        self._values = {key: value for key, value in (await self._stored.all()).items() if key in KNOWN}

    def text(self, key: str) -> str:
        known = KNOWN[key]
        return self._values.get(key, known.normalise(known.default))

    def whole(self, key: str) -> int:
        return int(self.text(key))

    def seconds(self, key: str) -> float:
        return float(self.text(key))

    def flag(self, key: str) -> bool:
        return self.text(key) == "true"

    def timetable(self, key: str) -> Timetable:
        """A schedule, in UTC; one that never comes where it is off."""
        line = self.text(key)
        return Timetable(() if line == "off" else (line,), UTC)

    def all(self) -> list[SettingView]:
        return [self.view(key) for key in sorted(KNOWN)]

    def view(self, key: str) -> SettingView:
        """Raises NotFound."""
        known = KNOWN.get(key)
        if known is None:
            raise NotFound(what="setting", name=key)
        return SettingView(
            key=key,
            value=self.text(key),
            default=known.normalise(known.default),
            description=known.description,
            at_start=known.at_start,
        )

    async def put(self, key: str, value: str, who: str) -> SettingView:
        """Raises NotFound, BadSetting, and what a guard raises."""
        known = KNOWN.get(key)
        if known is None:
            raise NotFound(what="setting", name=key)
        try:
            normal = known.normalise(value)
        except ValueError as error:
            raise BadSetting(key=key, value=value or "nothing", detail=error) from error
        if key in self._guards:
            self._guards[key](normal)
        await self._stored.put(key, normal, self._clock.now(), who)
        self._values[key] = normal
        for told in self._on_change:
            told(key)
        return self.view(key)
