"""A vault, a source tree, and restores of its backups, for the tests of the restore."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from phoenix_core.agent.linuxjobs import live_backup
from phoenix_core.agent.restore.restore_job import RestoreJob
from phoenix_core.agentlink.messages import RestoreOrder, StorageAccess
from phoenix_core.agentlink.reports import BackupResult, RestoreResult
from phoenix_core.domain.ids import PackId, SnapshotId, new_job_id, new_lease_id
from tests.agent.vault_rig import SERVER, RigPorts, VaultRig


class RestoreRig:
    """A vault below `folder`, `source` to back up and `target` to restore into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "source"
        self.source.mkdir()
        self.target = folder / "target"
        self.vault = VaultRig(folder / "vault")

    @property
    def restored(self) -> Path:
        """Where the source comes to lie below the target."""
        return self.target / str(self.source)[1:]

    def backup(self, *paths: Path, **more: Any) -> BackupResult:
        order, ports = self.vault.backup_order(*(paths or (self.source,)), **more)
        result = live_backup(order, ports).run()
        self.vault.end(ports)
        return result

    def order(
        self, snapshot: BackupResult | bytes, *, paths: Sequence[Path | bytes] = (), to: Path | None = None, **more: Any
    ) -> tuple[RestoreOrder, RigPorts]:
        """An order that restores into `target`, or `to`; `snapshot` may be a root tree. Grants all packs."""
        job, lease = new_job_id(), new_lease_id()
        if isinstance(snapshot, BackupResult):
            root, name = self.vault.body(snapshot.snapshot_id).root, SnapshotId(snapshot.snapshot_id)
        else:
            root, name = snapshot, SnapshotId("")
        self.vault.node.open_lease(lease, job, SERVER, name or None)
        self.vault.node.grant(job, [PackId(info.pack_id) for info in self.vault.node.packs()])
        token = self.vault.token(lease, job, "restore")
        order = RestoreOrder(
            job=job,
            server_id=SERVER,
            domain=self.vault.domain_access(),
            storage=StorageAccess(token=token, url="", socket_path=str(self.vault.socket), lease=lease),
            snapshot_id=name or root.hex(),
            root=root,
            paths=tuple(os.fsencode(path) for path in paths),
            destination=more.pop("destination", os.fsencode(to or self.target)),
            **more,
        )
        return order, RigPorts(self.vault, lease, job, "restore")

    def restore(self, snapshot: BackupResult | bytes, **more: Any) -> RestoreResult:
        options = {name: more.pop(name) for name in ("free",) if name in more}
        order, ports = self.order(snapshot, **more)
        result = RestoreJob(order, ports, **options).run()
        self.vault.end(ports)
        return result

    def close(self) -> None:
        self.vault.close()


@contextmanager
def restore_rig(folder: Path) -> Iterator[RestoreRig]:
    rig = RestoreRig(folder)
    try:
        yield rig
    finally:
        rig.close()
