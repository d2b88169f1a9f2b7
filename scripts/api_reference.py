"""Writes docs/api.md: the resources as listed here, the types from phoenix_core/domain: `make docs`."""

import ast
import inspect
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from phoenix_core.domain import (
    alerts,
    audit,
    comparing,
    errors,
    notifications,
    policies,
    reading,
    requests,
    ruletest,
    states,
    views,
)

PAGE = Path(__file__).parent.parent / "docs" / "api.md"
RESOURCES = (
    ("GET", "/v1/status", "", "StatusView"),
    ("GET", "/v1/doctor", "`lone` (`true`: the core was started to answer this)", "[FindingView]"),
    ("POST", "/v1/core/stop", "", '202 `{"state": "stopping"}`'),
    ("GET", "/v1/servers", "", "[ServerView], removed ones too while they have snapshots or can be brought back"),
    ("GET", "/v1/servers/{server}", "name or id", "ServerView"),
    (
        "DELETE",
        "/v1/servers/{server}",
        "`typed`: the server's name; revokes its certificate; snapshots stay",
        "ServerView",
    ),
    ("POST", "/v1/servers/{server}/undelete", "takes its removal back, for `servers.undo_days`", "ServerView"),
    ("POST", "/v1/servers/{server}/upgrade", "has its agent take the core's version, if allowed", "202 ServerView"),
    ("POST", "/v1/activation-tokens", "ActivationTokenRequest", "201 ActivationTokenView"),
    ("GET", "/v1/storage-nodes", "", "[StorageNodeView]"),
    ("POST", "/v1/backups", "BackupRequest", "201 JobView"),
    ("POST", "/v1/restores", "RestoreRequest", "201 JobView"),
    (
        "GET",
        "/v1/jobs",
        "`state` (a JobState, `active`, `finished`), `server`, `kind` (a JobKind), `limit` (1 to 1,000; 50), "
        "`before` (a job's id, to page on)",
        "[JobView], newest first",
    ),
    ("GET", "/v1/jobs/{job}", "id, or its unique start", "JobView with steps"),
    ("GET", "/v1/jobs/{job}/log", "`after` (a line's number)", "[LogLineView]"),
    ("GET", "/v1/jobs/{job}/missing", "", "[MissingView], all"),
    ("GET", "/v1/jobs/{job}/damage", "of a verify or repair", "[DamageView]"),
    ("POST", "/v1/jobs/{job}/cancel", "", "JobView"),
    ("POST", "/v1/jobs/{job}/retry", "", "201 JobView, the new one"),
    (
        "GET",
        "/v1/snapshots",
        "`server`, `limit` (0: all), `tag` (repeatable: with all of them), `held` (true), `removed` (true: those whose "
        "removal can still be undone, and no others)",
        "[SnapshotView], newest first",
    ),
    (
        "GET",
        "/v1/snapshots/{snapshot}",
        "id, its start of six digits or more, `latest` (with `server`); `removed` (true: also a removed one)",
        "SnapshotView",
    ),
    (
        "DELETE",
        "/v1/snapshots/{snapshot}",
        "`typed` (the first twelve digits of its id), `at_once` (true: nothing undoes it)",
        "201 JobView",
    ),
    ("POST", "/v1/snapshots/{snapshot}/undelete", "", "SnapshotView"),
    ("POST", "/v1/snapshots/{snapshot}/tags", "TagChange", "SnapshotView"),
    ("PUT", "/v1/snapshots/{snapshot}/note", "NoteChange", "SnapshotView"),
    ("PUT", "/v1/snapshots/{snapshot}/hold", "HoldRequest", "SnapshotView"),
    ("DELETE", "/v1/snapshots/{snapshot}/hold", "", "SnapshotView"),
    (
        "GET",
        "/v1/snapshots/{snapshot}/entries",
        "`path` (`/`), `after`, `limit` (1 to 5,000; 500)",
        "EntryPage, by name bytes",
    ),
    ("GET", "/v1/snapshots/{snapshot}/entry", "`path`", "EntryView"),
    (
        "GET",
        "/v1/snapshots/{snapshot}/find",
        "`pattern` of names, or of paths where it holds a `/`; `path`, `after`, `limit`",
        "EntryPage",
    ),
    ("GET", "/v1/snapshots/{snapshot}/diff/{other}", "`after`, `limit`", "ChangePage"),
    ("POST", "/v1/compares", "CompareRequest", "201 JobView"),
    (
        "GET",
        "/v1/jobs/{job}/differences",
        "of a comparison; `after` (a difference's number), `limit` (1 to 5,000; 500)",
        "DifferencePage; the first 10,000 are kept",
    ),
    (
        "GET",
        "/v1/find",
        "`pattern` as above, `server`, `path`, `since` and `until` (times of snapshots), `limit` of versions (0: all; "
        "1,000)",
        "`application/x-ndjson` of SearchLine, by path, each name's newest version first",
    ),
    (
        "GET",
        "/v1/snapshots/{snapshot}/content",
        "`path` of a file, `server` (of `latest`); Range, If-Range, If-None-Match",
        "200 or 206, the file's bytes",
    ),
    (
        "GET",
        "/v1/snapshots/{snapshot}/archive",
        "`path` of a folder or anything else, `format` (`tar`, `zip`), `server`",
        "the archive, in chunked encoding",
    ),
    ("GET", "/v1/downloads/{download}", "the id in a download's header Phoenix-Download", "DownloadView"),
    ("GET", "/v1/mounts", "", "[MountView]"),
    ("POST", "/v1/mounts", "MountRequest", "201 MountView"),
    ("DELETE", "/v1/mounts/{mount}", "", "MountView"),
    (
        "GET",
        "/v1/mounts/{mount}/nodes",
        "`snapshot`, `path` of a folder, `after`, `limit` (1 to 5,000; 1,000)",
        "NodePage, by name bytes",
    ),
    ("GET", "/v1/mounts/{mount}/node", "`snapshot`, `path`", "NodeView"),
    (
        "GET",
        "/v1/mounts/{mount}/content",
        "`snapshot`, `path` of a file, `start`, `length` (1 byte to 16 MiB; 1 MiB)",
        "those bytes, fewer at the file's end",
    ),
    ("GET", "/v1/vault", "", "VaultView"),
    ("POST", "/v1/vault/verify", "VerifyRequest", "201 JobView"),
    ("POST", "/v1/vault/repair", "RepairRequest", "201 JobView; its `result` has the fields of RepairView"),
    ("POST", "/v1/vault/prune", "PruneRequest", "201 JobView; its `result` has the fields of PrunePlanView"),
    ("POST", "/v1/vault/rebuild-index", "", "201 JobView"),
    ("GET", "/v1/settings", "", "[SettingView]"),
    ("PUT", "/v1/settings/{key}", '`{"value": …}`', "SettingView"),
    ("GET", "/v1/policies", "", "[BackupPolicy]"),
    ("GET", "/v1/policies/{policy}", "its name", "BackupPolicy"),
    (
        "PUT",
        "/v1/policies/{policy}",
        "BackupPolicy; made where it isn't there, its `name` may be a new one; `new` (`true`: only made)",
        "BackupPolicy",
    ),
    ("DELETE", "/v1/policies/{policy}", "one that no group has", "{}"),
    ("GET", "/v1/policies/{policy}/runs", "`count` (1 to 1,000; 10)", "[time], the next ones in its window"),
    ("GET", "/v1/policies/{policy}/retention", "", "[RetentionVerdict]"),
    ("POST", "/v1/retention", "", "201 JobView; its `result` has `kept` and `removed`"),
    ("GET", "/v1/rules", "", "[ContentRule]"),
    ("GET", "/v1/rules/{rule}", "its name", "ContentRule"),
    ("PUT", "/v1/rules/{rule}", "ContentRule, as with policies", "ContentRule"),
    ("DELETE", "/v1/rules/{rule}", "one that no group has", "{}"),
    ("GET", "/v1/ready-made-rules", "", "[ContentRule], to be used or copied"),
    (
        "POST",
        "/v1/rule-tests",
        "RuleTestRequest; its rules need not be kept",
        "RuleTestLine, one a line (`application/x-ndjson`), as the agent finds them; the last has the summary, or what "
        "ended the test",
    ),
    ("GET", "/v1/groups", "", "[ServerGroup]"),
    ("GET", "/v1/groups/{group}", "its name", "ServerGroup"),
    ("PUT", "/v1/groups/{group}", "ServerGroup, as with policies", "ServerGroup"),
    ("DELETE", "/v1/groups/{group}", "its servers stay", "{}"),
    ("GET", "/v1/config", "", "Config"),
    ("POST", "/v1/config/diff", "Config", "[ConfigChange], what putting it in force would change"),
    ("PUT", "/v1/config", "Config: these and no others", "[ConfigChange], what changed"),
    (
        "GET",
        "/v1/alerts",
        "`state` (`active`, `resolved`), `server`; of those that are over: `limit` (1 to 1,000; 100), `before` (an "
        "alert's id, to page on)",
        "[AlertView], active ones the worst first, others the newest end first",
    ),
    ("GET", "/v1/alerts/{alert}", "id, or its unique start", "AlertView"),
    ("POST", "/v1/alerts/{alert}/acknowledge", "AcknowledgeRequest", "AlertView"),
    ("GET", "/v1/channels", "", "[ChannelView]"),
    ("GET", "/v1/channels/{channel}", "its name", "ChannelView"),
    ("PUT", "/v1/channels/{channel}", "Channel, as with policies", "ChannelView"),
    ("PUT", "/v1/channels/{channel}/secret", "SecretRequest", "ChannelView"),
    ("DELETE", "/v1/channels/{channel}", "with its secret; rules no longer name it", "{}"),
    ("POST", "/v1/channels/{channel}/test", "delivers a message now", "DeliveryResult"),
    ("GET", "/v1/channels/{channel}/messages", "`limit` (1 to 1,000; 20)", "[MessageView], newest first"),
    ("GET", "/v1/notification-rules", "", "[NotificationRule]"),
    ("GET", "/v1/notification-rules/{rule}", "its name", "NotificationRule"),
    ("PUT", "/v1/notification-rules/{rule}", "NotificationRule, as with policies", "NotificationRule"),
    ("DELETE", "/v1/notification-rules/{rule}", "", "{}"),
    (
        "GET",
        "/v1/drills",
        "`server` (name or id), `limit` (1 to 1,000; 50), `before` (a drill's id, to page on)",
        "[DrillView], newest first",
    ),
    ("GET", "/v1/drills/{drill}", "id, which is that of its job, or a unique prefix", "DrillView"),
    ("POST", "/v1/drills", "DrillRequest", "201 JobView; once it is over, the drill has its id"),
    (
        "GET",
        "/v1/audit",
        "`limit` (1 to 1,000; 100), `before` (an entry's id, to page on)",
        "[AuditEntry], newest first",
    ),
    ("GET", "/v1/events", "`after` (a number), or the header Last-Event-ID", "`text/event-stream` of Event"),
)
_HEAD = """\
# The operators' API

HTTP with JSON on the Unix socket `DATA/core.sock`, mode 0600: the kernel names who calls, and jobs record it. The
console and the command line use nothing else; `phoenix_core/client.py` is a client for Python.

```sh
curl --unix-socket ~/.local/share/phoenix/core.sock http://core/v1/status
```

* Times are UTC in RFC 3339, sizes bytes, durations seconds. File names are in
  [escaped form](manual/restore.md#odd-names).
* Fields that have a default may be left out of what is sent; unknown ones are passed over, but refused in policies,
  rules, groups, channels and notification rules. Fields may be added to what
  is answered; a change that breaks readers gets a new `/v2`.
* An error has a status of 400 or more and an `ErrorView`: [the codes](errors.md).
* `/v1/events` sends `id: <number>`, `event: <kind>`, `data: <Event>`, and a comment line at least every ten seconds.
  Where the events after the number asked for are no longer held, and at the beginning of a stream without one, the
  first event is `reset`: read anew what you show. Progress is coalesced to five a second and job.
* A download that can't go on, such as for a damaged chunk, is cut: fewer bytes come than Content-Length says, or the
  last chunk of chunked encoding doesn't. An HTTP client that reads to the end reports that as an error (curl ends with
  18); what came until then is no whole file and no whole archive. `/v1/downloads/{download}` then says why.

This page is written by `make docs`; a test fails where code and page differ.

## Resources

| | path | takes | answers |
|---|---|---|---|
"""


def page() -> str:
    rows = "\n".join(f"| {method} | `{path}` | {takes} | {gives} |" for method, path, takes, gives in RESOURCES)
    modules = (views, requests, reading, comparing, policies, ruletest, alerts, notifications, audit)
    types = [*chain.from_iterable(map(_structs, modules)), *_structs(errors, only={"ErrorView"})]
    return f"{_HEAD}{rows}\n\n## Types\n\n" + "\n".join([*types, *_enums()])


def _structs(module: object, only: frozenset[str] | set[str] = frozenset()) -> Iterator[str]:
    for node in ast.parse(inspect.getsource(module)).body:  # type: ignore[arg-type]
        if (
            isinstance(node, ast.ClassDef)
            and (not only or node.name in only)
            and "Struct" in ast.unparse(node.bases[0])
        ):
            yield _struct(node)


def _struct(node: ast.ClassDef) -> str:
    lines = [f"### {node.name}", ""]
    about = ast.get_docstring(node)
    if about:
        lines += [_flat(about), ""]
    for at, item in enumerate(node.body):
        if not isinstance(item, ast.AnnAssign):
            continue
        default = f", default `{ast.unparse(item.value)}`" if item.value is not None else ""
        lines.append(f"* `{ast.unparse(item.target)}`: `{ast.unparse(item.annotation)}`{default}{_said(node.body, at)}")
    return "\n".join([*lines, ""])


def _said(body: list[ast.stmt], at: int) -> str:
    """The text below a field."""
    after = body[at + 1] if at + 1 < len(body) else None
    if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and isinstance(after.value.value, str):
        return f". {_flat(after.value.value)}"
    return ""


def _enums() -> Iterator[str]:
    for name in ("JobKind", "JobState", "StepState", "ConflictRule", "VerifyDepth"):
        values = ", ".join(f"`{member}`" for member in getattr(states, name))
        yield f"### {name}\n\n{values}\n"
    enums = (
        *(reading.ArchiveFormat, reading.DownloadState),
        *(alerts.AlertKind, alerts.Severity, alerts.AlertState),
        *(notifications.ChannelKind, notifications.Security, notifications.MessageState),
    )
    for enum in enums:
        yield f"### {enum.__name__}\n\n{', '.join(f'`{member}`' for member in enum)}\n"
    yield f"### MissedRun\n\n{', '.join(f'`{member}`' for member in policies.MissedRun)}\n"


def _flat(text: str) -> str:
    return " ".join(text.split())


def main() -> None:
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
