"""The process that walks ahead of a scan: it reads the parent's trees from the agent's own copies, and asks nobody."""

import os
from collections.abc import Iterable, Iterator, Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from phoenix_core.agent.backup import aheadmessages as wire
from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.backup.packcache import CachedTrees, PackCache
from phoenix_core.agent.backup.ruleset import RuleSet
from phoenix_core.agent.backup.scanrules import ScanRules
from phoenix_core.agent.backup.unchangedwalk import UnchangedWalk
from phoenix_core.agent.backup.views import Views
from phoenix_core.agent.domainaccess import domain_keys
from phoenix_core.agent.workerprocess import run_worker
from phoenix_core.domain.ids import ChunkId
from phoenix_core.host.courtesy import yield_process
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.errors import ChunkMissing
from phoenix_core.vault.location import BlockRef
from phoenix_core.vault.tree import read_tree_pages

LOOK_FOLDERS = 16
"""After so many folders it looks whether it is wanted elsewhere."""

NAME = "phoenix-ahead"


def worker_main(connection: Connection) -> None:
    """The process's main function."""
    run_worker(NAME, connection, _work, lambda error: wire.encode(wire.Failed(error)))


def _work(connection: Connection) -> None:
    setup = wire.to_walker.decode(connection.recv_bytes())
    if not isinstance(setup, wire.Setup):
        return
    yield_process(setup.nice)

    def keys(refs: Sequence[BlockRef]) -> list[bytes]:
        return [block_key(setup.pack_keys[ref.pack_id], ref.ordinal) for ref in refs]

    cache = PackCache(Path(os.fsdecode(setup.state_dir)), domain_keys(setup.domain), keys)
    cache.load(setup.pack_keys)
    trees = CachedTrees(cache, _Nowhere())
    rules = ScanRules(RuleSet(setup.rules, setup.now_ns), Mounts.current(), never=setup.never, views=Views(setup.views))
    folders = 0

    def wanted_elsewhere() -> bool:
        nonlocal folders
        folders += 1
        return folders % LOOK_FOLDERS == 0 and connection.poll()

    walk = UnchangedWalk(
        lambda tree: (entry for page in read_tree_pages(trees, tree) for entry in page),
        rules,
        lambda found: connection.send_bytes(wire.encode(wire.Found(tuple(found)))),
        wanted_elsewhere,
    )
    while True:
        order = wire.to_walker.decode(connection.recv_bytes())
        connection.send_bytes(wire.encode(wire.Taken()))
        if isinstance(order, wire.Walk):
            walk.run(order.path, order.tree, order.rules)


class _Nowhere:
    """In place of the vault: what has no copy here is for the scan itself."""

    def read_one(self, chunk: ChunkId) -> bytes:
        raise ChunkMissing(chunk=chunk.hex())

    def read(self, ids: Iterable[ChunkId]) -> Iterator[tuple[ChunkId, bytes]]:
        for chunk in ids:
            yield chunk, self.read_one(chunk)
