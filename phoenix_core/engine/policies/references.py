"""Resolves what a group names to ids, and says which field names what isn't there."""

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

import msgspec

from phoenix_core.catalog.rows import GroupRow, PeerRow, PolicyRow, RuleRow
from phoenix_core.domain.errors import NotFound, PhoenixError
from phoenix_core.domain.policies import BackupPolicy, ContentRule, ServerGroup
from phoenix_core.domain.readymade import ready_made
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.abilities import Abilities
from phoenix_core.engine.policies.errors import FieldInvalid


class Named(Protocol):
    @property
    def id(self) -> str: ...

    @property
    def name(self) -> str: ...


Row = TypeVar("Row", bound=Named)


def named(what: str, rows: Iterable[Row], name: str) -> Row:
    """Raises NotFound."""
    found = next((row for row in rows if row.name == name), None)
    if found is None:
        raise NotFound(what=what, name=name)
    return found


def with_ready_made(rules: Sequence[ContentRule], groups: Iterable[ServerGroup]) -> tuple[ContentRule, ...]:
    """The rules, and those ready-made ones that a group names and that aren't among them."""
    known = {rule.name for rule in rules}
    named = dict.fromkeys(name for group in groups for name in group.rules)
    return (*rules, *(rule for rule in map(ready_made, named) if rule is not None and rule.name not in known))


def row_for(what: str, rows: Sequence[Row], name: str, new_name: str, *, new: bool) -> Row | None:
    """The row to change, by its old name; None where a new one is made. Raises FieldInvalid: a name is taken."""
    row = None if new else next((row for row in rows if row.name == name), None)
    if any(other.name == new_name and (row is None or other.id != row.id) for other in rows):
        raise FieldInvalid(what=what, name=new_name, field="name", detail="another one has this name")
    return row


class References:
    """Methods raise FieldInvalid."""

    def __init__(self, directory: PeerDirectory) -> None:
        self._directory = directory
        self.abilities = Abilities(directory)
        """What of it the servers' agents can do at all."""

    def check_policy(self, policy: BackupPolicy) -> None:
        """What of a policy names a server."""
        if not policy.drill_on:
            return
        try:
            self._directory.server_in_use(policy.drill_on)
        except PhoenixError as error:
            raise FieldInvalid(what="Policy", name=policy.name, field="drill_on", detail=error.message) from error

    def policy_id(self, group: ServerGroup, policies: Sequence[PolicyRow]) -> str | None:
        if not group.policy:
            return None
        try:
            return named("policy", policies, group.policy).id
        except NotFound as error:
            raise _wrong(group, "policy", error.message) from error

    def rule_ids(self, group: ServerGroup, rules: Sequence[RuleRow]) -> tuple[str, ...]:
        try:
            return tuple(dict.fromkeys(named("rule", rules, name).id for name in group.rules))
        except NotFound as error:
            raise _wrong(group, "rules", error.message) from error

    def with_server_names(self, group: ServerGroup) -> ServerGroup:
        """The group with its servers' names, in order, where it may name them by their ids."""
        names = {self._server(group, name).name for name in group.servers}
        return msgspec.structs.replace(group, servers=tuple(sorted(names)))

    def server_ids(self, group: ServerGroup, others: Sequence[GroupRow]) -> tuple[str, ...]:
        """`others`: the groups in which none of the servers may be."""
        group_of = {server_id: other.name for other in others for server_id in other.server_ids}
        ids: dict[str, None] = {}
        for name in group.servers:
            peer = self._server(group, name)
            if peer.id in group_of:
                detail = f"{peer.name} is in group {group_of[peer.id]}, and a server is in one group at most"
                raise _wrong(group, "servers", detail)
            ids[peer.id] = None
        return tuple(ids)

    def _server(self, group: ServerGroup, name: str) -> PeerRow:
        try:
            return self._directory.server_in_use(name)
        except PhoenixError as error:
            raise _wrong(group, "servers", error.message) from error


def _wrong(group: ServerGroup, field: str, detail: str) -> FieldInvalid:
    return FieldInvalid(what="Group", name=group.name, field=field, detail=detail)
