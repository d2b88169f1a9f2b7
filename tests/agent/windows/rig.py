"""A vault and a Windows server in memory, backed up and restored through the agent's real jobs."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from phoenix_core.agent.windows.jobs import WindowsJobs
from phoenix_core.agentlink.messages import RestoreOrder, StorageAccess
from phoenix_core.agentlink.reports import BackupResult, RestoreResult
from phoenix_core.domain.ids import PackId, SnapshotId, new_job_id, new_lease_id
from phoenix_core.vault.entry import Entry
from tests.agent.vault_rig import SERVER, RigPorts, VaultRig
from tests.agent.windows.memory_windows import MemoryWindows


class WindowsRig:
    def __init__(self, folder: Path, letters: str = "C") -> None:
        self.vault = VaultRig(folder / "vault")
        self.windows = MemoryWindows(folder / "windows.state", letters)
        self.jobs = self.started_agent()
        self.ports: RigPorts | None = None

    def started_agent(self) -> WindowsJobs:
        """The jobs of an agent that has just begun."""
        jobs = WindowsJobs(self.windows, self.windows.worker_main, self.vault.state_dir)
        jobs.sweep()
        return jobs

    def backup(self, *paths: bytes, **more: Any) -> BackupResult:
        order, self.ports = self.vault.backup_order(*(paths or (b"/C",)), **more)
        self.windows.save()
        result = self.jobs.make(order, self.ports).run()
        self.vault.end(self.ports)
        assert isinstance(result, BackupResult)
        return result

    def entries(self, result: BackupResult) -> dict[str, Entry]:
        """By path, as text."""
        return {os.fsdecode(path): entry for path, entry in self.vault.entries(result.snapshot_id).items()}

    def order(
        self, snapshot: BackupResult, *, paths: Sequence[bytes] = (), to: bytes = b"/C/restored", **more: Any
    ) -> tuple[RestoreOrder, RigPorts]:
        job, lease = new_job_id(), new_lease_id()
        name = SnapshotId(snapshot.snapshot_id)
        self.vault.node.open_lease(lease, job, SERVER, name)
        self.vault.node.grant(job, [PackId(info.pack_id) for info in self.vault.node.packs()])
        token = self.vault.token(lease, job, "restore")
        order = RestoreOrder(
            job=job,
            server_id=SERVER,
            domain=self.vault.domain_access(),
            storage=StorageAccess(token=token, url="", socket_path=str(self.vault.socket), lease=lease),
            snapshot_id=name,
            root=self.vault.body(name).root,
            paths=tuple(paths),
            destination=to,
            **more,
        )
        return order, RigPorts(self.vault, lease, job, "restore")

    def restore(self, snapshot: BackupResult, **more: Any) -> RestoreResult:
        order, self.ports = self.order(snapshot, **more)
        result = self.jobs.make(order, self.ports).run()
        self.vault.end(self.ports)
        assert isinstance(result, RestoreResult)
        return result

    def close(self) -> None:
        self.vault.close()


@contextmanager
def windows_rig(folder: Path, letters: str = "C") -> Iterator[WindowsRig]:
    rig = WindowsRig(folder, letters)
    try:
        yield rig
    finally:
        rig.close()
