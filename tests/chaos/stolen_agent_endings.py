"""How a thief ends its backup: honestly, or with a snapshot that is not what it says."""

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.reports import BackupResult, JobCancelled
from phoenix_core.domain.ids import LeaseId
from phoenix_core.vault.snapshot import open_snapshot, seal_snapshot
from tests.chaos.stolen_agent_loot import Loot

Ending = Callable[[Loot, BackupOrder], Awaitable[None]]
FAR = 2**62
"""In nanoseconds: the year 2116; the negative is 1823."""


async def honest(loot: Loot, order: BackupOrder) -> None:
    await loot.agent.report(order.job, await loot.agent.upload(order))


async def cancelled(loot: Loot, order: BackupOrder) -> None:
    await loot.agent.report(order.job, JobCancelled(who="thief"))


def with_changes(**changes: Any) -> Ending:
    """An honest snapshot with some fields changed."""

    async def ending(loot: Loot, order: BackupOrder) -> None:
        key = await loot.off_loop(loot.agent.state.signing_key)
        await _stage(loot, order, key, changes)
        loot.counts["snapshots with changes"] += 1

    return ending


async def signed_by_another(loot: Loot, order: BackupOrder) -> None:
    key = Ed25519PrivateKey.generate()
    await _stage(loot, order, key, {"agent_public_key": key.public_key().public_bytes_raw()})
    loot.counts["snapshots signed by another key"] += 1


async def _stage(loot: Loot, order: BackupOrder, key: Ed25519PrivateKey, changes: dict[str, Any]) -> None:
    result = await loot.agent.upload(order)

    def work() -> str:
        assert loot.rig.key is not None
        sealed = loot.rig.node().read_snapshot(result.snapshot_id)  # type: ignore[arg-type]
        body, _ = open_snapshot(loot.rig.key.private_key(), sealed)
        changed = msgspec.structs.replace(body, **changes)
        node = loot.node()
        try:
            return node.stage_snapshot(seal_snapshot(changed, key, order.vault_public_key))
        finally:
            node.close()

    await loot.agent.report(order.job, msgspec.structs.replace(result, snapshot_id=await loot.off_loop(work)))


async def another_servers(loot: Loot, order: BackupOrder) -> None:
    """A victim's name in the snapshot."""
    victim = next(each.server_id for each in await loot.rig.client.snapshots() if each.server_id != loot.server)
    await with_changes(server_id=victim)(loot, order)


async def a_victims_snapshot(loot: Loot, order: BackupOrder) -> None:
    """A snapshot that a victim committed, or one as parent."""
    victim = next(each.id for each in await loot.rig.client.snapshots() if each.server_id != loot.server)
    if loot.dice.random() < 0.5:
        await with_changes(parent=victim)(loot, order)
        return
    await loot.agent.report(order.job, BackupResult(snapshot_id=victim))
    loot.counts["victims' snapshots claimed"] += 1


async def garbage(loot: Loot, order: BackupOrder) -> None:
    name = loot.dice.choice(["", "x", "../../vault.json", "0" * 64, "é" * 64])
    await loot.agent.report(order.job, BackupResult(snapshot_id=name))
    loot.counts["snapshots that are none"] += 1


async def without_its_lease(loot: Loot, order: BackupOrder) -> None:
    """The lease ended meanwhile: nothing more is taken, nor the snapshot that was staged before."""
    result = await loot.agent.upload(order)

    def work() -> None:
        loot.rig.node().close_lease(LeaseId(order.storage.lease))
        node = loot.node()
        loot.refused("a call without lease", node.renew_lease)
        node.close()

    await loot.off_loop(work)
    await loot.agent.report(order.job, result)
    loot.counts["commits without a lease"] += 1


async def far_dates(loot: Loot, order: BackupOrder) -> None:
    """The agent's clock decides nothing: the record has the core's time."""
    at = loot.dice.choice((FAR, -FAR, 2**63 - 1, -(2**63), 0))
    await with_changes(started_ns=at, finished_ns=at)(loot, order)
    now = datetime.fromtimestamp(time.time(), UTC)

    async def recorded() -> bool:
        return any(each.job_id == order.job for each in await loot.rig.client.snapshots())

    await loot.rig.until(recorded)
    snapshot = next(each for each in await loot.rig.client.snapshots() if each.job_id == order.job)
    assert abs((snapshot.recorded_at - now).total_seconds()) < 600, "a record has the agent's time"


ENDINGS: tuple[Ending, ...] = (
    cancelled,
    another_servers,
    a_victims_snapshot,
    garbage,
    without_its_lease,
    far_dates,
    with_changes(job_id="jother"),
    with_changes(root=bytes(32)),
    with_changes(domain="other"),
    with_changes(epoch=7),
    with_changes(vault_id="ab" * 16),
    with_changes(packs=(bytes(32),) * 3, files=2**63 - 1, bytes=2**63 - 1),
    signed_by_another,
)
