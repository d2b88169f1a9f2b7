"""`python -m bench.finding`: what it takes to find a name in all snapshots of a server.

A vault is made with a thousand snapshots of one server, by the product's own storage node and its writers of packs,
trees, snapshots and records; each is an incremental of the one before, which writes only what changed and the folders
above it. Then a core takes the vault in charge, as after the loss of its catalog, and is asked through its API, as
`phoenix find` asks it. With --changed as many files as --files each snapshot changes all: nothing is shared."""

import argparse
import asyncio
import random
import statistics
import time
from contextlib import closing
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.memoryfolder import work_folder
from phoenix_core.app import Core
from phoenix_core.client import CoreClient
from phoenix_core.domain.clock import SystemClock
from phoenix_core.domain.ids import ChunkId, SnapshotId, new_job_id, new_lease_id
from phoenix_core.engine.node_access import EmbeddedNode
from phoenix_core.engine.vault import OpenVault
from phoenix_core.engine.vaults import create_vault
from phoenix_core.host.config import CoreConfig
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.storage.node_api import JobNode
from phoenix_core.storage.tokens import StorageToken, expires_in, mint
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.entry import Entry, EntryType
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packwriter import FinishedPack
from phoenix_core.vault.snapshot import SnapshotBody, seal_snapshot
from phoenix_core.vault.tree import TreeWriter
from phoenix_core.vault.vaultkey import VaultKey

SERVER = "s1"
FOLDER_FILES = 50
PROVED_S = 0.2
TOKEN_S = 900
DAY_NS = 86_400 * 10**9


class Server:
    """Folders of files, of which some change before each snapshot."""

    def __init__(self, files: int, changed: int) -> None:
        self.files = files
        self._changed = changed
        self._dice = random.Random(1)
        self._folders: dict[bytes, dict[bytes, Entry]] = {}
        self._trees: dict[bytes, ChunkId] = {}

    def _place(self, number: int) -> tuple[bytes, bytes]:
        return b"folder-%03d" % (number // FOLDER_FILES), b"file-%05d.txt" % number

    def change(self, data: ChunkWriter, number: int) -> set[bytes]:
        """Before snapshot `number`, counted from 0; the folders in which something did."""
        chosen = range(self.files) if number == 0 else self._dice.sample(range(self.files), self._changed)
        touched: set[bytes] = set()
        for each in chosen:
            folder, name = self._place(each)
            content = b"file %d in snapshot %d" % (each, number)
            self._folders.setdefault(folder, {})[name] = Entry(
                name,
                EntryType.FILE,
                0o644,
                0,
                0,
                size=len(content),
                chunks=(data.add(content),),
                mtime_ns=(20_000 + number) * DAY_NS,
            )
            touched.add(folder)
        return touched

    def write(self, trees: TreeWriter, touched: set[bytes]) -> ChunkId:
        """The root tree; only folders in which something changed are written."""
        for folder in touched:
            below = self._folders[folder]
            self._trees[folder] = trees.write([below[name] for name in sorted(below)])
        srv = trees.write([_folder(name, self._trees[name]) for name in sorted(self._trees)])
        return trees.write([_folder(b"srv", srv)])


class Backups:
    """Writes one snapshot after the other into a vault, as an agent and the core would."""

    def __init__(self, vault: OpenVault, access: EmbeddedNode) -> None:
        self._vault = vault
        self._access = access
        self._key = Ed25519PrivateKey.generate()
        self._parent = ""

    def take(self, server: Server, number: int) -> None:
        job, lease = new_job_id(), new_lease_id()
        self._vault.node.open_lease(lease, job, SERVER, SnapshotId(self._parent) if self._parent else None)
        with closing(self._access.job_node(self._token(job, lease))) as node:
            packs: list[bytes] = []
            with self._writer(PackKind.DATA, node, packs) as data:
                touched = server.change(data, number)
            with self._writer(PackKind.META, node, packs) as meta:
                root = server.write(TreeWriter(meta), touched)
            snapshot = node.stage_snapshot(self._sealed(server, number, job, root, packs))
        self._vault.chain.commit(snapshot, SERVER, self._public_key, lease)
        self._vault.node.close_lease(lease)
        self._parent = snapshot

    @property
    def _public_key(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def _token(self, job: str, lease: str) -> str:
        domain, expires = self._vault.descriptor.default_domain, expires_in(SystemClock().now(), TOKEN_S)
        token = StorageToken(job, SERVER, lease, "backup", domain, expires)
        return mint(self._vault.key.token_signing_key(), self._vault.vault_id, token)

    def _writer(self, kind: PackKind, node: JobNode, packs: list[bytes]) -> ChunkWriter:
        def sink(pack: FinishedPack) -> None:
            node.put_pack(pack.pack_id, pack.fd, pack.length)
            packs.append(pack.pack_id)

        identity = PackIdentity(self._vault.vault_id, SERVER)
        public_key = self._vault.descriptor.public_key
        return ChunkWriter(kind, identity, self._vault.current_domain(), public_key, node.present, sink)

    def _sealed(self, server: Server, number: int, job: str, root: ChunkId, packs: list[bytes]) -> bytes:
        domain = self._vault.current_domain()
        at_ns = (20_000 + number) * DAY_NS
        body = SnapshotBody(
            vault_id=self._vault.vault_id,
            server_id=SERVER,
            job_id=job,
            domain=domain.domain,
            epoch=domain.epoch,
            root=root,
            paths=(b"/srv",),
            agent_public_key=self._public_key,
            hostname="web1",
            parent=self._parent,
            started_ns=at_ns,
            finished_ns=at_ns,
            files=server.files,
            packs=tuple(packs),
        )
        return seal_snapshot(body, self._key, self._vault.descriptor.public_key)


def _folder(name: bytes, tree: ChunkId) -> Entry:
    return Entry(name, EntryType.DIRECTORY, 0o755, 0, 0, tree=tree)


def build(data: DataDirectory, snapshots: int, files: int, changed: int) -> VaultKey:
    described, key = create_vault(data, "correct horse battery", lambda *_: None)
    access = EmbeddedNode(data.vault, data.index, data.storage_socket, described, key, SystemClock())
    with closing(access):
        vault = OpenVault(described, key, access.core_node, SystemClock())
        vault.chain.load()
        backups, server = Backups(vault, access), Server(files, changed)
        for number in range(snapshots):
            backups.take(server, number)
    return key


async def search(data: DataDirectory, key: VaultKey, patterns: tuple[str, ...], runs: int) -> list[str]:
    """For each pattern a line of what it took."""
    core = Core(data, key, CoreConfig(), key_holder="bench")
    await core.start()
    client = CoreClient(data.core_socket)
    try:
        while (await client.vault()).unproved_packs:  # noqa: ASYNC110 - the proof has no event of its own
            await asyncio.sleep(PROVED_S)
        return [await _timed(client, pattern, runs) for pattern in patterns]
    finally:
        await client.close()
        await core.stop()


async def _timed(client: CoreClient, pattern: str, runs: int) -> str:
    took: list[float] = []
    first_s, versions, told = 0.0, 0, ""
    for _ in range(runs):
        began, versions, first_s = time.perf_counter(), 0, 0.0
        async for line in client.find_versions(pattern, limit=10**6):
            if line.version is not None:
                versions += 1
                first_s = first_s or time.perf_counter() - began
            if line.end is not None:
                told = f"{line.end.folders} folders, {line.end.entries} entries read"
        took.append(time.perf_counter() - began)
    when = f", the first after {first_s:.2f} s" if versions else ""
    return f"{pattern}: {versions} versions in {statistics.median(took):.2f} s{when}; {told} ({runs} runs)"


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m bench.finding", description=__doc__)
    words.add_argument("--snapshots", type=int, default=1000)
    words.add_argument("--files", type=int, default=2000)
    words.add_argument("--changed", type=int, default=10, help="files that each snapshot changes")
    words.add_argument("--runs", type=int, default=3)
    words.add_argument("--folder", default="", help="where to work; without one, in memory")
    given = words.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    with work_folder(given.folder) as folder:
        began = time.perf_counter()
        data = DataDirectory(Path(folder) / "data")
        key = build(data, given.snapshots, given.files, given.changed)
        took_s = time.perf_counter() - began
        print(
            f"{given.snapshots} snapshots of {given.files} files, {given.changed} of them new in each: {took_s:.0f} s"
        )
        patterns = ("file-00042.txt", "*.txt", "nothing-of-this-name")
        for line in asyncio.run(search(data, key, patterns, given.runs)):
            print(line)


if __name__ == "__main__":
    main()
