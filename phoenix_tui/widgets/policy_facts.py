"""What a group, policy or rule says, in words: each of its fields, for the pane beside the list, and its line in it."""

from phoenix_core.domain.policies import BackupPolicy, ContentRule, MissedRun, Retention, ServerGroup
from phoenix_core.domain.quantities import typed_size, typed_time
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_tui.i18n import _
from phoenix_tui.widgets.facts import Fact

Item = ServerGroup | BackupPolicy | ContentRule
_SNAPSHOTS = {
    SourceSnapshot.OFF: _("not used"),
    SourceSnapshot.IF_AVAILABLE: _("used where there can be some"),
    SourceSnapshot.REQUIRED: _("required"),
}


def facts_of(item: Item, groups: str, runs: str) -> list[Fact]:
    """All that it says. `groups`: those that use it; `runs`: when its policy runs next."""
    if isinstance(item, ServerGroup):
        return [
            (_("Servers"), ", ".join(item.servers) or _("none yet")),
            (_("Policy"), item.policy or _("none: backed up by hand only")),
            (_("Content rules"), ", ".join(item.rules) or _("none: a schedule has nothing to back up")),
            (_("Next run"), runs),
        ]
    return [*(_of_rule(item) if isinstance(item, ContentRule) else _of_policy(item, runs)), (_("Groups"), groups)]


def _of_rule(rule: ContentRule) -> list[Fact]:
    return [
        (_("Folders"), ", ".join(rule.paths)),
        (_("Without"), ", ".join(rule.excludes) or _("nothing")),
        (_("Files"), files_of(rule)),
        (_("Tagged caches"), _("left out") if rule.skip_caches else _("taken")),
        (_("File systems below"), _("entered") if rule.cross_mounts else _("left out")),
        (_("Disk images"), ", ".join(rule.disk_images) or _("none")),
        (_("Streams"), ", ".join(rule.streams) or _("none")),
    ]


def _of_policy(policy: BackupPolicy, runs: str) -> list[Fact]:
    missed = _("made up for") if policy.missed is MissedRun.RUN else _("skipped")
    return [
        (_("Schedule"), f"{'; '.join(policy.schedule) or _('by hand only')} ({policy.time_zone})"),
        (_("Next runs"), runs),
        (_("Keeps"), keeps(policy.retention)),
        (_("Window"), "; ".join(policy.window) or _("always")),
        (_("Bandwidth"), "; ".join(policy.bandwidth) or _("not limited")),
        (_("Scripts"), _scripts(policy)),
        (_("Snapshots"), _SNAPSHOTS[policy.source_snapshot]),
        (_("Missed runs"), missed),
        (_("Retries"), _("{count}, {delay} s later").format(count=policy.retries, delay=policy.retry_delay_s)),
        (_("Scan"), scan_mode(policy)),
        (_("Restore drill"), _drill(policy)),
    ]


def _scripts(policy: BackupPolicy) -> str:
    scripts = [policy.post_script] if policy.post_script else []
    if policy.pre_script:
        needed = _("{script}, needed") if policy.pre_script_needed else _("{script}, not needed")
        scripts.insert(0, needed.format(script=policy.pre_script))
    if not scripts:
        return _("none")
    return "; ".join(scripts) + _("; {seconds} s at most").format(seconds=policy.script_timeout_s)


def _drill(policy: BackupPolicy) -> str:
    if not policy.drill:
        return _("by hand only")
    where = _(" on {server}").format(server=policy.drill_on) if policy.drill_on else ""
    most = _(", {size} at most").format(size=typed_size(policy.drill_max_bytes)) if policy.drill_max_bytes else ""
    return f"{'; '.join(policy.drill)}{where}: {policy.drill_sample}{most}"


def keeps(retention: Retention) -> str:
    if retention.keeps_all:
        return _("all restore points")
    counts = {
        _("last {count}"): retention.last,
        _("{count} daily"): retention.daily,
        _("{count} weekly"): retention.weekly,
        _("{count} monthly"): retention.monthly,
        _("{count} yearly"): retention.yearly,
    }
    return ", ".join(text.format(count=count) for text, count in counts.items() if count)


def scan_mode(policy: BackupPolicy) -> str:
    if not policy.reread_every:
        return _("by metadata")
    return _("by metadata; each {count}th run reads all files again").format(count=policy.reread_every)


def files_of(rule: ContentRule) -> str:
    """Which files a rule takes, in words."""
    said = {
        _("matching {value}"): ", ".join(rule.includes),
        _("only {value}"): ", ".join(rule.only_extensions),
        _("no {value}"): ", ".join(rule.not_extensions),
        _("from {value}"): typed_size(rule.smallest_bytes) if rule.smallest_bytes else "",
        _("up to {value}"): typed_size(rule.largest_bytes) if rule.largest_bytes else "",
        _("changed within {value}"): typed_time(rule.changed_within_s) if rule.changed_within_s else "",
        _("older than {value}"): typed_time(rule.older_than_s) if rule.older_than_s else "",
    }
    return "; ".join(text.format(value=value) for text, value in said.items() if value) or _("all")


def texts_of(item: Item) -> tuple[str, ...]:
    """What its line in the list says beside its name."""
    if isinstance(item, ServerGroup):
        return (item.policy, ", ".join(item.rules), ", ".join(item.servers))
    if isinstance(item, BackupPolicy):
        return ("; ".join(item.schedule) or _("by hand"), keeps(item.retention))
    return (", ".join(item.paths), *([_("without ") + ", ".join(item.excludes)] if item.excludes else []))
