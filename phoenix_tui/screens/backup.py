"""Backup Now: which server, which folders, what to leave out; or a stream; tags, and the source."""

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Button, Checkbox, Input, Label, Select, TextArea

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.names import absolute
from phoenix_core.domain.policies import Config, ContentRule
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.sourcesnapshot import SourceSnapshot
from phoenix_core.domain.views import JobView, ServerView
from phoenix_tui.actions import bindings
from phoenix_tui.context import Context
from phoenix_tui.first_steps import ends_with_console, first_steps
from phoenix_tui.i18n import _
from phoenix_tui.messages import OpenJob
from phoenix_tui.model import Topic
from phoenix_tui.screens.reading import ReadingScreen
from phoenix_tui.signs import AWAY
from phoenix_tui.toast import toast_error
from phoenix_tui.widgets.controls import CheckMark, PushButton
from phoenix_tui.widgets.face import Face, empty
from phoenix_tui.widgets.focus import focus_now

FOLDERS_LIKE = _("One on each line, such as /etc")
PATTERNS_LIKE = _("One pattern on each line, such as *.tmp or /var/cache")
AS_POLICY = "as-policy"
_SOURCES = (
    (_("as its policy says"), AS_POLICY),
    (_("live files"), SourceSnapshot.OFF),
    (_("snapshots of file systems where there can be some"), SourceSnapshot.IF_AVAILABLE),
    (_("snapshots of file systems; no backup without them"), SourceSnapshot.REQUIRED),
)


class BackupScreen(ReadingScreen):
    """Where no folder is typed, the core takes what the server's group or its last backup says; the empty fields tell
    what that is."""

    BINDINGS = bindings("backup")
    place = "backup"
    top = "servers"
    topics = frozenset({Topic.SERVERS})
    is_form = True
    AUTO_FOCUS = ""

    def __init__(self, context: Context, server_id: str = "") -> None:
        super().__init__(context)
        self._server_id = server_id
        self._offered: list[tuple[Content, str]] = []
        self._config: Config | None = None

    def compose_body(self) -> ComposeResult:
        with Vertical(id="form"):
            yield Label(_("Back up now"), classes="form-title")
            with Horizontal(classes="form-row"):
                yield Label(_("Server"), classes="form-name")
                yield Select[str]([], id="server", compact=True, allow_blank=True, prompt=_("Choose one"))
            with Horizontal(classes="form-row tall"):
                yield Label(_("Folders"), classes="form-name")
                yield TextArea(id="paths", compact=True, placeholder=FOLDERS_LIKE)
            with Horizontal(classes="form-row tall"):
                yield Label(_("Leave out"), classes="form-name")
                yield TextArea(id="excludes", compact=True, placeholder=PATTERNS_LIKE)
            with Horizontal(classes="form-row"):
                yield Label(_("Or a stream"), classes="form-name")
                yield Input(placeholder=_("Its name, such as orders"), id="stream", compact=True)
                yield Input(placeholder=_("The script that prints it"), id="script", compact=True)
            with Horizontal(classes="form-row"):
                yield Label(_("Tags"), classes="form-name")
                yield Input(placeholder=_("Such as: month-end yearly"), id="tags", compact=True)
            with Horizontal(classes="form-row apart"):
                yield Label(_("Read from"), classes="form-name")
                yield Select[str](_SOURCES, value=AS_POLICY, id="source", compact=True, allow_blank=False)
            with Vertical(id="options"):
                yield CheckMark(_("Go into other file systems mounted below"), id="cross-mounts")
                yield CheckMark(_("Read every file, whatever the last backup says"), id="full")
                yield CheckMark(_("Trial only: say what would be stored, store nothing"), id="dry-run")
            with Horizontal(classes="form-buttons"):
                yield PushButton(_("Start the backup"), id="start", variant="primary")
                yield PushButton(_("Back"), id="back")

    async def fetch(self) -> None:
        try:
            self._config = await self.client.config()
        except PhoenixError as error:
            toast_error(self, error)
            return
        if not self.is_whole:
            return
        server = self._server()
        self._tell_what_holds()
        if server is not None and not self._holds(server) and self.focused is self.query_one("#start"):
            focus_now(self.query_one("#paths"))

    def face(self) -> Face | None:
        if not self._choices():
            steps = first_steps(self.model, self.context.command)
            if ends_with_console(self.model) and steps is not None:
                return steps
            return empty(_("There is no server to back up"), _("Press escape, then n to protect a server."))
        return None

    def show_model(self) -> None:
        self._tell_what_holds()
        choices = self._choices()
        if choices == self._offered:
            return
        first = not self._offered
        self._offered = choices
        select = self.query_one("#server", Select)
        chosen = self._server_id if first else select.value
        select.set_options(choices)
        ids = [server_id for _name, server_id in choices]
        if chosen in ids or len(ids) == 1:
            select.value = chosen if chosen in ids else ids[0]
            focus_now(self.query_one("#start" if self._server_id else "#paths"))
        else:
            focus_now(select)

    def _choices(self) -> list[tuple[Content, str]]:
        return [(Content(_label(server)), server.id) for server in self.model.servers_by_name() if not server.revoked]

    # --- what is taken where nothing is typed ------------------------------------------------------------------------

    def on_select_changed(self, event: Select.Changed) -> None:
        if event.select.id == "source":
            return
        server = self._server()
        self._tell_what_holds()
        if server is not None and not self._holds(server):
            focus_now(self.query_one("#paths"))

    def on_text_area_changed(self) -> None:
        self._tell_what_holds()

    def on_input_changed(self) -> None:
        self._tell_what_holds()

    def _of_stream(self) -> bool:
        return bool(self._typed("#stream") or self._typed("#script"))

    def _server(self) -> ServerView | None:
        return self.model.servers.get(str(self.query_one("#server", Select).value))

    def _rules(self, server: ServerView) -> tuple[ContentRule, ...]:
        return self._config.rules_of(server.name) if self._config is not None else ()

    def _holds(self, server: ServerView) -> bool:
        """Whether the core knows what to take of it; it may, as long as the rules are not read."""
        return self._config is None or bool(self._rules(server) or server.default_paths)

    def _tell_what_holds(self) -> None:
        server = self._server()
        folders, patterns = FOLDERS_LIKE, PATTERNS_LIKE
        if self._of_stream():
            folders = patterns = _("Nothing: the stream is backed up by itself")
        elif server is not None and self._holds(server):
            rules = self._rules(server)
            folders = self._folders_that_hold(server, rules)
            if self._config is not None and not self._lines("#paths"):
                patterns = _patterns_that_hold(rules)
        self.query_one("#paths", TextArea).placeholder = Content(folders)
        self.query_one("#excludes", TextArea).placeholder = Content(patterns)

    def _folders_that_hold(self, server: ServerView, rules: tuple[ContentRule, ...]) -> str:
        if rules:
            named = "; ".join(f"{rule.name} ({', '.join(rule.paths)})" for rule in rules)
            return _("By its group's rules:\n{rules}").format(rules=named)
        if self._config is not None:
            return _("As the last backup:\n{paths}").format(paths=", ".join(server.default_paths))
        return _("By its group's rules, else as the last backup")

    # --- intentions --------------------------------------------------------------------------------------------------

    def on_button_pressed(self, event: Button.Pressed) -> None:
        if event.button.id == "start":
            self.action_start()
        else:
            self.app.pop_screen()

    def action_start(self) -> None:
        server, paths = self._server(), self._lines("#paths")
        if server is None:
            self._complain(_("Choose a server first."), "#server")
            return
        lacking = self._lacking_of_stream()
        if lacking:
            self._complain(*lacking)
            return
        sure = bool(paths) or self._of_stream() or self._holds(server)
        wrong = _wrong_of(paths) if sure else _("Name at least one folder.")
        if wrong:
            self._complain(wrong, "#paths")
            return
        source = str(self.query_one("#source", Select).value)
        request = BackupRequest(
            server=server.id,
            paths=tuple(paths),
            excludes=tuple(self._lines("#excludes")),
            cross_mounts=self.query_one("#cross-mounts", Checkbox).value,
            dry_run=self.query_one("#dry-run", Checkbox).value,
            full=self.query_one("#full", Checkbox).value,
            tags=tuple(self._typed("#tags").replace(",", " ").split()),
            source_snapshot=None if source == AS_POLICY else SourceSnapshot(source),
            stream=self._typed("#stream"),
            script=self._typed("#script"),
        )
        self.attempt(self.client.backup(request), "back up", self._began)

    def _lacking_of_stream(self) -> tuple[str, str] | None:
        """What a stream needs yet, as a sentence, and the field for it."""
        stream, script = self._typed("#stream"), self._typed("#script")
        if stream and not script:
            return _("Name the script that prints the stream."), "#script"
        if script and not stream:
            return _("Give the stream that the script prints a name."), "#stream"
        return None

    def _complain(self, wrong: str, field: str) -> None:
        self.notify(wrong, severity="warning", markup=False)
        focus_now(self.query_one(field))

    def _typed(self, field: str) -> str:
        return self.query_one(field, Input).value.strip()

    def _lines(self, field: str) -> list[str]:
        return [line.strip() for line in self.query_one(field, TextArea).text.splitlines() if line.strip()]

    def _began(self, job: JobView) -> None:
        self.context.live.know_job(job)
        self.post_message(OpenJob(job.id))


def _wrong_of(paths: list[str]) -> str:
    """What is wrong with the first that is no path, as a sentence; empty: all are paths."""
    try:
        for path in paths:
            absolute(path)
    except ValueError as error:
        return f"{error}."
    return ""


def _patterns_that_hold(rules: tuple[ContentRule, ...]) -> str:
    if not rules:
        return _("As the last backup")
    patterns = dict.fromkeys(pattern for rule in rules for pattern in rule.excludes)
    return _("As the rules say: {patterns}").format(patterns=", ".join(patterns) or _("nothing"))


def _label(server: ServerView) -> str:
    return (
        server.name
        if server.connected
        else _("{name}  ({sign} {word}: it waits for the agent)").format(
            name=server.name, sign=AWAY.sign, word=AWAY.word
        )
    )
