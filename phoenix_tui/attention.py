"""What needs an operator's attention, worst first: the core's alerts, and what the model shows beside them; each thing
once."""

from collections.abc import Iterator
from datetime import timedelta
from enum import IntEnum
from typing import NamedTuple

from phoenix_core.domain.alerts import AlertKind, AlertView, Severity
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.states import JobKind, JobState
from phoenix_core.domain.versions import Standing
from phoenix_core.domain.views import ServerView, VaultView
from phoenix_tui.formats import Formats, percent, size, span
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.model import CoreModel
from phoenix_tui.signs import version_words

BACKUP_OLD_AFTER = timedelta(days=7)
FREE_SHARE_LOW = 0.1
NAMED = 3
_BAD_ENDS = {JobState.FAILED, JobState.ABORTED}
_OF_BACKUPS = {AlertKind.BACKUP_FAILED, AlertKind.BACKUP_WITH_ERRORS, AlertKind.NO_BACKUP}
"""Alerts that a server's files and each of its streams have by themselves."""


class Weight(IntEnum):
    CRITICAL = 0
    ERROR = 1
    WARNING = 2


_WEIGHT = {Severity.CRITICAL: Weight.CRITICAL, Severity.ERROR: Weight.ERROR, Severity.WARNING: Weight.WARNING}


class Attention(NamedTuple):
    key: str
    weight: Weight
    subject: str
    text: str
    screen: str
    """The main screen that deals with it."""
    job_id: str = ""
    """A job that tells more; it is opened rather than the screen."""
    alerts: frozenset[AlertKind] = frozenset()
    """An alert of one of these kinds says it better."""
    server_id: str = ""
    stream: str = ""
    """Of the server, what it is of; empty: none of its streams."""


def what_needs_attention(model: CoreModel, formats: Formats) -> list[Attention]:
    found = [*_of_vault(model.vault, model.vault_problem, formats)]
    servers = [server for server in model.servers_by_name() if not server.revoked]
    for server in servers:
        found.extend(_of_server(server, model, formats))
    told = {(alert.kind, alert.server_id) for alert in model.alerts.values()}
    found.extend(
        _of_proofs([each for each in servers if each.proof_due and (AlertKind.PROOF_OLD, each.id) not in told])
    )
    found = [each for each in found if not _is_told(each, model)]
    found.extend(_of_alert(alert) for alert in model.alerts.values())
    if model.alerts_problem is not None:
        found.append(Attention("alerts-old", Weight.ERROR, _("Alerts"), alerts_old(model, formats), "alerts"))
    return sorted(found, key=lambda each: (each.weight, each.subject))


def alerts_old(model: CoreModel, formats: Formats) -> str:
    """What is to be said of the alerts where they could not be read; empty: they could."""
    problem = model.alerts_problem
    if problem is None:
        return ""
    if model.alerts_read_at is None:
        return _("they can't be read: {message} {hint}").format(message=problem.message, hint=problem.hint)
    when = formats.moment(model.alerts_read_at)
    return _("they can't be read now; those that show are of {when}: {message}").format(
        when=when, message=problem.message
    )


def _is_told(each: Attention, model: CoreModel) -> bool:
    """By an alert of the same. What is of no server is told by an alert of any."""
    return any(
        alert.kind in each.alerts and each.server_id in {"", alert.server_id} and each.stream == alert.stream
        for alert in model.alerts.values()
    )


def _of_alert(alert: AlertView) -> Attention:
    known = _("known: ") if alert.acknowledged_by else ""
    return Attention(
        f"alert-{alert.id}", _WEIGHT[alert.severity], alert.subject, known + alert.text, "alerts", alert.job_id
    )


def _of_vault(vault: VaultView | None, problem: ErrorView | None, formats: Formats) -> Iterator[Attention]:
    subject = _("Vault")

    def bad(key: str, text: str, *kinds: AlertKind, weight: Weight = Weight.ERROR) -> Attention:
        return Attention(f"vault-{key}", weight, subject, text, "vault", alerts=frozenset(kinds))

    if problem is not None:
        yield bad("none", f"{problem.message} {problem.hint}", AlertKind.VAULT_UNUSABLE)
    if vault is None:
        return
    if vault.problem:
        yield bad("problem", vault.problem, AlertKind.VAULT_UNUSABLE, AlertKind.RECORDS_LOST)
    elif not vault.key_available:
        yield bad("key", _("its key is not available; no backup or restore can run"), AlertKind.VAULT_UNUSABLE)
    elif vault.rolled_back:
        yield bad("rollback", _("records that this core has seen are gone"), AlertKind.RECORDS_LOST)
    if vault.damaged_packs:
        text = ngettext("{count} pack is damaged or lost", "{count} packs are damaged or lost", vault.damaged_packs)
        text = text.format(count=vault.damaged_packs) + _("; verify names the files")
        yield bad("damage", text, AlertKind.VAULT_DAMAGED)
    if vault.lost_snapshots:
        text = ngettext("{count} snapshot is lost", "{count} snapshots are lost", vault.lost_snapshots)
        text = text.format(count=vault.lost_snapshots) + _("; phoenix doctor says what to do")
        lost = frozenset({AlertKind.SNAPSHOTS_LOST})
        yield Attention("vault-lost", Weight.ERROR, subject, text, "snapshots", alerts=lost)
    if vault.last_verify_state is JobState.FAILED:
        text = _("the last verify found damage, {ago}").format(ago=formats.ago(vault.last_verify_at))
        failed = frozenset({AlertKind.VERIFY_FAILED})
        yield Attention("vault-verify", Weight.ERROR, subject, text, "vault", vault.last_verify_job, failed)
    if vault.readings is not None and vault.readings.is_late(formats.now()):
        text = _("packs read again and checked: {text}").format(text=vault.readings.text(formats.now()))
        yield bad("readings", text, weight=Weight.WARNING)
    if vault.key_available and not vault.index_complete:
        text = _("the index is not complete; rebuild it")
        yield bad("index", text, AlertKind.INDEX_UNUSABLE, weight=Weight.WARNING)
    if vault.total_bytes and vault.free_bytes < FREE_SHARE_LOW * vault.total_bytes:
        left = _("only {size} free ({share})").format(
            size=size(vault.free_bytes), share=percent(vault.free_bytes, vault.total_bytes)
        )
        yield bad("space", left, AlertKind.SPACE_LOW, weight=Weight.WARNING)


def _of_proofs(due: list[ServerView]) -> Iterator[Attention]:
    """One line for all servers whose restore was not tried out lately."""
    if due:
        text = ngettext(
            "no recent proof of restore of {count} server: {names}",
            "no recent proof of restore of {count} servers: {names}",
            len(due),
        )
        names = ", ".join(server.name for server in due[:NAMED]) + (", …" if len(due) > NAMED else "")
        yield Attention(
            "proofs", Weight.WARNING, _("Restore drills"), text.format(count=len(due), names=names), "servers"
        )


def _of_server(server: ServerView, model: CoreModel, formats: Formats) -> Iterator[Attention]:
    def found(key: str, weight: Weight, text: str, *kinds: AlertKind, job_id: str = "") -> Attention:
        alerts, stream = frozenset(kinds), server.last_backup_stream if _OF_BACKUPS & set(kinds) else ""
        return Attention(f"{server.id}-{key}", weight, server.name, text, "servers", job_id, alerts, server.id, stream)

    now = formats.now()
    if server.version_standing is not Standing.CURRENT:
        words = version_words(server.version_standing)
        text = _("its agent's version {version} is {words}").format(version=server.agent_version, words=words)
        yield found("version", Weight.WARNING if server.version_standing.is_served else Weight.ERROR, text)
    if not server.connected and server.version_standing.is_served:  # one that isn't served is away for that
        waiting = sum(1 for job in model.active_jobs() if job.server_id == server.id and job.state.is_waiting)
        text = _("agent away, last seen {ago}").format(ago=formats.ago(server.last_seen_at))
        if waiting:
            text += "; " + ngettext("{count} job waits", "{count} jobs wait", waiting).format(count=waiting)
        yield found("away", Weight.WARNING, text, AlertKind.AGENT_AWAY)
    last = _last_backup_job(server, model)
    if server.last_backup_state in _BAD_ENDS:
        text = _("last backup failed") if server.last_backup_state is JobState.FAILED else _("last backup was aborted")
        text = f"{text}, {formats.ago(server.last_backup_at)}"
        yield found("failed", Weight.ERROR, text, AlertKind.BACKUP_FAILED, job_id=last)
    elif server.last_backup_state is JobState.SUCCESSFUL_WITH_ERRORS:
        text = _("last backup could not read every file")
        yield found("missing", Weight.WARNING, text, AlertKind.BACKUP_WITH_ERRORS, job_id=last)
    if server.last_backup_at is None and model.active_backup_of(server.id) is None:
        text = _("never backed up; press b to do it now")
        yield found("never", Weight.WARNING, text, AlertKind.NO_BACKUP, AlertKind.BACKUP_FAILED)
    elif server.last_backup_at is not None and now - server.last_backup_at > BACKUP_OLD_AFTER:
        text = _("last backup {ago}").format(ago=formats.ago(server.last_backup_at))
        yield found("old", Weight.WARNING, text, AlertKind.NO_BACKUP)
    ends, overdue = server.certificate_ends_at, server.certificate_overdue_at
    if ends is not None and overdue is not None and overdue <= now:
        left = span(max(0.0, (ends - now).total_seconds()))
        text = _("its certificate ends in {span}").format(span=left)
        yield found("certificate", Weight.WARNING, text, AlertKind.CERTIFICATE_ENDING)


def _last_backup_job(server: ServerView, model: CoreModel) -> str:
    return next(
        (
            job.id
            for job in model.finished_jobs()
            if job.server_id == server.id
            and job.kind is JobKind.FILE_BACKUP
            and job.finished_at == server.last_backup_at
        ),
        "",
    )
