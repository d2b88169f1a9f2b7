"""Server groups, backup policies and content rules in one list: what each says, and forms to make and change them."""

import asyncio
from datetime import datetime
from functools import partial

from textual.app import ComposeResult
from textual.containers import Container, VerticalScroll
from textual.content import Content

from phoenix_core.domain.errors import ErrorView, PhoenixError
from phoenix_core.domain.policies import BackupPolicy, Config, ContentRule, ServerGroup
from phoenix_core.domain.readymade import READY_MADE
from phoenix_tui.actions import bindings
from phoenix_tui.background import in_background
from phoenix_tui.context import Context
from phoenix_tui.dialogs.choose import Choice, Choose
from phoenix_tui.dialogs.confirm import Confirm
from phoenix_tui.dialogs.edit_policy import EditPolicy
from phoenix_tui.dialogs.rule_test import open_rule_test
from phoenix_tui.i18n import _
from phoenix_tui.messages import OpenRetention
from phoenix_tui.screens.config_intentions import ConfigIntentions
from phoenix_tui.screens.searching import SearchableScreen
from phoenix_tui.tones import DIM
from phoenix_tui.widgets.columns import Column
from phoenix_tui.widgets.face import Face, empty, failed, loading
from phoenix_tui.widgets.facts import Fact, Facts
from phoenix_tui.widgets.policy_facts import Item, facts_of, texts_of
from phoenix_tui.widgets.row_table import Cell, RowTable

_KIND = {ServerGroup: _("group"), BackupPolicy: _("policy"), ContentRule: _("rule")}
NEXT_RUNS = 10


class PoliciesScreen(ConfigIntentions, SearchableScreen):
    BINDINGS = bindings("policies")
    place = "policies"
    search_for = _("Text in the line, such as a group's or a server's name")

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self._config: Config | None = None
        self._runs: dict[str, list[datetime]] = {}
        self._problem: ErrorView | None = None

    def compose_body(self) -> ComposeResult:
        yield from self.compose_search()
        with Container(classes="halves"):
            yield RowTable[Item](
                (Column(_("Kind"), 6), Column(_("Name"), 20), Column(_("What it says"))),
                key=lambda item: f"{_KIND[type(item)]} {item.name}",
                cells=self._cells,
            )
            with VerticalScroll(id="detail-part", classes="part"):
                yield Facts(id="detail")

    async def fetch(self) -> None:
        try:
            config = await self.client.config()
            names = [policy.name for policy in config.policies]
            runs = await asyncio.gather(*(self.client.runs(name, NEXT_RUNS) for name in names))
        except PhoenixError as error:
            self._problem = error.view()
        else:
            self._config, self._problem = config, None
            self._runs = dict(zip(names, runs, strict=True))
        self.update_view()

    def face(self) -> Face | None:
        if self._config is None:
            return failed(self._problem) if self._problem else loading()
        if not self._items():
            return empty(
                _("No schedule yet"),
                _(
                    "A content rule says what is backed up, a policy when and what stays; a group attaches both to "
                    "servers. Press n to make one."
                ),
            )
        return None

    def _items(self) -> list[Item]:
        config = self._config or Config()
        return [*config.groups, *config.policies, *config.rules]

    def show_model(self) -> None:
        self.query_one(RowTable).show([each for each in self._items() if self.holds(each.name, *texts_of(each))])
        self._show_detail()

    def _cells(self, item: Item) -> list[Cell]:
        return [Content.styled(_KIND[type(item)], DIM), item.name, " · ".join(text for text in texts_of(item) if text)]

    def _show_detail(self) -> None:
        item = self._item()
        if item is not None:
            self.query_one("#detail-part").border_title = item.name.replace("[", r"\[")
            self.query_one("#detail", Facts).show(self._facts(item))

    def _facts(self, item: Item) -> list[Fact]:
        if isinstance(item, ServerGroup):
            return facts_of(item, "", self._next_runs(item.policy, 1))
        used = ", ".join(group.name for group in (self._config or Config()).groups if _uses(group, item))
        return facts_of(item, used or _("none"), self._next_runs(item.name, NEXT_RUNS))

    def _next_runs(self, policy: str, count: int) -> str:
        return "; ".join(self.formats.moment(run) for run in self._runs.get(policy, [])[:count]) or _("none")

    # --- intentions --------------------------------------------------------------------------------------------------

    def _item(self) -> Item | None:
        item = self.query_one(RowTable).cursor_item
        return item if isinstance(item, Item) else None

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in {"change", "remove"}:
            return self.is_whole and self._config is not None and self._item() is not None
        if action == "retention":
            return self.is_whole and bool(self._policy())
        if action == "test":
            return self.is_whole and self._config is not None and isinstance(self._item(), ContentRule)
        return super().check_action(action, parameters)

    def on_row_table_highlighted(self) -> None:
        self._show_detail()
        self.refresh_offer()

    def on_row_table_opened(self) -> None:
        self.action_change()

    def action_change(self) -> None:
        item = self._item()
        if item is not None:
            self._edit(item, is_new=False)

    def action_test(self) -> None:
        item = self._item()
        if isinstance(item, ContentRule):
            opening = partial(open_rule_test, self.app, self.client, item)
            in_background(self, opening, "open a test of a rule")

    def action_retention(self) -> None:
        policy = self._policy()
        if policy:
            self.post_message(OpenRetention(policy=policy))

    def _policy(self) -> str:
        """Name of the chosen policy, or of the chosen group's; empty: there is none."""
        item = self._item() if self._config is not None else None
        if isinstance(item, ServerGroup):
            return item.policy
        return item.name if isinstance(item, BackupPolicy) else ""

    def action_new(self) -> None:
        choices = (
            Choice("rule", _("Content rule"), _("Which folders are backed up")),
            Choice("policy", _("Backup policy"), _("When servers are backed up, and what stays")),
            Choice("group", _("Server group"), _("Servers, with a policy and rules")),
            *(Choice(rule.name, rule.name, _("Ready-made content rule of a whole server")) for rule in READY_MADE),
        )

        def chosen(kind: str | None) -> None:
            made: dict[str, Item] = {"rule": ContentRule(""), "policy": BackupPolicy(""), "group": ServerGroup("")}
            made |= {rule.name: rule for rule in READY_MADE}
            if kind is not None:
                self._edit(made[kind], is_new=True)

        self.app.push_screen(Choose(_("Make which?"), choices), chosen)

    def _edit(self, item: Item, *, is_new: bool) -> None:
        self.app.push_screen(EditPolicy(self.client, item, is_new=is_new), self._changed)

    def _changed(self, changed: bool | None) -> None:
        if changed:
            self.read()

    def action_remove(self) -> None:
        item = self._item()
        if item is None:
            return
        work = {
            ServerGroup: self.client.remove_group,
            BackupPolicy: self.client.remove_policy,
            ContentRule: self.client.remove_rule,
        }[type(item)]
        text = _("What was backed up stays.") if isinstance(item, ServerGroup) else _("No group may have it any more.")

        def answered(yes: bool | None) -> None:
            if yes:
                self.attempt(work(item.name), "remove a policy, rule or group", lambda done: self.read())

        question = _("Remove {kind} {name}?").format(kind=_KIND[type(item)], name=item.name)
        self.app.push_screen(Confirm(question, text, _("Remove it")), answered)


def _uses(group: ServerGroup, item: BackupPolicy | ContentRule) -> bool:
    return item.name in group.rules if isinstance(item, ContentRule) else item.name == group.policy
