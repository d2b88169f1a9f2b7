"""What is to be said of a snapshot, in cells and lines."""

from collections.abc import Callable
from datetime import datetime

from textual.content import Content

from phoenix_core.domain.views import SnapshotView
from phoenix_tui.formats import NOTHING, Formats, files, number, size
from phoenix_tui.i18n import _, ngettext
from phoenix_tui.tones import BAD, DIM, GOOD, STRONG, WARN
from phoenix_tui.widgets.facts import Fact


def facts_of(snapshot: SnapshotView, formats: Formats) -> list[Fact]:
    """All that an operator decided about it comes first."""
    moment = formats.moment
    folders = ngettext("{count} folder", "{count} folders", snapshot.directories)
    holds = f"{files(snapshot.files)}, {folders.format(count=number(snapshot.directories))}, {size(snapshot.bytes)}"
    facts: list[Fact] = []
    if snapshot.removed_at is not None:
        facts.append((_("Removed"), removal_of(snapshot, moment)))
    if snapshot.hold is not None:
        facts.append((_("Held"), hold_of(snapshot, moment)))
    if snapshot.tags:
        facts.append((_("Tags"), " ".join(snapshot.tags)))
    if snapshot.note:
        facts.append((_("Note"), " ".join(snapshot.note.split())))
    return [
        *facts,
        (_("Taken"), moment(snapshot.created_at)),
        (_("Of"), ", ".join(snapshot.paths)),
        (_("Holds"), holds),
        (_("Proved"), proof_of(snapshot)),
        (_("State"), _("lost; phoenix doctor says what to do") if snapshot.is_lost else snapshot.tier),
    ]


def removal_of(snapshot: SnapshotView, moment: Callable[[datetime | None], str]) -> str:
    return _("{moment} by {who}; can be brought back until about {until}, then it goes for good").format(
        moment=moment(snapshot.removed_at), who=snapshot.removed_by, until=moment(snapshot.undo_until)
    )


def hold_of(snapshot: SnapshotView, moment: Callable[[datetime | None], str]) -> str:
    """Such as `for ever, by anna: audit 2026`."""
    hold = snapshot.hold
    if hold is None:
        return _("no")
    until = _("until {moment}").format(moment=moment(hold.until)) if hold.until else _("for ever")
    return _("{until}, by {who}: {reason}").format(until=until, who=hold.who, reason=hold.reason)


def marks_of(snapshot: SnapshotView) -> Content:
    """Its tags, then how its note begins."""
    parts: list[str | tuple[str, str]] = [" ".join(snapshot.tags)]
    if snapshot.note:
        parts.append(((" " if snapshot.tags else "") + " ".join(snapshot.note.split()), DIM))
    return Content.assemble(*parts)


def held_of(snapshot: SnapshotView) -> Content:
    return Content.styled(_("held"), STRONG) if snapshot.hold is not None else Content.styled(NOTHING, DIM)


def missing_of(snapshot: SnapshotView) -> Content:
    """Also tells of a lost snapshot, since this column shows in a narrow terminal too."""
    if snapshot.is_lost:
        return Content.styled(_("✗ lost"), BAD)
    if snapshot.missing_count:
        return Content.styled(f"! {number(snapshot.missing_count)}", WARN)
    return Content.styled(NOTHING, DIM)


def proof_of(snapshot: SnapshotView) -> Content:
    if snapshot.is_lost:
        return Content.styled(_("✗ lost"), BAD)
    if snapshot.proved:
        return Content.styled(_("✓ proved"), GOOD)
    return Content.styled(_("· not yet"), DIM)
