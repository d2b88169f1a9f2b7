"""Runs backups in tests."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from phoenix_core.agent.linuxjobs import live_backup
from phoenix_core.agentlink.reports import BackupResult
from tests.agent.vault_rig import RigPorts, VaultRig

_PAGE = 4096


def back_up(
    rig: VaultRig, *paths: Path | bytes, parent: BackupResult | None = None, **more: Any
) -> tuple[BackupResult, RigPorts]:
    """One backup, with one worker unless told otherwise."""
    order, ports = rig.backup_order(*paths, parent=parent, **{"workers": 1, **more})
    try:
        return live_backup(order, ports).run(), ports
    finally:
        rig.end(ports)


def content_digest(pieces: Iterable[tuple[int, bytes]]) -> str:
    """The same as `independent_walk` makes of a live file: over places and bytes of the pages that aren't zero."""
    digest = hashlib.sha256()
    for offset, data in pieces:
        assert offset % _PAGE == 0
        for at in range(0, len(data), _PAGE):
            page = data[at : at + _PAGE].rstrip(b"\0")
            if page:
                digest.update(b"%d:" % (offset + at) + page + b";")
    return digest.hexdigest()
