"""The vault that the damage campaign breaks: three servers, several states of each, hundreds of small objects. Of each
server one state is held, one removed for a while, one was brought back and one is tagged.

It is made once; each round works on a copy whose objects are hard links of it, so that they must not be changed in
place. It has blocks of one chunk and of many, packs of one block and of several, trees in packs of their own, chunks
that several snapshots or several servers share, and more than one index object.
"""

import os
import random
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from phoenix_core.domain.ids import ChunkId, SnapshotId
from phoenix_core.vault.corereader import CoreReader
from phoenix_core.vault.descriptor import VaultDescriptor, WrappedKey
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.snapshot import SnapshotBody, seal_snapshot
from phoenix_core.vault.tree import TreeWriter, entry_chunks
from phoenix_core.vault.treewalk import resolve
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.wrap import describe_vault
from tests.chaos.damage_decisions import CATALOG, Decisions
from tests.vault_maintenance.rig import VAULT_ID, Rig

Files = dict[str, bytes]
"""Content by path below /srv; a file of more than one chunk has its parts joined."""
SERVERS = ("sweb", "sdb", "smail")
STATES = 4
CHUNK = 3_000
LARGE = 700_000
"""Of two files a pack has several blocks: one is closed at 1 MiB."""


def described(passphrase: bytes) -> VaultDescriptor:
    """vault.json with a wrapped key of its own for each passphrase; none of them is ever opened here."""
    salt = passphrase.ljust(16, b".")
    wrapped = WrappedKey(time_cost=1, memory_kib=64, parallelism=1, salt=salt, nonce=bytes(12), sealed=salt * 3)
    key = VaultKey.from_bytes(bytes(range(32)))
    return describe_vault(key, VAULT_ID, datetime(2026, 1, 1, tzinfo=UTC), (wrapped,))


class SmallVault(Rig):
    """A rig whose backups write many small packs."""

    def __init__(self, folder: Path) -> None:
        self.states: dict[SnapshotId, tuple[str, Files]] = {}
        """What each snapshot was made of: server and files."""
        super().__init__(folder)

    def back_up(self, server: str, files: Files, parent: SnapshotId | None = None) -> SnapshotId:
        """A backup as an agent's, with a pack for every few chunks and every folder."""
        running = self.begin(server, parent)
        chunks: dict[str, tuple[ChunkRef, ...]] = {}
        with running._writer(PackKind.DATA) as writer:
            for number, (path, content) in enumerate(sorted(files.items())):
                step = LARGE if len(content) >= LARGE else CHUNK
                chunks[path] = tuple(writer.add(content[at : at + step]) for at in range(0, len(content), step))
                if number % 3 == 2 or path.startswith("alike"):
                    writer.flush()
        with running._writer(PackKind.META) as writer:
            trees = TreeWriter(writer)

            def folder_of(prefix: str) -> bytes:
                below = [path.removeprefix(prefix) for path in files if path.startswith(prefix)]
                names = sorted({path.partition("/")[0] for path in below})
                entries = [
                    Entry(
                        name.encode(),
                        EntryType.FILE,
                        0o644,
                        0,
                        0,
                        size=len(files[prefix + name]),
                        chunks=chunks[prefix + name],
                    )
                    if name in below
                    else Entry(name.encode(), EntryType.DIRECTORY, 0o755, 0, 0, tree=folder_of(f"{prefix}{name}/"))
                    for name in names
                ]
                tree = trees.write(entries)
                writer.flush()
                return tree

            root = trees.write([Entry(b"srv", EntryType.DIRECTORY, 0o755, 0, 0, tree=folder_of(""))])
        body = SnapshotBody(
            vault_id=VAULT_ID,
            server_id=server,
            job_id=running.job,
            domain="default",
            epoch=1,
            root=root,
            paths=(b"/srv",),
            agent_public_key=self.agent_key.public_key().public_bytes_raw(),
            parent=parent or "",
            packs=tuple(running.packs),
        )
        snapshot = running.node.stage_snapshot(seal_snapshot(body, self.agent_key, self.key.public_key()))
        running.commit(snapshot)
        return snapshot


class Reading:
    """Restores files as an agent does: one copy of each chunk, the one that the node names."""

    def __init__(self, rig: Rig) -> None:
        self._core = CoreReader(rig.node, rig.key)
        self._data = self._core.reader("default", 1, PackKind.DATA)

    def file(self, snapshot: SnapshotId, path: str) -> bytes:
        """Raises PhoenixError where something of it can't be had."""
        body = self._core.snapshot(snapshot)
        trees = self._core.trees_of(body)
        entry = resolve(trees, body.root, b"/srv/" + path.encode())
        return b"".join(data for _, data in self._data.read(ChunkId(ref.id) for ref in entry_chunks(trees, entry)))


def make(folder: Path, dice: random.Random) -> tuple[dict[SnapshotId, tuple[str, Files]], Decisions]:
    """A whole and proved vault in `folder`; returns what its snapshots hold, and what is decided about them."""
    vault, decisions = SmallVault(folder), Decisions()
    try:
        store = folder / "vault"
        (store / "vault.json").write_bytes(described(b"new").encode())
        shared: Files = {f"shared/{number}": dice.randbytes(dice.randint(1, 3 * CHUNK)) for number in range(4)}
        text = dice.randbytes(1000)
        states: dict[SnapshotId, tuple[str, Files]] = {}
        for server in SERVERS:
            files: Files = shared | {
                f"{folder_name}/{number}": dice.randbytes(dice.randint(0, 4 * CHUNK))
                for folder_name in ("etc", "home/a", "home/b")
                for number in range(5)
            }
            files |= {f"alike/{number}": dice.randbytes(CHUNK) for number in range(8)}
            for number in range(2):
                files[f"large/{number}"] = server.encode() + bytes([number]) + text * (2 * LARGE // 1000)
            parent = None
            for _ in range(STATES):
                parent = vault.back_up(server, files, parent)
                states[parent] = server, dict(files)
                for path in dice.sample(sorted(files), 5):
                    files[path] = dice.randbytes(dice.randint(1, 2 * CHUNK))
                files[f"home/new{len(states)}"] = dice.randbytes(CHUNK)
            decisions.decide(vault, list(states)[-STATES:])
        decisions.remember(vault)
        vault.prove_all()
        vault.merge()
    finally:
        vault.close()
    return states, decisions


def copy(pristine: Path, to: Path) -> None:
    """The vault's objects as hard links, its index and the core's catalog as copies."""
    for path, _, names in os.walk(pristine / "vault"):
        target = to / Path(path).relative_to(pristine)
        target.mkdir(mode=0o700, parents=True)
        for name in names:
            if name == "owner" or name.startswith("."):
                shutil.copy2(Path(path) / name, target / name)
            else:
                os.link(Path(path) / name, target / name)
    shutil.copytree(pristine / "index", to / "index")
    shutil.copy2(pristine / CATALOG, to / CATALOG)


def paths_of(states: dict[SnapshotId, tuple[str, Files]]) -> Iterator[tuple[SnapshotId, str]]:
    for snapshot, (_, files) in states.items():
        for path in files:
            yield snapshot, path
