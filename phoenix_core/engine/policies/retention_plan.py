"""What retention would remove now: each group's restore points, by its policy."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

from phoenix_core.catalog.handed_dumps import HandedDumps
from phoenix_core.catalog.policies import Policies
from phoenix_core.catalog.rows import PolicyRow, SnapshotRow
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.errors import NotFound
from phoenix_core.domain.policies import RetentionVerdict
from phoenix_core.engine.policies.checks import zone_of
from phoenix_core.engine.policies.retention import RestorePoint, Verdict, plan
from phoenix_core.vault.maintenance_node import never_cancelled

Damaged = Callable[[Sequence[SnapshotRow], Callable[[], bool]], Awaitable[frozenset[str]]]


class RetentionPlans:
    """Only servers in a group with a policy are looked at: what is left of a removed one stays until somebody removes
    it by hand."""

    def __init__(
        self,
        stored: Policies,
        snapshots: Snapshots,
        handed: HandedDumps,
        held: Callable[[SnapshotRow], bool],
        damaged: Damaged,
    ) -> None:
        """`held`: whether a hold keeps the snapshot now. `damaged`: see `soundness.Soundness`."""
        self._stored = stored
        self._snapshots = snapshots
        self._handed = handed
        self._held = held
        self._damaged = damaged
        self.changes = 0
        """Rises with each change of a policy, rule or group: what was planned before may not hold any more."""

    async def all(self, cancelled: Callable[[], bool] = never_cancelled) -> list[Verdict]:
        """Of all policies; once `cancelled` says so, a plan by which more stay than must. Raises NoVault, and what the
        node raises."""
        rows, handed = await self._snapshots.listed(), await self._handed.snapshot_ids()
        return [
            verdict
            for policy in await self._stored.policies()
            for verdict in await self._verdicts(policy, rows, handed, cancelled)
        ]

    async def of_policy(self, name: str) -> list[RetentionVerdict]:
        """For people to read: by server, newest first. Raises NotFound, else as `all`."""
        policy = next((row for row in await self._stored.policies() if row.name == name), None)
        if policy is None:
            raise NotFound(what="policy", name=name)
        rows, handed = await self._snapshots.listed(), await self._handed.snapshot_ids()
        names = {row.id: row.server_name for row in rows}
        return [
            RetentionVerdict(
                snapshot_id=verdict.point.id,
                server_name=names[verdict.point.id],
                paths=verdict.point.paths,
                recorded_at=verdict.point.recorded_at,
                reasons=verdict.reasons,
                handed=verdict.point.handed,
            )
            for verdict in await self._verdicts(policy, rows, handed)
        ]

    async def removes_any(self) -> bool:
        """Whether there is a policy that doesn't keep all."""
        return any(not row.body.retention.keeps_all for row in await self._stored.policies())

    async def _verdicts(
        self,
        policy: PolicyRow,
        rows: Iterable[SnapshotRow],
        handed: Collection[str],
        cancelled: Callable[[], bool] = never_cancelled,
    ) -> list[Verdict]:
        servers = {
            server_id
            for group in await self._stored.groups()
            if group.policy_id == policy.id
            for server_id in group.server_ids
        }
        of_policy = [row for row in rows if row.server_id in servers]
        keeps_all = policy.body.retention.keeps_all
        damaged = frozenset() if keeps_all else await self._damaged(of_policy, cancelled)
        points = [
            RestorePoint(
                id=row.id,
                server_id=row.server_id,
                paths=row.paths,
                recorded_at=row.recorded_at,
                sequence=row.sequence,
                readable=row.readable,
                held=self._held(row),
                damaged=row.id in damaged,
                handed=row.id in handed,
            )
            for row in of_policy
        ]
        return await asyncio.to_thread(lambda: plan(points, policy.body.retention, zone_of(policy.body)))
