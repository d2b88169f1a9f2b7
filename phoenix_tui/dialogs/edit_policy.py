"""A form for a group, policy or rule; what the core says is wrong stands below it, with the field's name."""

from collections.abc import Callable
from enum import StrEnum
from typing import NamedTuple

import msgspec
from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Label, Static

from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.policies import BackupPolicy, ContentRule, MissedRun, Retention, ServerGroup
from phoenix_core.domain.quantities import parse_size, parse_time, typed_size, typed_time
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_tui.actions import bindings
from phoenix_tui.dialogs.rule_test import open_rule_test
from phoenix_tui.i18n import _
from phoenix_tui.tones import BAD
from phoenix_tui.widgets.controls import PushButton
from phoenix_tui.widgets.policy_facts import Item


class Field(NamedTuple):
    """One line of the form."""

    name: str
    """Of the structure's field; `retention.daily` is one of its retention's."""
    label: str
    example: str = ""
    unit: str = ""
    """`size` or `time`: typed as `10M` or `30d`."""


_NAME = Field("name", _("Name"))
FIELDS: dict[type[Item], tuple[Field, ...]] = {
    ServerGroup: (
        _NAME,
        Field("policy", _("Policy"), "nightly"),
        Field("rules", _("Rules"), "web; database"),
        Field("servers", _("Servers"), "web1; web2"),
    ),
    BackupPolicy: (
        _NAME,
        Field("schedule", _("Schedule"), "daily at 02:00; weekly on sun at 12:00"),
        Field("time_zone", _("Time zone"), "Europe/Berlin"),
        Field("window", _("Window"), "mon-fri 20:00-06:00"),
        Field("bandwidth", _("Bandwidth"), "mon-fri 08:00-18:00 10M"),
        Field("pre_script", _("Pre-script"), "dump-databases.sh"),
        Field("pre_script_needed", _("Needed"), _("yes, no: skip the backup without it")),
        Field("post_script", _("Post-script"), "notify.sh"),
        Field("script_timeout_s", _("Its seconds"), "3600"),
        Field("source_snapshot", _("Snapshots"), "off, if_available, required"),
        Field("missed", _("Missed runs"), "run, skip"),
        Field("retries", _("Retries"), "0"),
        Field("retry_delay_s", _("Seconds later"), "600"),
        Field("reread_every", _("Re-read every"), _("0; 10: each 10th run reads all files")),
        Field("retention.last", _("Keep last"), "0"),
        Field("retention.daily", _("Keep daily"), "0"),
        Field("retention.weekly", _("Keep weekly"), "0"),
        Field("retention.monthly", _("Keep monthly"), "0"),
        Field("retention.yearly", _("Keep yearly"), "0"),
        Field("drill", _("Restore drill"), "monthly on 1 at 05:00"),
        Field("drill_sample", _("Its sample"), "100, 2G, all"),
        Field("drill_max_bytes", _("Its bytes"), "1073741824"),
        Field("drill_on", _("On server"), "web2"),
    ),
    ContentRule: (
        _NAME,
        Field("paths", _("Folders"), "/etc; /srv"),
        Field("excludes", _("Without"), "*.tmp; /srv/cache/"),
        Field("includes", _("Only matching"), "/srv/www/; *.conf"),
        Field("only_extensions", _("Only these"), "jpg; tar.gz"),
        Field("not_extensions", _("None of these"), "tmp; iso"),
        Field("smallest_bytes", _("Smallest"), "4K", "size"),
        Field("largest_bytes", _("Largest"), "2G", "size"),
        Field("changed_within_s", _("Changed within"), "30d", "time"),
        Field("older_than_s", _("Older than"), "12h", "time"),
        Field("skip_caches", _("Skip caches"), _("yes, no: folders tagged by CACHEDIR.TAG")),
        Field("disk_images", _("Disk images"), "*.img; *.vhd"),
        Field("cross_mounts", _("File systems"), _("yes, no: enter those below")),
        Field("streams", _("Streams"), "orders=dump-orders"),
    ),
}
_TITLES = {ServerGroup: _("Server group"), BackupPolicy: _("Backup policy"), ContentRule: _("Content rule")}
LISTED = "; "
"""Between the parts of a list."""


class Unfit(Exception):
    """What was typed is of another kind than its field; says so."""


class EditPolicy(ModalScreen[bool | None]):
    """True: the core took it; None: nothing changed."""

    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "Input"

    def __init__(self, client: CoreClient, item: Item, *, is_new: bool) -> None:
        super().__init__()
        self._client = client
        self._item = item
        self._is_new = is_new

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide"):
            yield Static(_TITLES[type(self._item)], classes="dialog-title", markup=False)
            with VerticalScroll(classes="form-fields"):
                for field in FIELDS[type(self._item)]:
                    with Horizontal(classes="form-line"):
                        yield Label(field.label, classes="form-name")
                        yield Input(_shown(self._item, field), placeholder=field.example, name=field.name)
            yield Static(id="wrong", markup=False)
            with Horizontal(classes="dialog-buttons"):
                yield PushButton(_("Cancel"), id="no")
                if isinstance(self._item, ContentRule):
                    yield PushButton(_("Test"), id="test")
                yield PushButton(_("Save"), id="save", variant="primary")

    def on_input_submitted(self) -> None:
        self._save()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "save":
            self._save()
        elif event.button.id == "test":
            self._test()
        else:
            self.dismiss(None)

    def action_refuse(self) -> None:
        self.dismiss(None)

    def _test(self) -> None:
        """Of the rule as it is typed, which need not be kept."""
        try:
            rule = self._typed()
        except Unfit as error:
            self._say(error)
            return
        if isinstance(rule, ContentRule):
            self.run_worker(open_rule_test(self.app, self._client, rule), name="open a test of a rule", exclusive=True)

    def _typed(self) -> Item:
        """Raises Unfit."""
        return _filled(self._item, {str(each.name): each.value for each in self.query(Input)})

    def _say(self, error: Exception) -> None:
        self.query_one("#wrong", Static).update(Content.styled(str(error), BAD))

    def _save(self) -> None:
        self.run_worker(self._saved(), name="save a policy, rule or group", exclusive=True)

    async def _saved(self) -> None:
        try:
            await self._put(self._typed())
        except (PhoenixError, Unfit) as error:
            if self.is_running:
                self._say(error)
            return
        self.dismiss(True)

    async def _put(self, item: Item) -> None:
        name = item.name if self._is_new else self._item.name
        if isinstance(item, ServerGroup):
            await self._client.put_group(name, item, new=self._is_new)
        elif isinstance(item, BackupPolicy):
            await self._client.put_policy(name, item, new=self._is_new)
        else:
            await self._client.put_rule(name, item, new=self._is_new)


def _shown(item: Item, field: Field) -> str:
    value = getattr(item.retention if field.name.startswith("retention.") else item, field.name.rpartition(".")[2])  # type: ignore[union-attr]
    if field.unit:
        return _UNITS[field.unit].shown(value)
    if isinstance(value, tuple):
        return LISTED.join(value)
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value)


def _filled(item: Item, typed: dict[str, str]) -> Item:
    """The item with what was typed. Raises Unfit."""
    changes: dict[str, object] = {}
    retention: dict[str, object] = {}
    for field in FIELDS[type(item)]:
        whole, _dot, part = field.name.partition(".")
        kind = type(getattr(Retention() if part else item, part or whole))
        text = typed[field.name].strip()
        value = _measured(field, text) if field.unit else _READ[kind](field, text)
        (retention if part else changes)[part or whole] = value
    if isinstance(item, BackupPolicy):
        changes["retention"] = msgspec.structs.replace(item.retention, **retention)
    return msgspec.structs.replace(item, **changes)


def _measured(field: Field, text: str) -> int:
    try:
        return _UNITS[field.unit].read(text or "0")
    except ValueError as error:
        raise Unfit(f"{field.label}: {error}.") from error


def _whole(field: Field, text: str) -> int:
    if not text.isdigit():
        raise Unfit(_("{field}: a whole number is wanted.").format(field=field.label))
    return int(text)


def _flag(field: Field, text: str) -> bool:
    if text.lower() not in {_("yes"), _("no")}:
        raise Unfit(_("{field}: yes or no is wanted.").format(field=field.label))
    return text.lower() == _("yes")


def _one_of(kind: type[StrEnum]) -> Callable[[Field, str], StrEnum]:
    def read(field: Field, text: str) -> StrEnum:
        try:
            return kind(text.lower())
        except ValueError as error:
            wanted = ", ".join(kind)
            raise Unfit(_("{field}: one of {wanted} is wanted.").format(field=field.label, wanted=wanted)) from error

    return read


class _Unit(NamedTuple):
    shown: Callable[[int], str]
    read: Callable[[str], int]


_UNITS = {"size": _Unit(typed_size, parse_size), "time": _Unit(typed_time, parse_time)}
_READ: dict[type, Callable[[Field, str], object]] = {
    str: lambda field, text: text,
    int: _whole,
    bool: _flag,
    MissedRun: _one_of(MissedRun),
    SourceSnapshot: _one_of(SourceSnapshot),
    tuple: lambda field, text: tuple(part.strip() for part in text.split(";") if part.strip()),
}
