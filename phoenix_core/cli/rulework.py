"""What the commands on content rules do."""

from collections.abc import Callable

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm
from phoenix_core.cli.known import known_or
from phoenix_core.cli.output import print_facts, print_json, print_table, say
from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import NotFound, UsageError
from phoenix_core.domain.policies import ContentRule
from phoenix_core.domain.quantities import parse_size, parse_time, typed_size, typed_time
from phoenix_core.host.datadir import DataDirectory


class RuleChanges(msgspec.Struct, frozen=True):
    """What a command names; None: left as it is."""

    like: str | None
    """Name of the rule to begin with."""
    paths: list[str] | None
    excludes: list[str] | None
    includes: list[str] | None
    only_extensions: list[str] | None
    not_extensions: list[str] | None
    smallest_bytes: str | None
    largest_bytes: str | None
    changed_within_s: str | None
    older_than_s: str | None
    skip_caches: bool | None
    disk_images: list[str] | None
    cross_mounts: bool | None
    name: str | None
    streams: list[str] | None = None

    @property
    def any(self) -> bool:
        return any(getattr(self, field) is not None for field in self.__struct_fields__)

    async def applied(self, client: CoreClient, name: str) -> ContentRule:
        """The rule of this name, or a new one, changed. Raises UsageError, NotFound."""
        rule = await known_or(client.rule(name), ContentRule(name=name))
        if self.like is not None:
            rule = msgspec.structs.replace(await rule_or_ready_made(client, self.like), name=name)
        return self.of(rule)

    def of(self, rule: ContentRule) -> ContentRule:
        changes: dict[str, object] = {
            "skip_caches": self.skip_caches,
            "cross_mounts": self.cross_mounts,
            "name": self.name,
            "smallest_bytes": _number(self.smallest_bytes, "--smallest", parse_size),
            "largest_bytes": _number(self.largest_bytes, "--largest", parse_size),
            "changed_within_s": _number(self.changed_within_s, "--changed-within", parse_time),
            "older_than_s": _number(self.older_than_s, "--older-than", parse_time),
        }
        for field in ("paths", "excludes", "includes", "only_extensions", "not_extensions", "disk_images", "streams"):
            given = getattr(self, field)
            changes[field] = None if given is None else tuple(line for line in given if line or field == "paths")
        return msgspec.structs.replace(rule, **{name: value for name, value in changes.items() if value is not None})


def _number(text: str | None, option: str, parse: Callable[[str], int]) -> int | None:
    if text is None:
        return None
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(detail=f"{option}: {error}.") from error


async def rule_or_ready_made(client: CoreClient, name: str) -> ContentRule:
    """Raises NotFound."""
    made = {rule.name: rule for rule in await client.ready_made_rules()}
    rule = await known_or(client.rule(name), made.get(name))
    if rule is None:
        raise NotFound(what="rule", name=name)
    return rule


async def list_all(data: DataDirectory, *, as_json: bool) -> None:
    async with attached(data) as client:
        rules = await client.rules()
        groups = await client.groups()
        made = await client.ready_made_rules()
    if as_json:
        print_json(rules)
        return
    print_table(
        ("RULE", "PATHS", "WITHOUT", "FILES", "GROUPS"),
        [
            (
                rule.name,
                ", ".join(rule.paths),
                _few(rule.excludes),
                files_of(rule),
                ", ".join(group.name for group in groups if rule.name in group.rules) or "-",
            )
            for rule in rules
        ],
        "There is no content rule yet. Make one: `phoenix rule set web --path /etc --path /srv --exclude '*.tmp'`.",
    )
    names = ", ".join(rule.name for rule in made)
    say(f"Ready-made: {names}. `phoenix rule show` shows them, `phoenix group set --rule` uses them.")


async def show_one(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        rule = await rule_or_ready_made(client, name)
        groups = await client.groups()
    _print(rule, [group.name for group in groups if rule.name in group.rules], as_json=as_json)


async def set_one(data: DataDirectory, name: str, changes: RuleChanges, *, as_json: bool) -> None:
    async with attached(data) as client:
        rule = await client.put_rule(name, await changes.applied(client, name))
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


def files_of(rule: ContentRule) -> str:
    """Which files a rule takes, in words."""
    parts = [f"matching {', '.join(rule.includes)}"] if rule.includes else []
    parts += [f"only .{', .'.join(rule.only_extensions)}"] if rule.only_extensions else []
    parts += [f"no .{', .'.join(rule.not_extensions)}"] if rule.not_extensions else []
    parts += [f"from {typed_size(rule.smallest_bytes)}"] if rule.smallest_bytes else []
    parts += [f"up to {typed_size(rule.largest_bytes)}"] if rule.largest_bytes else []
    parts += [f"changed within {typed_time(rule.changed_within_s)}"] if rule.changed_within_s else []
    parts += [f"older than {typed_time(rule.older_than_s)}"] if rule.older_than_s else []
    return "; ".join(parts) or "all"


def _few(lines: tuple[str, ...], most: int = 4) -> str:
    more = f" and {len(lines) - most} more" if len(lines) > most else ""
    return ", ".join(lines[:most]) + more or "-"


def _print(rule: ContentRule, groups: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json(rule)
        return
    print_facts(
        [
            ("Rule", rule.name),
            ("Paths", ", ".join(rule.paths)),
            ("Without", ", ".join(rule.excludes) or "-"),
            ("Files", files_of(rule)),
            ("Tagged caches", "left out" if rule.skip_caches else "taken"),
            ("Disk images", ", ".join(rule.disk_images) or "-"),
            ("Streams", ", ".join(rule.streams) or "-"),
            ("Other file systems below", "entered" if rule.cross_mounts else "left out"),
            ("Groups", ", ".join(groups) or "none yet: attach it with `phoenix group set`"),
        ]
    )
