"""What a backup says of itself in its snapshot."""

import socket
import time

from phoenix_core import __version__
from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.vault.snapshot import SnapshotBody


def snapshot_body(
    order: BackupOrder,
    paths: tuple[bytes, ...],
    result: BackupResult,
    root: bytes,
    packs: tuple[bytes, ...],
    *,
    public_key: bytes,
    started_ns: int,
    missing_list: bytes = b"",
) -> SnapshotBody:
    """`public_key`: the agent's, raw. The backup is over now."""
    return SnapshotBody(
        vault_id=order.vault_id,
        server_id=order.server_id,
        job_id=order.job,
        domain=order.domain.domain,
        epoch=order.domain.epoch,
        root=root,
        paths=paths,
        agent_public_key=public_key,
        hostname=socket.gethostname(),
        agent_version=__version__,
        excludes=order.excludes,
        cross_mounts=order.cross_mounts,
        parent=order.parent.snapshot_id if order.parent else "",
        started_ns=started_ns,
        finished_ns=time.time_ns(),
        files=result.files,
        directories=result.directories,
        other_entries=result.other_entries,
        bytes=result.bytes,
        changed_files=result.changed_files,
        read_bytes=result.read_bytes,
        new_chunks=result.new_chunks,
        new_raw_bytes=result.new_raw_bytes,
        stored_bytes=result.stored_bytes,
        missing_list=missing_list,
        missing_count=result.missing_count,
        packs=packs,
    )
