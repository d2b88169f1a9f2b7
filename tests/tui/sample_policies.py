"""Fixed data for the console's tests: groups, policies and rules, what retention and a rule test say, alerts."""

from phoenix_core.domain.alerts import AlertKind, AlertView, Severity
from phoenix_core.domain.policies import (
    BackupPolicy,
    Config,
    ContentRule,
    Retention,
    RetentionVerdict,
    ServerGroup,
)
from phoenix_core.domain.ruletest import RuleTestReason, RuleTestSummary, RuleVerdict
from tests.tui.sample import DB1, FAILED, SNAPSHOTS, WEB1, ago

CONFIG = Config(
    policies=(
        BackupPolicy(
            "nightly",
            ("daily at 02:00",),
            "Europe/Berlin",
            ("20:00-06:00",),
            retries=2,
            retention=Retention(daily=14, weekly=8, monthly=12),
        ),
        BackupPolicy("hourly", ("hourly at :15",), retention=Retention(last=24)),
    ),
    rules=(
        ContentRule("web", ("/etc", "/srv"), ("*.tmp", "/srv/cache/")),
        ContentRule("database", ("/var/lib/postgresql",)),
    ),
    groups=(
        ServerGroup("web servers", "nightly", ("web",), ("files1", "web1", "web2")),
        ServerGroup("databases", "hourly", ("database", "web"), ("db1",)),
    ),
)

RETENTION = (
    RetentionVerdict(SNAPSHOTS[0].id, WEB1.name, WEB1.default_paths, ago(hours=23), ("daily 1", "weekly 1")),
    RetentionVerdict(SNAPSHOTS[2].id, WEB1.name, WEB1.default_paths, ago(hours=47), ("daily 2",)),
    RetentionVerdict("5d20e7b3c1a8" + "0" * 52, WEB1.name, WEB1.default_paths, ago(days=40)),
    RetentionVerdict("a90c4f7712bd" + "0" * 52, "web2", ("/etc",), ago(days=41)),
)
"""What the policy nightly says."""

ALERTS = (
    AlertView(
        "w1critical0",
        AlertKind.VAULT_DAMAGED,
        Severity.CRITICAL,
        "vault",
        "1 pack is damaged or lost.",
        "`phoenix vault verify` names the snapshots and files, `phoenix vault repair` what can be saved.",
        ago(minutes=12),
        ago(minutes=12),
    ),
    AlertView(
        "w2failed000",
        AlertKind.BACKUP_FAILED,
        Severity.ERROR,
        "files1",
        "The last 3 backups of files1 failed, the newest at 2026-11-23 01:02 UTC: The disk is full.",
        f"Free space there. `phoenix job show {FAILED.id}` says more.",
        ago(hours=50),
        ago(hours=2),
        count=3,
        server_id=FAILED.server_id,
        job_id=FAILED.id,
    ),
    AlertView(
        "w3away00000",
        AlertKind.AGENT_AWAY,
        Severity.WARNING,
        "db1",
        "The agent on db1 has not been connected since 2026-11-23 18:10 UTC; its scheduled backups are skipped.",
        "See that db1 is up and that `systemctl status phoenix-agent` there says that it runs.",
        ago(hours=1),
        ago(hours=1),
        server_id=DB1.id,
        acknowledged_at=ago(minutes=30),
        acknowledged_by="mara",
        note="new power supply on Monday",
    ),
    AlertView(
        "w4over00000",
        AlertKind.BACKUP_SKIPPED,
        Severity.WARNING,
        "web1",
        "The last scheduled backup of web1 was skipped.",
        "The next scheduled backup runs by itself.",
        ago(hours=30),
        ago(hours=30),
        resolved_at=ago(hours=6),
        resolved_why="Backup j1good00000 ended 2026-11-23 14:00 UTC: successful.",
    ),
)

VERDICTS = (
    RuleVerdict("/srv/www", "folder", taken=True, rule="web", field="paths", value="/srv"),
    RuleVerdict("/srv/www/index.html", "file", taken=True, size=5_120, rule="web", field="paths", value="/srv"),
    RuleVerdict("/srv/www/x.tmp", "file", taken=False, size=90_000, rule="web", field="excludes", value="*.tmp"),
    RuleVerdict("/srv/phoenix", "folder", taken=False, field="own_data"),
)
"""What the agents say of every rule."""
RULE_SUMMARY = RuleTestSummary(
    server_name="web1",
    files=1,
    folders=1,
    bytes=5_120,
    left_out=(RuleTestReason("web", "excludes", "*.tmp", 1, 90_000), RuleTestReason("", "own_data", "", 1, 0)),
)
