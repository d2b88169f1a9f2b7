"""What agents on Windows can't do: no policy and no rule asks them for it, so that nobody learns of it at night."""

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from phoenix_core.catalog.rows import GroupRow, PolicyRow, RuleRow
from phoenix_core.domain.policies import BackupPolicy, ContentRule
from phoenix_core.engine.families import is_windows
from phoenix_core.engine.peer_directory import PeerDirectory
from phoenix_core.engine.policies.errors import FieldInvalid


class _Wanted(msgspec.Struct, frozen=True):
    what: str
    """`Policy` or `Rule`."""
    name: str
    field: str
    does: str
    """Such as `runs the script dump`."""


class Abilities:
    """Methods raise FieldInvalid."""

    def __init__(self, directory: PeerDirectory) -> None:
        self._directory = directory

    def check_group(self, group: GroupRow, policies: Iterable[PolicyRow], rules: Sequence[RuleRow]) -> None:
        servers = self._on_windows(group)
        policy = next((row.body for row in policies if row.id == group.policy_id), None)
        wanted = next(_wanted(policy, [row.body for row in rules if row.id in group.rule_ids]), None)
        if servers and wanted is not None:
            field = "policy" if wanted.what == "Policy" else "rules"
            detail = (
                f"{wanted.what.lower()} {wanted.name} {wanted.does}, which no agent on Windows does, and there is one"
                f" on {servers}; have Windows servers in a group of their own"
            )
            raise FieldInvalid(what="Group", name=group.name, field=field, detail=detail)

    def check_policy(self, policy: BackupPolicy, groups: Iterable[GroupRow]) -> None:
        """`groups`: those that have it."""
        self._check(_wanted(policy, ()), groups)

    def check_rule(self, rule: ContentRule, groups: Iterable[GroupRow]) -> None:
        """`groups`: those that have it."""
        self._check(_wanted(None, (rule,)), groups)

    def _check(self, all_wanted: Iterator[_Wanted], groups: Iterable[GroupRow]) -> None:
        wanted = next(all_wanted, None)
        for group in groups if wanted is not None else ():
            servers = self._on_windows(group)
            if servers and wanted is not None:
                detail = f"no agent on Windows does that, and group {group.name} has {servers}"
                raise FieldInvalid(what=wanted.what, name=wanted.name, field=wanted.field, detail=detail)

    def _on_windows(self, group: GroupRow) -> str:
        """The names of its Windows servers."""
        peers = map(self._directory.get, filter(self._directory.in_use, group.server_ids))
        return ", ".join(sorted(peer.name for peer in peers if peer is not None and is_windows(peer.platform)))


def _wanted(policy: BackupPolicy | None, rules: Iterable[ContentRule]) -> Iterator[_Wanted]:
    if policy is not None:
        for field in ("pre_script", "post_script"):
            script = getattr(policy, field)
            if script:
                yield _Wanted("Policy", policy.name, field, f"runs the script {script}")
        if policy.drill:
            yield _Wanted("Policy", policy.name, "drill", "has restores tried out")
    for rule in rules:
        if rule.streams:
            yield _Wanted("Rule", rule.name, "streams", "backs up what scripts print")
