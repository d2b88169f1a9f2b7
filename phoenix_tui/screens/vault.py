"""The vault: its state and its numbers; verify, repair, prune, rebuild of the index."""

from textual.app import ComposeResult
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from phoenix_core.domain.requests import PruneRequest, RepairRequest, VerifyRequest
from phoenix_core.domain.states import JobKind, JobState, VerifyDepth
from phoenix_core.domain.views import JobView, VaultView
from phoenix_tui.actions import bindings
from phoenix_tui.dialogs.choose import Choice, Choose
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.typed_confirm import TypedConfirm
from phoenix_tui.first_steps import NO_VAULT, first_steps
from phoenix_tui.formats import NOTHING, number, percent, ratio, size
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.messages import CoreChanged, OpenJob
from phoenix_tui.model import Topic
from phoenix_tui.screens.base import ConsoleScreen
from phoenix_tui.tones import BAD, DIM, GOOD, PLAIN, WARN
from phoenix_tui.widgets.bar import bar
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face, failed
from phoenix_tui.widgets.facts import Fact, Facts
from phoenix_tui.widgets.job_cells import outcome_text, state_cell, time_cell
from phoenix_tui.widgets.row_table import Cell, RowTable

_KINDS = {
    JobKind.VERIFY,
    JobKind.REPAIR,
    JobKind.PRUNE,
    JobKind.REBUILD_INDEX,
    JobKind.SNAPSHOT_REMOVE,
    JobKind.RETENTION,
    JobKind.RESTORE_DRILL,
}
PRUNE_WORD = "prune"
BAR_CELLS = 24


class VaultScreen(ConsoleScreen):
    BINDINGS = bindings("vault")
    place = "vault"
    topics = frozenset({Topic.VAULT, Topic.JOBS, Topic.PROGRESS})

    _plan_id = ""
    """The job that makes the plan that the operator waits for."""
    _repair_id = ""
    """As `_plan_id`, of a repair."""

    def compose_body(self) -> ComposeResult:
        yield Static(id="state")
        with VerticalScroll(id="facts-part", can_focus=False):
            yield Facts(id="facts", classes="facts")
        with Vertical(id="jobs-part", classes="part"):
            yield RowTable[JobView](
                (Column("", 12), Column("", 15), Column(""), Column(""), Column("", 7, right=True)),
                key=lambda job: job.id,
                cells=self._cells,
                header=False,
            )
            yield Static(_("No verify or prune has run yet. Press v to verify."), id="no-jobs")

    def on_mount(self) -> None:
        self.query_one("#jobs-part").border_title = _("Work on the vault")
        super().on_mount()

    def face(self) -> Face | None:
        if self.model.vault is None and self.model.vault_problem is not None:
            if self.model.vault_problem.code == NO_VAULT:
                return first_steps(self.model, self.context.command)
            return failed(self.model.vault_problem)
        return None

    def show_model(self) -> None:
        vault = self.model.vault
        if vault is None:
            return
        self.query_one("#state", Static).update(_state(vault))
        self.query_one("#facts", Facts).show(self._facts(vault))
        jobs = [job for job in self.model.jobs_newest_first() if job.kind in _KINDS]
        self.query_one(RowTable).show(jobs)
        self.query_one("#no-jobs").display = not jobs

    def _facts(self, vault: VaultView) -> list[Fact]:
        used = vault.total_bytes - vault.free_bytes
        disk = Content(NOTHING)
        if vault.total_bytes:
            free = _("{size} free ({share})").format(
                size=size(vault.free_bytes), share=percent(vault.free_bytes, vault.total_bytes)
            )
            disk = Content.assemble(bar(used / vault.total_bytes, BAR_CELLS), f"  {free}")
        holds = ngettext("{count} snapshot, {size}", "{count} snapshots, {size}", vault.snapshots).format(
            count=number(vault.snapshots), size=size(vault.source_bytes)
        )
        lost = _("; {count} lost").format(count=number(vault.lost_snapshots)) if vault.lost_snapshots else ""
        packs = ngettext("{count} pack", "{count} packs", vault.packs).format(count=number(vault.packs))
        chunks = ngettext("{count} chunk", "{count} chunks", vault.chunks).format(count=number(vault.chunks))
        return [
            (_("Place"), vault.location),
            (_("Disk"), disk),
            (_("Holds"), Content.assemble(holds, (lost, BAD))),
            (
                _("Stored"),
                f"{size(vault.stored_bytes)}, {_('reduced')} {ratio(vault.source_bytes, vault.stored_bytes)}",
            ),
            (_("Packs"), _("{packs} with {chunks}").format(packs=packs, chunks=chunks)),
            (_("Not proved yet"), number(vault.unproved_packs)),
            (_("To be deleted"), number(vault.condemned_packs)),
            (_("Damaged or lost"), Content.styled(number(vault.damaged_packs), BAD if vault.damaged_packs else PLAIN)),
            (_("Last verify"), self._verified(vault)),
            (_("Read again"), vault.readings.text(self.formats.now()) if vault.readings else NOTHING),
            (_("Key"), _("in the {holder}").format(holder=vault.key_holder) if vault.key_available else NOTHING),
            (_("Id"), Content.styled(f"{vault.vault_id[:12]} · {_('format')} {vault.format_version}", DIM)),
        ]

    def _verified(self, vault: VaultView) -> Content | str:
        """The last verify of all snapshots that came to its end."""
        if vault.last_verify_at is None:
            return _("never of all snapshots; press v")
        found = Content.styled(_("damage found"), BAD) if _found_damage(vault) else Content(_("no damage"))
        when = self.formats.moment(vault.last_verify_at)
        return Content.assemble(found, f", {_('depth')} {vault.last_verify_depth or NOTHING}, {when}")

    def _cells(self, job: JobView) -> list[Cell]:
        outcome = outcome_text(job) if job.state.is_final else ""
        when = self.formats.time(job.finished_at or job.started_at or job.created_at)
        return [Content.styled(when, DIM), state_cell(job), job.title, outcome, time_cell(job, self.formats)]

    # --- intentions --------------------------------------------------------------------------------------------------

    def on_row_table_opened(self, event: RowTable.Opened) -> None:
        self._open(event.key)

    def _open(self, job_id: str) -> None:
        self.post_message(OpenJob(job_id))

    def _began(self, job: JobView) -> None:
        self.context.live.know_job(job)
        self._open(job.id)

    def action_verify(self) -> None:
        choices = (
            Choice(VerifyDepth.STRUCTURE, _("Structure"), _("Records, snapshots, folders; every pack is there. Fast.")),
            Choice(VerifyDepth.PACKS, _("Packs"), _("Also reads every pack and checks its hash.")),
            Choice(VerifyDepth.CHUNKS, _("Chunks"), _("Also decrypts and re-hashes every chunk. Slow, and certain.")),
        )

        def answered(depth: str | None) -> None:
            if depth is not None:
                request = VerifyRequest(depth=VerifyDepth(depth))
                self.attempt(self.client.verify(request), "verify", self._began)

        self.app.push_screen(Choose(_("How deep shall the vault be verified?"), choices), answered)

    def action_rebuild(self) -> None:
        question = Confirm(
            _("Rebuild the index?"),
            _("It is read anew from heads and tails of all packs. Backups and restores wait until it is done."),
            _("Rebuild"),
        )

        def answered(yes: bool | None) -> None:
            if yes:
                self.attempt(self.client.rebuild_index(), "rebuild the index", self._began)

        self.app.push_screen(question, answered)

    def action_repair(self) -> None:
        """Have a plan made; once it is there, ask whether to carry it out."""
        self.attempt(self.client.repair(RepairRequest()), "plan a repair", self._planning_repair)

    def _planning_repair(self, job: JobView) -> None:
        self.context.live.know_job(job)
        self._repair_id = job.id
        self.notify(_("Looking for what can be saved …"), markup=False)
        self._look_at_repair()

    def _look_at_repair(self) -> None:
        plan = self.model.jobs.get(self._repair_id)
        if plan is None or not plan.state.is_final:
            return
        self._repair_id = ""
        numbers = {name: int(value) for name, value in plan.result.items() if isinstance(value, int | float)}
        if not numbers.get("rescue_chunks", 0) and not numbers.get("damaged_index_objects", 0):
            self.notify(_("A repair would save nothing. What is damaged, its plan names."), markup=False)
            self._open(plan.id)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.attempt(self.client.repair(RepairRequest(execute=True)), "repair", self._began)

        self.app.push_screen(Confirm(_("Repair the vault?"), _repair_text(numbers), _("Repair")), answered)

    def action_prune(self) -> None:
        """Have a plan made; once it is there, ask whether to carry it out."""
        self.attempt(self.client.prune(PruneRequest()), "plan a prune", self._planning)

    def _planning(self, job: JobView) -> None:
        self.context.live.know_job(job)
        self._plan_id = job.id
        self.notify(_("Looking for what no snapshot needs …"), markup=False)
        self._look_at_plan()

    def _look_at_plan(self) -> None:
        plan = self.model.jobs.get(self._plan_id)
        if plan is None or not plan.state.is_final:
            return
        self._plan_id = ""
        if plan.state is not JobState.SUCCESSFUL:
            self.post_message(OpenJob(plan.id))
            return
        numbers = {name: int(value) for name, value in plan.result.items() if isinstance(value, int | float)}
        if not numbers.get("unused_packs", 0) and not numbers.get("rewrite_packs", 0):
            self.notify(_("There is nothing to prune: every pack is needed."), markup=False)
            return

        def answered(yes: bool | None) -> None:
            if yes:
                self.attempt(self.client.prune(PruneRequest(execute=True)), "prune", self._began)

        self.app.push_screen(
            TypedConfirm(_("Prune the vault?"), _plan_text(numbers), PRUNE_WORD, _("Delete them")), answered
        )

    def on_news(self, changed: CoreChanged) -> None:
        if self._plan_id and Topic.JOBS in changed.topics:
            self._look_at_plan()
        if self._repair_id and Topic.JOBS in changed.topics:
            self._look_at_repair()


def _repair_text(numbers: dict[str, int]) -> str:
    """What a repair would do, of the numbers of its plan."""
    chunks = numbers.get("rescue_chunks", 0)
    text = ngettext(
        "{count} chunk with {size} can be saved from damaged packs.",
        "{count} chunks with {size} can be saved from damaged packs.",
        chunks,
    ).format(count=number(chunks), size=size(numbers.get("rescue_bytes", 0)))
    objects = numbers.get("damaged_index_objects", 0)
    if objects:
        text += " " + ngettext(
            "{count} index object is written anew.", "{count} index objects are written anew.", objects
        ).format(count=number(objects))
    return text + " " + _("Nothing is deleted that may yet be read.")


def _plan_text(numbers: dict[str, int]) -> str:
    """What a prune would do, of the numbers of its plan."""
    unused, rewrite, jobs = (numbers.get(name, 0) for name in ("unused_packs", "rewrite_packs", "held_by_leases"))
    stopped = numbers.get("stopped_bytes", 0)
    text = ngettext(
        "{count} pack with {size} is needed by no snapshot and goes.",
        "{count} packs with {size} are needed by no snapshot and go.",
        unused,
    ).format(count=number(unused), size=size(numbers.get("unused_bytes", 0)))
    text += " " + ngettext(
        "{count} pack with {size} is mostly unused; what is needed of it is written anew.",
        "{count} packs with {size} are mostly unused; what is needed of them is written anew.",
        rewrite,
    ).format(count=number(rewrite), size=size(numbers.get("rewrite_bytes", 0)))
    if stopped:
        text += " " + _("Of that, {size} is of backups that were stopped: the next ones send it again.").format(
            size=size(stopped)
        )
    if jobs:
        text += " " + ngettext(
            "{count} job runs: what it may need stays.", "{count} jobs run: what they may need stays.", jobs
        ).format(count=number(jobs))
    return text


def _what_is_wrong(vault: VaultView) -> str:
    """The gravest of it; empty: nothing that is known."""
    found = (
        (vault.problem, vault.problem),
        (not vault.key_available, _("The key is not available. See: phoenix vault key status")),
        (vault.damaged_packs, _("Packs are damaged or lost. Press v: a verify names the files.")),
        (vault.lost_snapshots, _("Snapshots are lost. What to do says: phoenix doctor")),
        (_found_damage(vault), _("The last verify found damage. Mend it, then press v again.")),
    )
    return next((text for is_so, text in found if is_so), "")


def _found_damage(vault: VaultView) -> bool:
    return vault.last_verify_state is JobState.FAILED


def _state(vault: VaultView) -> Content:
    wrong = _what_is_wrong(vault)
    if wrong:
        return Content.assemble((f"  ✗ {wrong}", BAD))
    if not vault.index_complete:
        return Content.assemble((_("  ! The index is not complete. Press i to rebuild it."), WARN))
    if vault.last_verify_at is None:
        return Content(_("  · No damage is known; the vault was never verified as a whole: press v."))
    return Content.assemble((_("  ✓ The vault is in order."), GOOD))
