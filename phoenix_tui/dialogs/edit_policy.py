"""A form for a group, policy or rule; what the core says is wrong stands below it, with the field's name."""

from functools import partial

from textual.app import ComposeResult
from textual.widgets import Button

from phoenix_core.client import CoreClient
from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_tui.background import in_background
from phoenix_tui.dialogs.edit_form import EditForm
from phoenix_tui.dialogs.fields import Field, Unfit, filled
from phoenix_tui.dialogs.rule_test import open_rule_test
from phoenix_tui.i18n import _
from phoenix_tui.widgets.controls import PushButton
from phoenix_tui.widgets.policy_facts import Item

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


class EditPolicy(EditForm):
    def __init__(self, client: CoreClient, item: Item, *, is_new: bool) -> None:
        super().__init__(_TITLES[type(item)], item, FIELDS[type(item)])
        self._client = client
        self._item = item
        self._is_new = is_new

    def compose_buttons(self) -> ComposeResult:
        if isinstance(self._item, ContentRule):
            yield PushButton(_("Test"), id="test")

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "test":
            self._test()

    def _test(self) -> None:
        """Of the rule as it is typed, which need not be kept."""
        try:
            rule = self._filled()
        except Unfit as error:
            self.say(error)
            return
        if isinstance(rule, ContentRule):
            opening = partial(open_rule_test, self.app, self._client, rule)
            in_background(self, opening, "open a test of a rule")

    def _filled(self) -> Item:
        """Raises Unfit."""
        return filled(self._item, FIELDS[type(self._item)], self.typed())

    async def put(self) -> None:
        item = self._filled()
        name = item.name if self._is_new else self._item.name
        if isinstance(item, ServerGroup):
            await self._client.put_group(name, item, new=self._is_new)
        elif isinstance(item, BackupPolicy):
            await self._client.put_policy(name, item, new=self._is_new)
        else:
            await self._client.put_rule(name, item, new=self._is_new)
