"""Starts a core in this process: key from its holder, configuration from the data directory, log to its file."""

import asyncio
import os

import msgspec

from phoenix_core.agentlink.peerstate import point_to
from phoenix_core.app import Core
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.engine.vaults import is_of
from phoenix_core.host.config import CoreConfig, read_config
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.keyholder import KeyHolder
from phoenix_core.host.logs import configure_logs
from phoenix_core.vault.malloc import keep_large_buffers
from phoenix_core.vault.vaultkey import VaultKey


async def start_core(
    data: DataDirectory,
    *,
    embedded: bool,
    log_to_terminal: bool = False,
    take_over: bool = False,
    may_be_stopped: bool = False,
) -> Core:
    """A started core. A key that can't be had doesn't keep it from starting: its status says why.

    `may_be_stopped`: the caller heeds `Core.stop_requested`."""
    import sys

    data.create()
    config = await asyncio.to_thread(read_config, data, embedded=embedded)
    config = msgspec.structs.replace(config, take_over=take_over)
    configure_logs(data.logs, "core", config.log_level, also_to=sys.stderr if log_to_terminal else None)
    keep_large_buffers()
    core = await asyncio.to_thread(_make, data, config, may_be_stopped)
    await core.start()
    await asyncio.to_thread(point_to, data.agent, data.pki / "ca.pem", core.link_url)
    return core


def _make(data: DataDirectory, config: CoreConfig, may_be_stopped: bool) -> Core:
    holder = KeyHolder(data, os.environ, service=not config.embedded)
    recorded = holder.recorded()
    if recorded is None:
        return Core(data, None, config, may_be_stopped=may_be_stopped)
    if recorded.provisional and is_of(config.vault_path or data.vault, recorded.vault_id):
        holder.confirm()  # it was cut off when all was made but this note
    try:
        key, locked_by = VaultKey.from_bytes(holder.load()), None
    except PhoenixError as error:
        key, locked_by = None, error
    return Core(data, key, config, key_holder=recorded.holder, locked_by=locked_by, may_be_stopped=may_be_stopped)
