"""What the commands on content rules do."""

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm
from phoenix_core.cli.known import known_or
from phoenix_core.cli.output import print_facts, print_json, print_table, say
from phoenix_core.domain.policies import ContentRule
from phoenix_core.host.datadir import DataDirectory


class RuleChanges(msgspec.Struct, frozen=True):
    """What a command names; None: left as it is."""

    paths: list[str] | None
    excludes: list[str] | None
    cross_mounts: bool | None
    name: str | None

    def of(self, rule: ContentRule) -> ContentRule:
        changes: dict[str, object] = {
            "paths": None if self.paths is None else tuple(self.paths),
            "excludes": None if self.excludes is None else tuple(line for line in self.excludes if line),
            "cross_mounts": self.cross_mounts,
            "name": self.name,
        }
        return msgspec.structs.replace(rule, **{name: value for name, value in changes.items() if value is not None})


async def list_all(data: DataDirectory, *, as_json: bool) -> None:
    async with attached(data) as client:
        rules = await client.rules()
        groups = await client.groups()
    if as_json:
        print_json(rules)
        return
    print_table(
        ("RULE", "PATHS", "WITHOUT", "GROUPS"),
        [
            (
                rule.name,
                ", ".join(rule.paths),
                ", ".join(rule.excludes) or "-",
                ", ".join(group.name for group in groups if rule.name in group.rules) or "-",
            )
            for rule in rules
        ],
        "There is no content rule yet. Make one: `phoenix rule set web --path /etc --path /srv --exclude '*.tmp'`.",
    )


async def show_one(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        rule = await client.rule(name)
        groups = await client.groups()
    _print(rule, [group.name for group in groups if rule.name in group.rules], as_json=as_json)


async def set_one(data: DataDirectory, name: str, changes: RuleChanges, *, as_json: bool) -> None:
    async with attached(data) as client:
        rule = await client.put_rule(name, changes.of(await known_or(client.rule(name), ContentRule(name=name))))
        groups = await client.groups()
    _print(rule, [group.name for group in groups if rule.name in group.rules], as_json=as_json)


async def remove_one(data: DataDirectory, name: str, *, yes: bool, as_json: bool) -> None:
    async with attached(data) as client:
        rule = await client.rule(name)
        confirm(f"remove rule {name}", yes=yes)
        await client.remove_rule(name)
    if as_json:
        print_json(rule)
    else:
        say(f"Removed rule {name}.")


def _print(rule: ContentRule, groups: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json(rule)
        return
    print_facts(
        [
            ("Rule", rule.name),
            ("Paths", ", ".join(rule.paths)),
            ("Without", ", ".join(rule.excludes) or "-"),
            ("Other file systems below", "entered" if rule.cross_mounts else "left out"),
            ("Groups", ", ".join(groups) or "none yet: attach it with `phoenix group set`"),
        ]
    )
