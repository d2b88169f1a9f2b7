"""What the commands on backup policies do."""

from datetime import datetime
from zoneinfo import ZoneInfo

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.backupwork import source_snapshot_of
from phoenix_core.cli.confirm import confirm
from phoenix_core.cli.drillwork import bytes_of
from phoenix_core.cli.jobwork import run_job
from phoenix_core.cli.known import known_or
from phoenix_core.cli.output import print_facts, print_json, print_table, say, seconds, size, when
from phoenix_core.domain.amounts import amount
from phoenix_core.domain.drills import ALL
from phoenix_core.domain.errors import UsageError
from phoenix_core.domain.ids import SHORT_ID_DIGITS
from phoenix_core.domain.policies import BackupPolicy, MissedRun, Retention
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_core.host.datadir import DataDirectory

NONE = "none"
_SOURCES = {
    SourceSnapshot.OFF: "live files",
    SourceSnapshot.IF_AVAILABLE: "snapshots of file systems where there can be some, else live files",
    SourceSnapshot.REQUIRED: "snapshots of file systems; no backup without them",
}


class PolicyChanges(msgspec.Struct, frozen=True):
    """What a command names; None: left as it is."""

    schedule: list[str] | None
    time_zone: str | None
    window: list[str] | None
    bandwidth: list[str] | None
    pre_script: str | None
    post_script: str | None
    script_timeout_s: int | None
    pre_script_needed: bool | None
    source_snapshot: str | None
    missed: str | None
    retries: int | None
    retry_delay_s: int | None
    reread_every: int | None
    keep: dict[str, int | None]
    """By field of `Retention`."""
    name: str | None
    drill: list[str] | None
    drill_sample: str | None
    drill_max_bytes: str | None
    drill_on: str | None

    def of(self, policy: BackupPolicy) -> BackupPolicy:
        """The policy, changed. Raises UsageError."""
        kept = {field: count for field, count in self.keep.items() if count is not None}
        changes: dict[str, object] = {
            "time_zone": self.time_zone,
            "retries": self.retries,
            "retry_delay_s": self.retry_delay_s,
            "reread_every": self.reread_every,
            "name": self.name,
            "schedule": _lines(self.schedule),
            "window": _lines(self.window),
            "bandwidth": _lines(self.bandwidth),
            "pre_script": _name(self.pre_script),
            "post_script": _name(self.post_script),
            "script_timeout_s": self.script_timeout_s,
            "pre_script_needed": self.pre_script_needed,
            "source_snapshot": source_snapshot_of(self.source_snapshot),
            "missed": None if self.missed is None else _missed(self.missed),
            "drill": _lines(self.drill),
            "drill_sample": self.drill_sample,
            "drill_max_bytes": bytes_of("--drill-max-bytes", self.drill_max_bytes) if self.drill_max_bytes else None,
            "drill_on": _name(self.drill_on),
            "retention": msgspec.structs.replace(policy.retention, **kept) if kept else None,
        }
        return msgspec.structs.replace(policy, **{name: value for name, value in changes.items() if value is not None})


def _lines(given: list[str] | None) -> tuple[str, ...] | None:
    return None if given is None else tuple(line for line in given if line != NONE)


def _name(name: str | None) -> str | None:
    return "" if name == NONE else name


def _missed(word: str) -> MissedRun:
    try:
        return MissedRun(word)
    except ValueError as error:
        raise UsageError(detail=f"--missed {word}: one of {', '.join(MissedRun)} is wanted.") from error


async def list_all(data: DataDirectory, *, as_json: bool) -> None:
    async with attached(data) as client:
        policies = await client.policies()
        groups = await client.groups()
        following = {policy.name: await client.runs(policy.name, 1) for policy in policies}
    if as_json:
        print_json(policies)
        return
    print_table(
        ("POLICY", "SCHEDULE", "NEXT RUN", "KEEPS", "GROUPS"),
        [
            (
                policy.name,
                _schedule(policy),
                when(next(iter(following[policy.name]), None)),
                keeps(policy.retention),
                ", ".join(group.name for group in groups if group.policy == policy.name) or "-",
            )
            for policy in policies
        ],
        "There is no policy yet. Make one: `phoenix policy set nightly --schedule 'daily at 02:00' --keep-daily 14`.",
    )


async def show_one(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        policy = await client.policy(name)
        groups = await client.groups()
        following = await client.runs(name, 3)
    if as_json:
        print_json(policy)
    else:
        _print(policy, [group.name for group in groups if group.policy == name], following)


async def set_one(data: DataDirectory, name: str, changes: PolicyChanges, *, as_json: bool) -> None:
    async with attached(data) as client:
        policy = await client.put_policy(name, changes.of(await known_or(client.policy(name), BackupPolicy(name=name))))
        following = await client.runs(policy.name, 3)
        groups = await client.groups()
    if as_json:
        print_json(policy)
    else:
        _print(policy, [group.name for group in groups if group.policy == policy.name], following)


async def remove_one(data: DataDirectory, name: str, *, yes: bool, as_json: bool) -> None:
    async with attached(data) as client:
        policy = await client.policy(name)
        confirm(f"remove policy {name}", yes=yes)
        await client.remove_policy(name)
    if as_json:
        print_json(policy)
    else:
        say(f"Removed policy {name}.")


async def show_runs(data: DataDirectory, name: str, count: int, *, as_json: bool) -> None:
    async with attached(data) as client:
        policy = await client.policy(name)
        following = await client.runs(name, count)
    if as_json:
        print_json(following)
    elif not following:
        say(f"Policy {name} has no schedule: its servers are backed up by hand only.")
    else:
        for run in following:
            say(_in_zone(run, policy))


async def show_retention(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        names = [name] if name else [policy.name for policy in await client.policies()]
        verdicts = [verdict for each in names for verdict in await client.retention_of(each)]
    if as_json:
        print_json(verdicts)
        return
    print_table(
        ("SERVER", "TAKEN", "SNAPSHOT", "PATHS", "STAYS AS"),
        [
            (
                verdict.server_name,
                when(verdict.recorded_at),
                verdict.snapshot_id[:SHORT_ID_DIGITS],
                ", ".join(verdict.paths) + (" (handed over)" if verdict.handed else ""),
                ", ".join(verdict.reasons) or "goes",
            )
            for verdict in verdicts
        ],
        "No server with a policy has a restore point.",
    )
    going = sum(not verdict.reasons for verdict in verdicts)
    if verdicts:
        say(f"{len(verdicts) - going} stay, {going} go.")


async def apply_retention(data: DataDirectory, name: str, *, yes: bool, detach: bool, as_json: bool) -> int:
    if name:
        raise UsageError(detail="Retention is carried out for all policies at once: leave the policy's name out.")
    confirm("remove the restore points that no policy keeps", yes=yes)
    return await run_job(data, lambda client: client.apply_retention(), detach=detach, as_json=as_json)


def keeps(retention: Retention) -> str:
    if retention.keeps_all:
        return "all"
    fields = Retention.__struct_fields__
    return ", ".join(f"{getattr(retention, field)} {field}" for field in fields if getattr(retention, field))


def scan_mode(policy: BackupPolicy) -> str:
    """Which files a backup reads, in words."""
    every = policy.reread_every
    return f"by metadata; run {every} of each {every} reads all files again" if every else "by metadata"


def _schedule(policy: BackupPolicy) -> str:
    return f"{'; '.join(policy.schedule)} ({policy.time_zone})" if policy.schedule else "by hand"


def _in_zone(time: datetime, policy: BackupPolicy) -> str:
    return time.astimezone(ZoneInfo(policy.time_zone)).strftime("%a %Y-%m-%d %H:%M %Z")


def _scripts(policy: BackupPolicy) -> str:
    named = [f"{policy.pre_script} before"] if policy.pre_script else []
    named += [f"{policy.post_script} after"] if policy.post_script else []
    needed = "; no backup without the first" if policy.pre_script and policy.pre_script_needed else ""
    return f"{', '.join(named)}{needed}" if named else "none"


def _drill(policy: BackupPolicy) -> str:
    if not policy.drill:
        return "by hand"
    where = f" on {policy.drill_on}" if policy.drill_on else ""
    limit = f", at most {size(policy.drill_max_bytes)}" if policy.drill_max_bytes else ""
    what = "all" if policy.drill_sample == ALL else f"{policy.drill_sample}{limit}"
    return f"{'; '.join(policy.drill)}{where}: {what}"


def _print(policy: BackupPolicy, groups: list[str], following: list[datetime]) -> None:
    retries = f"{amount(policy.retries, 'time')}, {seconds(policy.retry_delay_s)} later" if policy.retries else "none"
    print_facts(
        [
            ("Policy", policy.name),
            ("Schedule", _schedule(policy)),
            ("Next runs", "; ".join(_in_zone(run, policy) for run in following) or "-"),
            ("Backup window", "; ".join(policy.window) or "always"),
            ("Bandwidth", "; ".join(policy.bandwidth) or "not limited"),
            ("Scripts", _scripts(policy)),
            ("Source", _SOURCES[policy.source_snapshot]),
            ("A missed run", "is made up for" if policy.missed is MissedRun.RUN else "is skipped"),
            ("Retries", retries),
            ("Scan", scan_mode(policy)),
            ("Keeps", keeps(policy.retention)),
            ("Restore drill", _drill(policy)),
            ("Groups", ", ".join(groups) or "none yet: attach it with `phoenix group set`"),
        ]
    )
