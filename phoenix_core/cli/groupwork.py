"""What the commands on server groups do."""

import msgspec

from phoenix_core.cli.attach import attached
from phoenix_core.cli.confirm import confirm
from phoenix_core.cli.known import known_or
from phoenix_core.cli.output import print_facts, print_json, print_table, say
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.policies import ServerGroup
from phoenix_core.host.datadir import DataDirectory


class GroupChanges(msgspec.Struct, frozen=True):
    """What a command names; None: left as it is."""

    policy: str | None
    rules: list[str] | None
    add: list[str]
    take_out: list[str]
    name: str | None

    def of(self, group: ServerGroup) -> ServerGroup:
        """The group, changed. Raises NotFound for a server to take out that isn't in it."""
        missing = next((server for server in self.take_out if server not in group.servers), None)
        if missing is not None:
            raise NotFound(what="server", name=f"{missing} in group {group.name}")
        servers = [server for server in dict.fromkeys((*group.servers, *self.add)) if server not in self.take_out]
        changes: dict[str, object] = {
            "policy": self.policy,
            "rules": None if self.rules is None else tuple(rule for rule in self.rules if rule),
            "servers": tuple(servers),
            "name": self.name,
        }
        return msgspec.structs.replace(group, **{name: value for name, value in changes.items() if value is not None})


async def list_all(data: DataDirectory, *, as_json: bool) -> None:
    async with attached(data) as client:
        groups = await client.groups()
    if as_json:
        print_json(groups)
        return
    print_table(
        ("GROUP", "POLICY", "RULES", "SERVERS"),
        [
            (group.name, group.policy or "-", ", ".join(group.rules) or "-", ", ".join(group.servers) or "-")
            for group in groups
        ],
        "There is no group yet. Make one: `phoenix group set web --policy nightly --rule web --add web1 --add web2`.",
    )


async def show_one(data: DataDirectory, name: str, *, as_json: bool) -> None:
    async with attached(data) as client:
        group = await client.group(name)
    _print(group, as_json=as_json)


async def set_one(data: DataDirectory, name: str, changes: GroupChanges, *, as_json: bool) -> None:
    async with attached(data) as client:
        group = await client.put_group(name, changes.of(await known_or(client.group(name), ServerGroup(name=name))))
    _print(group, as_json=as_json)


async def remove_one(data: DataDirectory, name: str, *, yes: bool, as_json: bool) -> None:
    async with attached(data) as client:
        group = await client.group(name)
        confirm(f"remove group {name}", yes=yes)
        await client.remove_group(name)
    if as_json:
        print_json(group)
    else:
        say(f"Removed group {name}. Its servers stay, and what was backed up of them.")


def _print(group: ServerGroup, *, as_json: bool) -> None:
    if as_json:
        print_json(group)
        return
    print_facts(
        [
            ("Group", group.name),
            ("Policy", group.policy or "none: its servers are backed up by hand only"),
            ("Content rules", ", ".join(group.rules) or "none: a schedule has nothing to back up"),
            ("Servers", ", ".join(group.servers) or "none yet: `phoenix group set` takes --add"),
        ]
    )
