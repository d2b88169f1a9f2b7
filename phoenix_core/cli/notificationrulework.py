"""What the commands on notification rules do."""

from collections.abc import Sequence
from enum import StrEnum
from typing import TypeVar

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm
from phoenix_core.cli.known import known_or
from phoenix_core.cli.output import print_facts, print_json, print_table, say
from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.errors import UsageError
from phoenix_core.domain.notifications import AT_ONCE, NotificationRule
from phoenix_core.host.datadir import DataDirectory

ALL = "all"

E = TypeVar("E", bound=StrEnum)


class RuleChanges(msgspec.Struct, frozen=True):
    """What a command names; None: left as it is."""

    channels: list[str] | None
    kinds: list[str] | None
    severity: str | None
    groups: list[str] | None
    when: str | None
    time_zone: str | None
    resolved: bool | None
    when_quiet: bool | None
    name: str | None

    def of(self, rule: NotificationRule) -> NotificationRule:
        """The rule, changed. Raises UsageError."""
        changes: dict[str, object] = {
            "channels": None if self.channels is None else tuple(self.channels),
            "kinds": None
            if self.kinds is None
            else tuple(member(AlertKind, "--kind", each) for each in _named(self.kinds)),
            "severity": None if self.severity is None else member(Severity, "--severity", self.severity),
            "groups": None if self.groups is None else tuple(_named(self.groups)),
            "when": self.when,
            "time_zone": self.time_zone,
            "resolved": self.resolved,
            "when_quiet": self.when_quiet,
            "name": self.name,
        }
        return msgspec.structs.replace(rule, **{field: value for field, value in changes.items() if value is not None})


def member(kind: type[E], option: str, word: str) -> E:
    """Raises UsageError."""
    try:
        return kind(word)
    except ValueError as error:
        raise UsageError(detail=f"{option} {word}: one of {', '.join(kind)} is wanted.") from error


def _named(given: Sequence[str]) -> list[str]:
    return [each for each in given if each != ALL]


async def list_all(data: DataDirectory, *, as_json: bool) -> None:
    async with attached(data) as client:
        rules = await client.notification_rules()
    if as_json:
        print_json(rules)
        return
    print_table(
        ("RULE", "TELLS", "OF", "WHEN", "BY"),
        [(rule.name, what(rule), of_whom(rule), when(rule), _by(rule)) for rule in rules],
        "There is no rule yet. Make one: `phoenix notification rule set urgent --channel NAME --severity error`.",
    )


async def show_one(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        rule = await client.notification_rule(name)
    _show(rule, as_json=as_json)


async def set_one(data: DataDirectory, name: str, changes: RuleChanges, *, as_json: bool) -> None:
    async with attached(data) as client:
        before = await known_or(client.notification_rule(name), NotificationRule(name=name))
        rule = await client.put_notification_rule(name, changes.of(before))
    _show(rule, as_json=as_json)


async def remove_one(data: DataDirectory, name: str, *, yes: bool, as_json: bool) -> None:
    async with attached(data) as client:
        rule = await client.notification_rule(name)
        confirm(f"remove notification rule {name}", yes=yes)
        await client.remove_notification_rule(name)
    if as_json:
        print_json(rule)
    else:
        say(f"Removed notification rule {name}.")


def what(rule: NotificationRule) -> str:
    """Which alerts it tells of."""
    kinds = ", ".join(kind.words for kind in rule.kinds) or "all alerts"
    return kinds if rule.severity is Severity.WARNING else f"{kinds}, {rule.severity} or worse"


def of_whom(rule: NotificationRule) -> str:
    return f"servers of {', '.join(rule.groups)}" if rule.groups else "everything"


def when(rule: NotificationRule) -> str:
    return AT_ONCE if rule.when == AT_ONCE else f"digest {rule.when} ({rule.time_zone})"


def _by(rule: NotificationRule) -> str:
    return ", ".join(rule.channels) or "nobody: name a --channel"


def _show(rule: NotificationRule, *, as_json: bool) -> None:
    if as_json:
        print_json(rule)
        return
    facts = [
        ("Rule", rule.name),
        ("Tells", what(rule)),
        ("Of", of_whom(rule)),
        ("When", when(rule)),
        ("By", _by(rule)),
    ]
    if rule.when == AT_ONCE:
        facts.append(("When it is over", "is told too" if rule.resolved else "is not told"))
    else:
        facts.append(("With nothing to tell", "is sent all the same" if rule.when_quiet else "is not sent"))
    print_facts(facts)
