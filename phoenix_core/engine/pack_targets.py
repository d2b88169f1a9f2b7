"""Where a rewrite puts its packs: a lease of the core's own at the storage node, in the name of the writing server."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.ids import new_lease_id
from phoenix_core.engine.vault import OpenVault
from phoenix_core.storage.node_api import JobNode
from phoenix_core.storage.tokens import StorageToken, expires_in, mint
from phoenix_core.vault.maintenance_node import OpenTarget, PackTarget

TOKEN_S = 24 * 3600


def pack_targets(vault: OpenVault, job_id: str, open_job_node: Callable[[str], JobNode], clock: Clock) -> OpenTarget:
    """Opens a target for a server's packs, on behalf of this job. All of it blocks."""

    @contextmanager
    def open_target(server_id: str) -> Iterator[PackTarget]:
        lease = new_lease_id()
        vault.node.open_lease(lease, job_id, server_id, None)
        token = StorageToken(
            job=job_id,
            server_id=server_id,
            lease=lease,
            rights="core",
            domain=vault.descriptor.default_domain,
            expires=expires_in(clock.now(), TOKEN_S),
        )
        try:
            node = open_job_node(mint(vault.key.token_signing_key(), vault.vault_id, token))
            try:
                yield node
            finally:
                node.close()
        finally:
            vault.node.close_lease(lease)

    return open_target
