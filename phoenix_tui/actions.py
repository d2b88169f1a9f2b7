"""Everything that an operator can do in the console, in one table: bindings, footer, palette and help come from it."""

from typing import NamedTuple

from textual.binding import Binding, BindingType

from phoenix_tui.i18n import _

SEARCH = "search"
"""Its key is taken before the focused widget sees it, so that what is typed right behind it goes to the search field;
screens offer it only where no text is being typed."""


class Action(NamedTuple):
    id: str
    """`place.name`: the place is where it can be done, `app` for everywhere. The operator's own keys name it so."""
    key: str
    handler: str
    """Textual's form of the method that does it: `open_help`, `go('jobs')`."""
    label: str
    """For the footer: a word or two."""
    description: str
    """For palette, tooltip and help: a short sentence."""
    in_footer: bool = True

    @property
    def place(self) -> str:
        return self.id.partition(".")[0]


ACTIONS: tuple[Action, ...] = (
    Action("app.dashboard", "1", "go('dashboard')", _("Dashboard"), _("Show the dashboard"), False),
    Action("app.servers", "2", "go('servers')", _("Servers"), _("Show the protected servers"), False),
    Action("app.jobs", "3", "go('jobs')", _("Jobs"), _("Show the jobs"), False),
    Action("app.snapshots", "4", "go('snapshots')", _("Snapshots"), _("Show the snapshots"), False),
    Action("app.vault", "5", "go('vault')", _("Vault"), _("Show the vault"), False),
    Action("app.settings", "6", "go('settings')", _("Settings"), _("Show the settings"), False),
    Action("app.policies", "7", "go('policies')", _("Policies"), _("Show groups, policies and rules"), False),
    Action("app.alerts", "8", "go('alerts')", _("Alerts"), _("Show the alerts"), False),
    Action("app.notifications", "9", "go('notifications')", _("Notify"), _("Show whom alerts are told to"), False),
    Action("app.backup", "b", "backup", _("Backup"), _("Back up a server now"), False),
    Action("app.restore", "r", "restore", _("Restore"), _("Restore files and folders"), False),
    Action("app.find", "f", "find", _("Find"), _("Find a file in all snapshots by its name"), False),
    Action("app.theme", "ctrl+t", "next_theme", _("Theme"), _("Switch to the next theme"), False),
    Action("app.reconnect", "ctrl+r", "reconnect", _("Refresh"), _("Read everything anew from the core"), False),
    Action("app.help", "question_mark", "open_help", _("Help"), _("Show all keys and what things mean")),
    Action("app.leave", "q", "leave", _("Leave"), _("Leave the console")),
    Action("dashboard.backup", "b", "app.backup", _("Backup"), _("Back up a server now")),
    Action("dashboard.restore", "r", "app.restore", _("Restore"), _("Restore files and folders")),
    Action("dashboard.find", "f", "app.find", _("Find"), _("Find a file in all snapshots by its name")),
    Action("dashboard.new", "n", "new_server", _("New server"), _("Make the line that installs a new server's agent")),
    Action("servers.backup", "b", "backup", _("Backup"), _("Back up the chosen server now")),
    Action("servers.restore", "r", "restore", _("Restore"), _("Restore files of the chosen server")),
    Action("servers.jobs", "j", "jobs", _("Jobs"), _("Show the jobs of the chosen server")),
    Action("servers.new", "n", "new_server", _("New server"), _("Make the line that installs a new server's agent")),
    Action("servers.remove", "x", "remove", _("Remove"), _("Remove the chosen server; its snapshots stay")),
    Action("servers.undelete", "z", "undelete", _("Bring back"), _("Undo the removal of the chosen server")),
    Action("servers.drill", "d", "drill", _("Drill"), _("Try out a restore of the chosen server"), False),
    Action(
        "servers.upgrade", "u", "upgrade", _("Upgrade"), _("Have agents that are behind take the core's version"), False
    ),
    Action(
        "servers.retention",
        "k",
        "retention",
        _("Keeps"),
        _("Show which snapshots of the chosen server stay, and why"),
        False,
    ),
    Action("servers.search", "slash", "search", _("Search"), _("Show only servers whose line holds a text")),
    Action("jobs.cancel", "c", "cancel", _("Cancel"), _("Cancel the chosen job")),
    Action("jobs.retry", "t", "retry", _("Try again"), _("Do anew what the chosen job was to do")),
    Action("jobs.filter", "f", "filter", _("Filter"), _("Show all, active, finished or failed jobs")),
    Action("jobs.search", "slash", "search", _("Search"), _("Show only jobs whose line holds a text")),
    Action("job.cancel", "c", "cancel", _("Cancel"), _("Cancel this job")),
    Action("job.retry", "t", "retry", _("Try again"), _("Do anew what this job was to do")),
    Action("job.log", "l", "show_tab('log')", _("Log"), _("Show the job's log")),
    Action("job.missing", "m", "show_tab('files')", _("Missing"), _("Show the files that the job could not deal with")),
    Action("job.result", "i", "show_tab('result')", _("Result"), _("Show the numbers of the job's result")),
    Action("job.zoom", "z", "zoom", _("Zoom"), _("Give the lower panel the whole screen, and back")),
    Action("job.snapshot", "s", "snapshot", _("Snapshot"), _("Browse the snapshot that this job made"), False),
    Action("job.back", "escape", "app.back", _("Back"), _("Back to the screen before"), False),
    Action("snapshots.restore", "r", "restore", _("Restore"), _("Browse the chosen snapshot and restore from it")),
    Action(
        "snapshots.diff", "d", "diff", _("Changes"), _("Show what changed since the last snapshot of the same folders")
    ),
    Action(
        "snapshots.compare",
        "c",
        "compare",
        _("Compare"),
        _("Compare the chosen snapshot with what is there now"),
        False,
    ),
    Action("snapshots.job", "j", "job", _("Job"), _("Show the job that made the chosen snapshot"), False),
    Action("snapshots.server", "f", "filter", _("Server"), _("Show the snapshots of the next server, or of all")),
    Action("snapshots.verify", "v", "verify", _("Verify"), _("Read back every chunk of the chosen snapshot")),
    Action(
        "snapshots.remove",
        "x",
        "remove",
        _("Remove"),
        _("Remove the chosen snapshot, which can be undone for some days; a removed one for good"),
    ),
    Action("snapshots.undelete", "z", "undelete", _("Bring back"), _("Undo the removal of the chosen snapshot")),
    Action("snapshots.removed", "u", "removed", _("Removed"), _("Show removed snapshots, or the others again"), False),
    Action("snapshots.hold", "k", "hold", _("Hold"), _("Let nothing remove the chosen snapshot, or end that"), False),
    Action("snapshots.tags", "t", "tags", _("Tags"), _("Change the tags of the chosen snapshot"), False),
    Action("snapshots.note", "n", "note", _("Note"), _("Write a note on the chosen snapshot"), False),
    Action("snapshots.search", "slash", "search", _("Search"), _("Show only snapshots whose line holds a text")),
    Action("compare.restore", "r", "restore", _("Restore"), _("Restore the chosen entry as the snapshot has it")),
    Action("compare.content", "h", "by_content", _("Read all"), _("Compare again, and read every file")),
    Action("compare.job", "j", "job", _("Job"), _("Show the job that compares"), False),
    Action("compare.back", "escape", "app.back", _("Back"), _("Back to the screen before")),
    Action("find.restore", "ctrl+n", "restore", _("Restore"), _("Restore the chosen version")),
    Action("find.search", "slash", "search", _("Search"), _("Search for another name")),
    Action("find.back", "escape", "app.back", _("Back"), _("Back to the screen before")),
    Action("diff.back", "escape", "app.back", _("Back"), _("Back to the screen before")),
    Action("vault.verify", "v", "verify", _("Verify"), _("Check that all that snapshots need is there and right")),
    Action("vault.repair", "m", "repair", _("Repair"), _("Plan what can be saved of damaged packs"), False),
    Action("vault.prune", "p", "prune", _("Prune"), _("Plan the deletion of what no snapshot needs")),
    Action("vault.rebuild", "i", "rebuild", _("Rebuild index"), _("Rebuild the index from the vault alone")),
    Action("settings.change", "e", "change", _("Change"), _("Change the chosen setting")),
    Action("settings.default", "d", "default", _("Default"), _("Set the chosen setting to its default")),
    Action("settings.search", "slash", "search", _("Search"), _("Show only settings whose line holds a text")),
    Action("policies.new", "n", "new", _("New"), _("Make a group, policy or rule")),
    Action("policies.change", "e", "change", _("Change"), _("Change the chosen group, policy or rule")),
    Action("policies.test", "t", "test", _("Test"), _("Show what the chosen rule takes of a server, and why")),
    Action("policies.remove", "x", "remove", _("Remove"), _("Remove the chosen group, policy or rule")),
    Action(
        "policies.retention", "k", "retention", _("Keeps"), _("Show which snapshots the chosen policy keeps, and why")
    ),
    Action(
        "policies.save", "w", "save_config", _("Save"), _("Save policies, rules, groups and notifications to a file")
    ),
    Action(
        "policies.load", "l", "load_config", _("Load"), _("Show how a file differs from what is in force, and apply it")
    ),
    Action("policies.search", "slash", "search", _("Search"), _("Show only lines that hold a text")),
    Action("retention.which", "o", "which", _("Only goes"), _("Show only the snapshots that go, or all")),
    Action("retention.carry_out", "p", "carry_out", _("Remove now"), _("Remove what no policy keeps, of all servers")),
    Action("retention.back", "escape", "app.back", _("Back"), _("Back to the screen before")),
    Action("alerts.acknowledge", "a", "acknowledge", _("Acknowledge"), _("Tell that you know of the chosen alert")),
    Action("alerts.job", "j", "job", _("Job"), _("Show the job that the chosen alert is about")),
    Action("alerts.search", "slash", "search", _("Search"), _("Show only alerts whose line holds a text")),
    Action("notifications.new", "n", "new", _("New"), _("Make a notification channel or rule")),
    Action("notifications.change", "e", "change", _("Change"), _("Change the chosen channel or rule")),
    Action("notifications.test", "t", "test", _("Test"), _("Have a test message delivered by the chosen channel")),
    Action("notifications.remove", "x", "remove", _("Remove"), _("Remove the chosen channel or rule")),
    Action("notifications.search", "slash", "search", _("Search"), _("Show only channels and rules that hold a text")),
    Action("ruletest.which", "o", "which", _("Only out"), _("Show only what is left out, or all")),
    Action("ruletest.back", "escape", "refuse", _("Back"), _("End the test")),
    Action("backup.start", "ctrl+s", "start", _("Start"), _("Start the backup")),
    Action("backup.back", "escape", "app.back", _("Back"), _("Back without a backup")),
    Action("restore.next", "ctrl+n", "next", _("Next"), _("Go on to the next step")),
    Action("restore.search", "slash", "search", _("Search"), _("Search the snapshot by name or pattern")),
    Action("restore.back", "escape", "back", _("Back"), _("Back to the step before")),
    Action("table.up", "up", "move(-1)", _("Up"), _("One row up"), False),
    Action("table.down", "down", "move(1)", _("Down"), _("One row down"), False),
    Action("table.page_up", "pageup", "page(-1)", _("Page up"), _("One screenful up"), False),
    Action("table.page_down", "pagedown", "page(1)", _("Page down"), _("One screenful down"), False),
    Action("table.first", "home", "edge(0)", _("First"), _("To the first row"), False),
    Action("table.last", "end", "edge(-1)", _("Last"), _("To the last row"), False),
    Action("table.open", "enter", "open", _("Open"), _("Open what the cursor is on"), False),
    Action("tree.select", "space", "select", _("Select"), _("Select or deselect a file or folder")),
    Action("tree.open", "right", "open_folder", _("Open"), _("Open the folder"), False),
    Action("tree.close", "left", "close_folder", _("Close"), _("Close the folder, or the one around it"), False),
    Action("dialog.refuse", "escape", "refuse", _("No"), _("Leave the question; nothing happens"), False),
    Action("dialog.next", "right,down", "app.focus_next", _("Next"), _("To the next answer"), False),
    Action("dialog.previous", "left,up", "app.focus_previous", _("Previous"), _("To the previous answer"), False),
    Action("token.copy", "c", "copy", _("Copy"), _("Copy the line that installs a server's agent")),
    Action("help.back", "escape", "app.back", _("Back"), _("Back to the screen before")),
)

PLACES: dict[str, str] = {
    "app": _("Everywhere"),
    "dashboard": _("Dashboard"),
    "servers": _("Servers"),
    "jobs": _("Jobs"),
    "job": _("One job"),
    "snapshots": _("Snapshots"),
    "find": _("Find a file"),
    "compare": _("A snapshot beside what is there"),
    "diff": _("Changes"),
    "vault": _("Vault"),
    "settings": _("Settings"),
    "policies": _("Groups, policies and rules"),
    "retention": _("Which snapshots stay"),
    "alerts": _("Alerts"),
    "notifications": _("Channels and rules of notifications"),
    "ruletest": _("Test of a rule"),
    "backup": _("Backup"),
    "restore": _("Restore"),
    "table": _("In tables"),
    "tree": _("In a snapshot's tree"),
    "dialog": _("In questions"),
    "token": _("With a new server's line"),
    "help": _("Help"),
}


def actions_of(place: str) -> list[Action]:
    return [action for action in ACTIONS if action.place == place]


def bindings(place: str) -> list[BindingType]:
    """The actions of a place as Textual bindings, for a screen's `BINDINGS`."""
    return [
        Binding(
            action.key,
            action.handler,
            action.label,
            show=action.in_footer,
            tooltip=action.description,
            id=action.id,
            priority=action.handler == SEARCH,
        )
        for action in actions_of(place)
    ]
