"""A snapshot in memory of whatever entries a test wants, open for reading as the core opens it."""

from collections.abc import Mapping
from datetime import UTC, datetime

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.engine.reading.snapshotfiles import SnapshotFiles
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.tree import TreeWriter
from tests.vault.memory_vault import IDENTITY, KEYS, MemoryVault

TAKEN = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)
Content = Entry | tuple[Entry, bytes] | Mapping[bytes, "Content"]
"""An entry, a file with its data, or a folder."""


def snapshot(content: Mapping[bytes, Content], vault: MemoryVault | None = None) -> tuple[MemoryVault, SnapshotFiles]:
    vault = vault or MemoryVault()
    with vault.writer(PackKind.DATA) as data, vault.writer(PackKind.META) as meta:
        trees = TreeWriter(meta)

        def folder(below: Mapping[bytes, Content]) -> bytes:
            entries: list[Entry] = []
            for name in sorted(below):
                match below[name]:
                    case Entry() as entry:
                        entries.append(entry)
                    case (Entry() as entry, bytes() as plain):
                        entries.append(_with(entry, tuple(data.add(plain[at : at + 1000]) for at in _cuts(plain))))
                    case inside:
                        assert isinstance(inside, Mapping)
                        entries.append(Entry(name, EntryType.DIRECTORY, 0o750, 0, 0, tree=folder(inside)))
            return trees.write(entries)

        root = folder(content)
    return vault, SnapshotFiles(row(root), vault.reader(PackKind.META), vault.reader(PackKind.DATA))


def row(root: bytes, number: int = 1, server: str = "web1", at: datetime = TAKEN) -> SnapshotRow:
    return SnapshotRow(
        id=f"{number:064x}",
        sequence=number,
        server_id=IDENTITY.server_id,
        server_name=server,
        root=root,
        created_at=at,
        recorded_at=at,
        paths=("/",),
        files=0,
        directories=0,
        bytes=0,
        stored_bytes=0,
        missing_count=0,
        job_id="j1",
        parent="",
        hostname=server,
        domain=KEYS.domain,
        epoch=KEYS.epoch,
        packs=(),
    )


def _cuts(plain: bytes) -> range:
    return range(0, len(plain), 1000)


def _with(entry: Entry, refs: tuple[ChunkRef, ...]) -> Entry:
    import msgspec

    return msgspec.structs.replace(entry, chunks=refs)
