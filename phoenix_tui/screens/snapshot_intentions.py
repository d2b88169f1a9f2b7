"""What an operator decides about a snapshot: tags, a note, a hold, that it is removed, and that it is brought back."""

from datetime import timedelta

from phoenix_core.domain.annotations import NOTE_CHARS
from phoenix_core.domain.requests import HoldRequest, TagChange
from phoenix_core.domain.views import JobView, SnapshotView
from phoenix_tui.dialogs.ask_text import AskText
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.hold_snapshot import HoldSnapshot
from phoenix_tui.dialogs.typed_confirm import TypedConfirm
from phoenix_tui.formats import short_id
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.messages import OpenJob
from phoenix_tui.screens.searching import SearchableScreen
from phoenix_tui.widgets.snapshot_facts import hold_of, removal_of

UNDO_DAYS = "snapshots.undo_days"
"""The setting that says for how long a removal can be undone."""
DECISIONS = frozenset({"hold", "tags", "note"})


class SnapshotIntentions(SearchableScreen):
    def snapshot_in_hand(self) -> SnapshotView | None:
        """The snapshot that the operator means."""
        return None

    def read(self) -> None:
        """Read the snapshots anew."""

    # --- tags, note, hold --------------------------------------------------------------------------------------------

    def action_tags(self) -> None:
        snapshot = self.snapshot_in_hand()
        if snapshot is None:
            return

        def answered(text: str | None) -> None:
            if text is None:
                return
            wanted = {word.lower() for word in text.replace(",", " ").split()}
            before = set(snapshot.tags)
            change = TagChange(tuple(sorted(wanted - before)), tuple(sorted(before - wanted)))
            if change != TagChange():
                self.attempt(self.client.tag_snapshot(snapshot.id, change), "tag a snapshot", self._decided)

        question = _("Tags of snapshot {id}").format(id=short_id(snapshot.id))
        text = _("Words, with blanks between them. / in the list finds snapshots by them.")
        example = _("Such as: month-end yearly")
        self.app.push_screen(AskText(question, text, " ".join(snapshot.tags), _("Keep"), example=example), answered)

    def action_note(self) -> None:
        snapshot = self.snapshot_in_hand()
        if snapshot is None:
            return

        def answered(text: str | None) -> None:
            if text is not None and text.strip() != snapshot.note:
                self.attempt(self.client.note_snapshot(snapshot.id, text), "write a note", self._decided)

        question = _("Note on snapshot {id}").format(id=short_id(snapshot.id))
        text = _("It is kept in the vault. Empty: no note.")
        value = " ".join(snapshot.note.split())
        self.app.push_screen(AskText(question, text, value, _("Keep"), chars=NOTE_CHARS), answered)

    def action_hold(self) -> None:
        """Hold it, or end its hold."""
        snapshot = self.snapshot_in_hand()
        if snapshot is None:
            return
        name = short_id(snapshot.id)

        def held(wanted: HoldRequest | None) -> None:
            if wanted is not None:
                self.attempt(self.client.hold_snapshot(snapshot.id, wanted), "hold a snapshot", self._decided)

        def ended(yes: bool | None) -> None:
            if yes:
                self.attempt(self.client.release_snapshot(snapshot.id), "end a hold", self._decided)

        if snapshot.hold is None:
            self.app.push_screen(HoldSnapshot(_("Hold snapshot {id}?").format(id=name), self.formats.zone), held)
            return
        text = _("Held {hold}.").format(hold=hold_of(snapshot, self.formats.moment))
        text += " " + _("Without it retention and operators may remove the snapshot.")
        question = _("End the hold of snapshot {id}?").format(id=name)
        self.app.push_screen(Confirm(question, text, _("End the hold")), ended)

    def _decided(self, snapshot: SnapshotView) -> None:
        self.read()

    # --- removal -----------------------------------------------------------------------------------------------------

    def action_remove(self) -> None:
        """Remove it; one that was removed goes for good."""
        snapshot = self.snapshot_in_hand()
        if snapshot is None:
            return
        name = short_id(snapshot.id)
        if snapshot.hold is not None:
            text = _("Snapshot {id} is held {hold}. End its hold first: k.")
            told = text.format(id=name, hold=hold_of(snapshot, self.formats.moment))
            self.notify(told, severity="warning", markup=False)
            return
        at_once = snapshot.removed_at is not None
        work = self.client.remove_snapshot

        def answered(yes: bool | None) -> None:
            if yes:
                self.attempt(work(snapshot.id, typed=name, at_once=at_once), "remove a snapshot", self.job_began)

        self.app.push_screen(
            TypedConfirm(
                (_("Remove snapshot {id} for good?") if at_once else _("Remove snapshot {id}?")).format(id=name),
                self._removal_text(snapshot),
                name,
                _("Remove it for good") if at_once or self._undo_days() == 0 else _("Remove the snapshot"),
            ),
            answered,
        )

    def _undo_days(self) -> int | None:
        """None: not known."""
        value = self.model.settings.get(UNDO_DAYS, "")
        return int(value) if value.isdigit() else None

    def _removal_text(self, snapshot: SnapshotView) -> str:
        days = self._undo_days()
        moment = self.formats.moment
        of = _("Snapshot of {server}, {moment}.").format(
            server=snapshot.server_name, moment=moment(snapshot.created_at)
        )
        if snapshot.removed_at is not None:
            removed = _("Removed {removal}.").format(removal=removal_of(snapshot, moment))
            return f"{of} {removed} " + _("Now nothing brings it back any more.")
        if days == 0:
            for_good = _("The setting {key} is 0: it goes for good at once, and nothing brings it back.")
            return f"{of} {for_good.format(key=UNDO_DAYS)}"
        if days is None:
            undo = _("It can be brought back for as many days as the setting {key} says; then it goes for good.")
            return f"{of} {undo.format(key=UNDO_DAYS)}"
        until = self.formats.local(self.formats.now() + timedelta(days=days)).strftime("%Y-%m-%d %H:%M %Z")
        undo = ngettext(
            "It can be brought back for {count} day, until about {until} (u shows it); then it goes for good.",
            "It can be brought back for {count} days, until about {until} (u shows it); then it goes for good.",
            days,
        )
        return f"{of} {undo.format(count=days, until=until)}"

    def action_undelete(self) -> None:
        snapshot = self.snapshot_in_hand()
        if snapshot is not None and snapshot.removed_at is not None:
            self.attempt(self.client.undelete_snapshot(snapshot.id), "bring a snapshot back", self._brought_back)

    def _brought_back(self, snapshot: SnapshotView) -> None:
        text = _("Snapshot {id} is a restore point of {server} again.")
        self.notify(text.format(id=short_id(snapshot.id), server=snapshot.server_name), markup=False)
        self.read()

    def job_began(self, job: JobView) -> None:
        self.context.live.know_job(job)
        self.post_message(OpenJob(job.id))
