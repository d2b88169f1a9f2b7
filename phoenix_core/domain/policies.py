"""The administrative model: server groups, and the backup policies and content rules that are attached to them."""

import re
from datetime import datetime
from enum import StrEnum

import msgspec

from phoenix_core.domain.drills import DEFAULT_MAX_BYTES, DEFAULT_SAMPLE
from phoenix_core.domain.notifications import Channel, NotificationRule
from phoenix_core.domain.sourcesnapshot import SourceSnapshot

SCRIPT_NAME = re.compile(r"\w[\w.-]{0,99}")
"""A plain file name: what may name a script."""


DISK_IMAGES = ("*.img", "*.raw", "*-flat.vmdk", "*.vhd")
"""Files that are disk images where a rule doesn't say otherwise."""


WINDOW_ENDS = "the end of the backup window of policy "
"""How a job's `cancelled_by` begins where that is what stopped it."""


class MissedRun(StrEnum):
    """What becomes of a run whose time passed while the core was not running."""

    RUN = "run"
    """It is made up for once the core is there, once for all that were missed."""
    SKIP = "skip"


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How many restore points of a server stay. The newest of each day, week (from Monday), month and year counts, in
    the policy's time zone. With all zero every restore point stays."""

    last: int = 0
    """Of dumps that an agent hands over by itself: all of so many days."""
    daily: int = 0
    weekly: int = 0
    monthly: int = 0
    yearly: int = 0

    @property
    def keeps_all(self) -> bool:
        return not any((self.last, self.daily, self.weekly, self.monthly, self.yearly))


class BackupPolicy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When the servers of a group are backed up, and which of their restore points stay."""

    name: str
    schedule: tuple[str, ...] = ()
    """Cron expressions of five fields, or such words as `daily at 02:00`; empty: by hand only."""
    time_zone: str = "UTC"
    """An IANA name; schedule and retention go by its wall clock."""
    window: tuple[str, ...] = ()
    """Hours of the week such as `mon-fri 20:00-06:00`, by the same clock: scheduled backups begin and run in them only;
    what still runs at their end is stopped. Empty: always."""
    bandwidth: tuple[str, ...] = ()
    """Limits such as `mon-fri 08:00-18:00 10M` (bytes a second) on what a backup sends over a network; of those that
    hold the first counts. Empty: no limit."""
    missed: MissedRun = MissedRun.RUN
    retries: int = 0
    """How often a scheduled backup that failed or was aborted is tried again."""
    retry_delay_s: int = 600
    pre_script: str = ""
    """Name of a script in the agent's folder of scripts, run before each backup of a server; empty: none."""
    post_script: str = ""
    """The same, after it, however it ended."""
    script_timeout_s: int = 3600
    pre_script_needed: bool = True
    """Where the pre-script is missing or fails the backup is skipped; else it goes on, and ends with errors."""
    reread_every: int = 0
    """Each so-many-th backup of a server reads all files again, whatever their metadata says; 0: none does."""
    source_snapshot: SourceSnapshot = SourceSnapshot.OFF
    """Linux servers only; Windows servers are always backed up from shadow copies where there can be some."""
    retention: Retention = Retention()
    drill: tuple[str, ...] = ()
    """When a restore of each server is tried out, as `schedule`: its newest restore point goes to a scratch place, and
    is checked there. Empty: by hand only."""
    drill_sample: str = DEFAULT_SAMPLE
    """How much of it: `100` files, as many as `2G` hold, or `all`."""
    drill_max_bytes: int = DEFAULT_MAX_BYTES
    """Of a sample of files at most; 0: no limit."""
    drill_on: str = ""
    """Name of the server whose agent restores; empty: each its own."""


class ContentRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which folders are backed up, and what is left out of them.

    Several rules together take what any one of them takes of what it names; only `excludes` of each hold for all. Of
    the fields, `includes` to `older_than_s` say of files only: folders, links and devices are taken in any case."""

    name: str
    paths: tuple[str, ...] = ()
    """Absolute, in shown form."""
    excludes: tuple[str, ...] = ()
    """Patterns as in a .gitignore file at `/`, of files and folders that no rule takes."""
    cross_mounts: bool = False
    """Whether other file systems mounted below are entered."""
    includes: tuple[str, ...] = ()
    """Patterns of the same form: only files that they mean, or that lie in a folder that they mean. Empty: all."""
    only_extensions: tuple[str, ...] = ()
    """Such as `jpg` or `tar.gz`: only files whose name ends so, in letters of either case. Empty: all."""
    not_extensions: tuple[str, ...] = ()
    """Files whose name ends so are left out."""
    smallest_bytes: int = 0
    """Smaller files are left out."""
    largest_bytes: int = 0
    """Larger files are left out; 0: none."""
    changed_within_s: int = 0
    """Files whose content changed longer ago, by the server's clock, are left out; 0: none."""
    older_than_s: int = 0
    """Files whose content changed less long ago are left out; 0: none."""
    skip_caches: bool = True
    """Of a folder with a valid CACHEDIR.TAG only that file is taken, unless `paths` names the folder itself."""
    disk_images: tuple[str, ...] = DISK_IMAGES
    """Patterns of files that are cut at fixed offsets, as is best for disk images."""
    streams: tuple[str, ...] = ()
    """Such as `orders=dump-orders`: a backup each, beside that of files, of what the agent's script prints."""


class ServerGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Servers that are backed up alike. A server is in one group at most."""

    name: str
    policy: str = ""
    """Name of its backup policy; empty: none."""
    rules: tuple[str, ...] = ()
    """Names of its content rules; a backup covers what any of them takes."""
    servers: tuple[str, ...] = ()
    """Names of its servers."""


class RetentionVerdict(msgspec.Struct, frozen=True):
    """What a policy's retention says of one restore point."""

    snapshot_id: str
    server_name: str
    paths: tuple[str, ...]
    recorded_at: datetime
    reasons: tuple[str, ...] = ()
    """Why it stays, such as `last 3`, `last 3 (by day)` or `weekly 2`; empty: the next run of retention removes it."""
    handed: bool = False
    """A dump that the server's agent handed over by itself: it is counted apart, and for `last` by days."""


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All policies, rules, groups and notifications: what `config export` writes and `config apply` takes. No secrets
    are in it."""

    policies: tuple[BackupPolicy, ...] = ()
    rules: tuple[ContentRule, ...] = ()
    groups: tuple[ServerGroup, ...] = ()
    channels: tuple[Channel, ...] = ()
    notifications: tuple[NotificationRule, ...] = ()

    def rules_of(self, server: str) -> tuple[ContentRule, ...]:
        """What a backup of the server of this name takes by itself: its group's rules with folders, in the group's
        order. Empty: it goes by the last backup."""
        named = next((group.rules for group in self.groups if server in group.servers), ())
        rules = {rule.name: rule for rule in self.rules}
        return tuple(rules[name] for name in named if rules[name].paths)


class ConfigChange(msgspec.Struct, frozen=True):
    """One thing that differs between what is in force and what is wanted."""

    what: str
    """`policy`, `rule`, `group`, `channel` or `notification`."""
    name: str
    change: str
    """`added`, `changed` or `removed`."""
    fields: tuple[tuple[str, str, str], ...] = ()
    """Of a changed one: field, value in force, value wanted, as JSON."""
