"""A job's way to its storage: the hand-over socket where the node runs on this host, else HTTPS."""

import os
from pathlib import Path

from phoenix_core.agentlink.messages import StorageAccess
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.storage.client import RemoteJobNode
from phoenix_core.storage.connection import NodeConnection, Pace, TlsContext
from phoenix_core.storage.errors import StorageUnreachable, TokenForged, TokenOfOtherVault
from phoenix_core.storage.handover_client import SocketJobNode


def connect_job_node(
    access: StorageAccess, tls: TlsContext | None = None, pace: Pace | None = None
) -> SocketJobNode | RemoteJobNode:
    """Blocks for one round trip each way it tries. `tls` is called at the first request over HTTPS, only then; it may
    read files (`TlsFiles.client_context`). `pace`: how fast packs may be sent over HTTPS.

    Raises StorageUnreachable where neither way is open: a core that is being started again has no socket for a while,
    and is better asked once more than given up for HTTPS."""
    path = Path(access.socket_path)
    if access.socket_path and path.is_socket() and os.access(path, os.W_OK):
        node = SocketJobNode(path, access.token)
        if _is_ours(node):
            return node
        node.close()
    if tls is None:
        raise StorageUnreachable(place=access.url, detail="this host has no certificate to present")
    remote = RemoteJobNode(NodeConnection(access.url, tls), access.token, pace)
    try:
        remote.renew_lease()
    except StorageUnreachable:
        remote.close()
        raise
    except PhoenixError:
        return remote  # it is there; the job's first call tells what is wrong
    return remote


def _is_ours(node: SocketJobNode) -> bool:
    """Whether the token is for the node behind the socket: a host may run a core of its own at the same path."""
    try:
        node.renew_lease()
    except (StorageUnreachable, TokenForged, TokenOfOtherVault):
        return False
    except PhoenixError:
        return True  # the right node; the job's first call tells what is wrong
    return True
