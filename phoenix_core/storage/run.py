"""A storage node alone, as a process of its own: HTTPS and the hand-over socket in front of one vault."""

import asyncio
import logging
import ssl
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from phoenix_core.agentlink.peerstate import PeerState
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.process import raise_open_files_limit
from phoenix_core.storage.handover import HandoverServer
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.node import StorageNode
from phoenix_core.storage.nodeconfig import IndexKey, NodeConfig
from phoenix_core.storage.service import add_storage_routes

log = logging.getLogger(__name__)
SHUTDOWN_S = 10.0


async def run_storage_node(
    data: DataDirectory,
    stop: asyncio.Event,
    *,
    take_over: bool = False,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Serve until `stop` is set; then finish what is under way. `ready` is told the address once it is served.

    Raises NodeNotConfigured, NotEnrolled, NodeRunning, VaultOwnedElsewhere, VaultMismatch, OSError for the port.
    """
    raise_open_files_limit()
    config, context = await asyncio.to_thread(_load, data.node)
    node = await asyncio.to_thread(_open, data, config, take_over)
    handover = HandoverServer(node.desk, data.storage_socket)
    app = web.Application()
    add_storage_routes(app, node)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=SHUTDOWN_S)
    try:
        await runner.setup()
        site = web.TCPSite(runner, config.listen_host, config.listen_port, ssl_context=context)
        await site.start()
        await asyncio.to_thread(handover.start)
        host, port = runner.addresses[0][:2]
        log.info("storage node of vault %s serves https://%s:%d", config.vault_id, host, port)
        if ready is not None:
            ready(f"https://{host}:{port}")
        await stop.wait()
    finally:
        await runner.cleanup()
        await asyncio.to_thread(handover.stop)
        await asyncio.to_thread(node.close)


def _load(folder: Path) -> tuple[NodeConfig, ssl.SSLContext]:
    return NodeConfig.load(folder), PeerState.load(folder).tls.server_context()


def _open(data: DataDirectory, config: NodeConfig, take_over: bool) -> StorageNode:
    store = LocalStore(Path(config.vault_path))

    def keep(domain: str, epoch: int, key: bytes) -> None:
        NodeConfig.load(data.node).with_key(IndexKey(domain, epoch, key)).save(data.node)

    return StorageNode(store, data.index, config, config.keys(), take_over=take_over, keep_index_key=keep)
