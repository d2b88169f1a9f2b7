"""What needs an operator's attention, worst first: read off the model, each with what to do about it."""

from collections.abc import Iterator
from datetime import timedelta
from enum import IntEnum
from typing import NamedTuple

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


class Weight(IntEnum):
    ERROR = 0
    WARNING = 1


class Attention(NamedTuple):
    key: str
    weight: Weight
    subject: str
    text: str
    screen: str
    """The main screen that deals with it."""
    job_id: str = ""
    """A job that tells more; it is opened rather than the screen."""


def what_needs_attention(model: CoreModel, formats: Formats) -> list[Attention]:
    found = [*_of_vault(model.vault, model.vault_problem, formats)]
    servers = [server for server in model.servers_by_name() if not server.revoked]
    for server in servers:
        found.extend(_of_server(server, model, formats))
    found.extend(_of_proofs([server.name for server in servers if server.proof_due]))
    return sorted(found, key=lambda each: (each.weight, each.subject))


def _of_vault(vault: VaultView | None, problem: ErrorView | None, formats: Formats) -> Iterator[Attention]:
    subject = _("Vault")

    def bad(key: str, text: str, weight: Weight = Weight.ERROR) -> Attention:
        return Attention(f"vault-{key}", weight, subject, text, "vault")

    if problem is not None:
        yield bad("none", f"{problem.message} {problem.hint}")
    if vault is None:
        return
    if vault.problem:
        yield bad("problem", vault.problem)
    elif not vault.key_available:
        yield bad("key", _("its key is not available; no backup or restore can run"))
    elif vault.rolled_back:
        yield bad("rollback", _("records that this core has seen are gone"))
    if vault.damaged_packs:
        text = ngettext("{count} pack is damaged or lost", "{count} packs are damaged or lost", vault.damaged_packs)
        yield bad("damage", text.format(count=vault.damaged_packs) + _("; verify names the files"))
    if vault.lost_snapshots:
        text = ngettext("{count} snapshot is lost", "{count} snapshots are lost", vault.lost_snapshots)
        text = text.format(count=vault.lost_snapshots) + _("; phoenix doctor says what to do")
        yield Attention("vault-lost", Weight.ERROR, subject, text, "snapshots")
    if vault.last_verify_state is JobState.FAILED:
        text = _("the last verify found damage, {ago}").format(ago=formats.ago(vault.last_verify_at))
        yield Attention("vault-verify", Weight.ERROR, subject, text, "vault", vault.last_verify_job)
    if vault.readings is not None and vault.readings.is_late(formats.now()):
        text = _("packs read again and checked: {text}").format(text=vault.readings.text(formats.now()))
        yield bad("readings", text, Weight.WARNING)
    if vault.key_available and not vault.index_complete:
        yield bad("index", _("the index is not complete; rebuild it"), Weight.WARNING)
    if vault.total_bytes and vault.free_bytes < FREE_SHARE_LOW * vault.total_bytes:
        left = _("only {size} free ({share})").format(
            size=size(vault.free_bytes), share=percent(vault.free_bytes, vault.total_bytes)
        )
        yield bad("space", left, Weight.WARNING)


def _of_proofs(due: list[str]) -> Iterator[Attention]:
    """One line for all servers whose restore was not tried out lately."""
    if due:
        text = ngettext(
            "no recent proof of restore of {count} server: {names}",
            "no recent proof of restore of {count} servers: {names}",
            len(due),
        )
        names = ", ".join(due[:NAMED]) + (", …" if len(due) > NAMED else "")
        yield Attention(
            "proofs", Weight.WARNING, _("Restore drills"), text.format(count=len(due), names=names), "servers"
        )


def _of_server(server: ServerView, model: CoreModel, formats: Formats) -> Iterator[Attention]:
    def found(key: str, weight: Weight, text: str, job_id: str = "") -> Attention:
        return Attention(f"{server.id}-{key}", weight, server.name, text, "servers", job_id)

    now = formats.now()
    if server.version_standing is not Standing.CURRENT:
        words = version_words(server.version_standing)
        text = _("its agent's version {version} is {words}").format(version=server.agent_version, words=words)
        yield found("version", Weight.WARNING if server.version_standing.is_served else Weight.ERROR, text)
    if not server.connected:
        waiting = sum(1 for job in model.active_jobs() if job.server_id == server.id and job.state.is_waiting)
        text = _("agent away, last seen {ago}").format(ago=formats.ago(server.last_seen_at))
        if waiting:
            text += "; " + ngettext("{count} job waits", "{count} jobs wait", waiting).format(count=waiting)
        yield found("away", Weight.WARNING, text)
    last = _last_backup_job(server, model)
    if server.last_backup_state in _BAD_ENDS:
        text = _("last backup failed") if server.last_backup_state is JobState.FAILED else _("last backup was aborted")
        yield found("failed", Weight.ERROR, f"{text}, {formats.ago(server.last_backup_at)}", last)
    elif server.last_backup_state is JobState.SUCCESSFUL_WITH_ERRORS:
        yield found("missing", Weight.WARNING, _("last backup could not read every file"), last)
    if server.last_backup_at is None and model.active_backup_of(server.id) is None:
        yield found("never", Weight.WARNING, _("never backed up; press b to do it now"))
    elif server.last_backup_at is not None and now - server.last_backup_at > BACKUP_OLD_AFTER:
        yield found("old", Weight.WARNING, _("last backup {ago}").format(ago=formats.ago(server.last_backup_at)))
    ends, overdue = server.certificate_ends_at, server.certificate_overdue_at
    if ends is not None and overdue is not None and overdue <= now:
        left = span(max(0.0, (ends - now).total_seconds()))
        yield found("certificate", Weight.WARNING, _("its certificate ends in {span}").format(span=left))


def _last_backup_job(server: ServerView, model: CoreModel) -> str:
    return next(
        (
            job.id
            for job in model.finished_jobs()
            if job.server_id == server.id and job.kind is JobKind.FILE_BACKUP and job.state is server.last_backup_state
        ),
        "",
    )
