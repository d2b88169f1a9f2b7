"""The catalog's tables. A change here comes with a migration in `migrations/versions`; a test compares the two."""

import sqlalchemy as sa

from phoenix_core.catalog.columns import EnumText, JsonOf, UtcTime
from phoenix_core.catalog.rows import BackupEnd, Result
from phoenix_core.domain.alerts import AlertChange, AlertKind, Severity
from phoenix_core.domain.annotations import Hold
from phoenix_core.domain.drills import DrillOutcome
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.notifications import Channel, MessageState, NotificationRule
from phoenix_core.domain.policies import BackupPolicy, ContentRule
from phoenix_core.domain.states import JobKind, JobState, StepState

metadata = sa.MetaData()

peers = sa.Table(
    "peers",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("hostname", sa.String(255), nullable=False),
    sa.Column("platform", sa.String(100), nullable=False),
    sa.Column("version", sa.String(40), nullable=False),
    sa.Column("enrolled_at", UtcTime, nullable=False),
    sa.Column("last_seen_at", UtcTime),
    sa.Column("revoked_at", UtcTime),
    sa.Column("this_host", sa.Boolean, nullable=False),
    sa.Column("default_paths", JsonOf(tuple[str, ...]), nullable=False),
    sa.Column("url", sa.String(255), nullable=False),
    sa.Column("revoked_seen_s", sa.Float, nullable=False),
)
certificates = sa.Table(
    "certificates",
    metadata,
    sa.Column("serial", sa.String(64), primary_key=True),
    sa.Column("peer_id", sa.ForeignKey("peers.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("public_key", sa.LargeBinary, nullable=False),
    sa.Column("issued_at", UtcTime, nullable=False),
    sa.Column("ends_at", UtcTime, nullable=False),
)
activation_tokens = sa.Table(
    "activation_tokens",
    metadata,
    sa.Column("secret_hash", sa.String(64), primary_key=True),
    sa.Column("role", sa.String(20), nullable=False),
    sa.Column("name", sa.String(255), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("expires_at", UtcTime, nullable=False),
    sa.Column("created_by", sa.String(255), nullable=False),
    sa.Column("used_at", UtcTime),
    sa.Column("used_by", sa.String(40), nullable=False),
)
jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", EnumText(JobKind), nullable=False),
    sa.Column("state", EnumText(JobState), nullable=False, index=True),
    sa.Column("title", sa.Text, nullable=False),
    sa.Column("server_id", sa.String(40), nullable=False, index=True),
    sa.Column("agent_id", sa.String(40), nullable=False, index=True),
    sa.Column("requested_by", sa.String(255), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False, index=True),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("started_at", UtcTime),
    sa.Column("finished_at", UtcTime),
    sa.Column("snapshot_id", sa.String(64), nullable=False),
    sa.Column("lease", sa.String(40), nullable=False),
    sa.Column("outcome", sa.LargeBinary),
    sa.Column("last_report", sa.BigInteger, nullable=False),
    sa.Column("cancelled_by", sa.String(255), nullable=False),
    sa.Column("error", JsonOf(ErrorView)),
    sa.Column("missing_count", sa.BigInteger, nullable=False),
    sa.Column("result", JsonOf(Result), nullable=False),
    sa.Column("retry_of", sa.String(40), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("ended_seen_s", sa.Float, nullable=False, index=True),
)
last_ends = sa.Table(
    "last_ends",
    metadata,
    sa.Column("server_id", sa.String(40), primary_key=True),
    sa.Column("stream", sa.String(100), primary_key=True),
    sa.Column("how", EnumText(BackupEnd), primary_key=True),
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    sa.Column("in_a_row", sa.Integer, nullable=False),
)
"""Of each server's files (stream empty) and of each of its streams the newest backup that made a snapshot, the newest
that failed since then, with how many did so, and the newest that was skipped, and was stopped, since either."""
steps = sa.Table(
    "steps",
    metadata,
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("step", sa.String(20), nullable=False),
    sa.Column("title", sa.String(255), nullable=False),
    sa.Column("state", EnumText(StepState), nullable=False),
    sa.Column("started_at", UtcTime),
    sa.Column("finished_at", UtcTime),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("error", JsonOf(ErrorView)),
)
job_log = sa.Table(
    "job_log",
    metadata,
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("level", sa.String(20), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
)
job_files = sa.Table(
    "job_files",
    metadata,
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("path", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
)
damages = sa.Table(
    "damages",
    metadata,
    sa.Column("job_id", sa.ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("what", sa.Text, nullable=False),
    sa.Column("snapshots", JsonOf(tuple[str, ...]), nullable=False),
    sa.Column("files", JsonOf(tuple[str, ...]), nullable=False),
    sa.Column("file_count", sa.BigInteger, nullable=False),
)
snapshots = sa.Table(
    "snapshots",
    metadata,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("sequence", sa.BigInteger, nullable=False, index=True),
    sa.Column("server_id", sa.String(40), nullable=False, index=True),
    sa.Column("server_name", sa.String(255), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False, index=True),
    sa.Column("recorded_at", UtcTime, nullable=False),
    sa.Column("paths", JsonOf(tuple[str, ...]), nullable=False),
    sa.Column("files", sa.BigInteger, nullable=False),
    sa.Column("directories", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("stored_bytes", sa.BigInteger, nullable=False),
    sa.Column("missing_count", sa.BigInteger, nullable=False),
    sa.Column("job_id", sa.String(40), nullable=False),
    sa.Column("parent", sa.String(64), nullable=False),
    sa.Column("hostname", sa.String(255), nullable=False),
    sa.Column("root", sa.LargeBinary, nullable=False),
    sa.Column("domain", sa.String(100), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("packs", JsonOf(tuple[str, ...]), nullable=False),
    sa.Column("proved", sa.Boolean, nullable=False),
    sa.Column("readable", sa.Boolean, nullable=False),
    sa.Column("tags", JsonOf(tuple[str, ...]), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
    sa.Column("hold", JsonOf(Hold)),
    sa.Column("hold_due_s", sa.BigInteger, nullable=False),
    sa.Column("removed_at", UtcTime),
    sa.Column("removed_by", sa.String(255), nullable=False),
    sa.Column("undo_due_s", sa.BigInteger, nullable=False),
)
settings = sa.Table(
    "settings",
    metadata,
    sa.Column("key", sa.String(100), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("changed_at", UtcTime, nullable=False),
    sa.Column("changed_by", sa.String(255), nullable=False),
)
facts = sa.Table(
    "facts",
    metadata,
    sa.Column("name", sa.String(100), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)
"""Single facts that must survive a restart, such as the last record of the vault that this core has seen."""
policies = sa.Table(
    "policies",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("body", JsonOf(BackupPolicy), nullable=False),
)
rules = sa.Table(
    "rules",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("body", JsonOf(ContentRule), nullable=False),
)
groups = sa.Table(
    "groups",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("policy_id", sa.ForeignKey("policies.id")),
    sa.Column("considered_until", UtcTime, nullable=False),
)
group_rules = sa.Table(
    "group_rules",
    metadata,
    sa.Column("group_id", sa.ForeignKey("groups.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("rule_id", sa.ForeignKey("rules.id"), nullable=False),
)
group_servers = sa.Table(
    "group_servers",
    metadata,
    sa.Column("server_id", sa.ForeignKey("peers.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("group_id", sa.ForeignKey("groups.id", ondelete="CASCADE"), nullable=False, index=True),
)
drills = sa.Table(
    "drills",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("server_id", sa.String(40), nullable=False, index=True),
    sa.Column("server_name", sa.String(255), nullable=False),
    sa.Column("agent_name", sa.String(255), nullable=False),
    sa.Column("snapshot_id", sa.String(64), nullable=False),
    sa.Column("snapshot_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime, nullable=False, index=True),
    sa.Column("outcome", EnumText(DrillOutcome), nullable=False),
    sa.Column("requested_by", sa.String(255), nullable=False),
    sa.Column("sample", sa.String(100), nullable=False),
    sa.Column("seed", sa.String(40), nullable=False),
    sa.Column("files", sa.BigInteger, nullable=False),
    sa.Column("bytes", sa.BigInteger, nullable=False),
    sa.Column("others", sa.BigInteger, nullable=False),
    sa.Column("failure_count", sa.BigInteger, nullable=False),
    sa.Column("failures", JsonOf(tuple[tuple[str, str], ...]), nullable=False),
    sa.Column("not_carried_count", sa.BigInteger, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
)
"""Without references: a proof stays when its job and its snapshot are gone."""
audit = sa.Table(
    "audit",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("at", UtcTime, nullable=False, index=True),
    sa.Column("who", sa.String(255), nullable=False),
    sa.Column("action", sa.String(100), nullable=False),
    sa.Column("subject", sa.Text, nullable=False),
    sa.Column("detail", sa.Text, nullable=False),
    sa.Column("outcome", sa.String(100), nullable=False),
)
alerts = sa.Table(
    "alerts",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("kind", EnumText(AlertKind), nullable=False),
    sa.Column("subject_id", sa.String(160), nullable=False),
    sa.Column("subject", sa.String(255), nullable=False),
    sa.Column("severity", EnumText(Severity), nullable=False),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("hint", sa.Text, nullable=False),
    sa.Column("first_seen_at", UtcTime, nullable=False),
    sa.Column("last_seen_at", UtcTime, nullable=False),
    sa.Column("count", sa.Integer, nullable=False),
    sa.Column("server_id", sa.String(40), nullable=False),
    sa.Column("job_id", sa.String(40), nullable=False),
    sa.Column("resolved_at", UtcTime, index=True),
    sa.Column("resolved_why", sa.Text, nullable=False),
    sa.Column("acknowledged_at", UtcTime),
    sa.Column("acknowledged_by", sa.String(255), nullable=False),
    sa.Column("note", sa.Text, nullable=False),
)
channels = sa.Table(
    "channels",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("body", JsonOf(Channel), nullable=False),
    sa.Column("secret_held_by", sa.String(20), nullable=False),
)
"""Who holds a channel's password or secret is here; the secret itself never is."""
notification_rules = sa.Table(
    "notification_rules",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("name", sa.String(100), nullable=False, unique=True),
    sa.Column("body", JsonOf(NotificationRule), nullable=False),
    sa.Column("considered_until", UtcTime, nullable=False),
)
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("channel_id", sa.ForeignKey("channels.id", ondelete="CASCADE"), nullable=False),
    sa.Column("alert_id", sa.ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("change", EnumText(AlertChange), nullable=False),
    sa.Column("at", UtcTime, nullable=False),
    sa.Column("message_id", sa.String(40), nullable=False, index=True),
)
"""What is to be told at once; without a message where it waits for one to be put into."""
messages = sa.Table(
    "messages",
    metadata,
    sa.Column("id", sa.String(40), primary_key=True),
    sa.Column("channel_id", sa.ForeignKey("channels.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("rule_id", sa.String(40), nullable=False),
    sa.Column("body", sa.Text, nullable=False),
    sa.Column("state", EnumText(MessageState), nullable=False, index=True),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_try_at", UtcTime, nullable=False),
    sa.Column("ended_at", UtcTime),
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("problem", sa.Text, nullable=False),
)
