"""The core's own copy of vault.json: one that was changed, or an older one put back, opens with the same key, and only
a comparison tells that its recovery passphrase is another one, or none. All of it blocks."""

from contextlib import suppress

import structlog

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.host.atomicfile import write_atomic
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.vault import descriptor as descriptors
from phoenix_core.vault.descriptor import VaultDescriptor

log = structlog.get_logger(__name__)


def remember(data: DataDirectory, described: VaultDescriptor) -> None:
    """Keep what this core, or a command beside it, has just written or opened with a passphrase. Where that fails there
    is no copy: none is better than one that is out of date."""
    try:
        write_atomic(data.descriptor_copy, described.encode())
    except OSError as error:
        log.warning("no copy of vault.json is kept", error=str(error))
        with suppress(OSError):
            data.descriptor_copy.unlink()


def remembered(data: DataDirectory, vault_id: str) -> VaultDescriptor | None:
    """None where there is no copy that can be read, or it is of another vault."""
    try:
        found = descriptors.decode(data.descriptor_copy.read_bytes())
    except (OSError, PhoenixError):
        return None
    return found if found.vault_id == vault_id else None


def remember_first(data: DataDirectory, described: VaultDescriptor) -> None:
    """Keep it where no copy is."""
    if remembered(data, described.vault_id) is None:
        remember(data, described)
