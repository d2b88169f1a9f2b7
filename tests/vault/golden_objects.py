"""The objects that tests/vault/golden pins, made from fixed keys and fixed randomness.

`python -m tests.vault.golden_objects` writes those that are absent. An existing file is never written again: bytes that
change mean that vaults in the field would no longer be read or extended, and call for a new format version.
"""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import zstandard
from blake3 import blake3

from phoenix_core.agent.windows.entries import file_entry, folder_entry, link_entry, stream_entry
from phoenix_core.agent.windows.names import to_bytes
from phoenix_core.agent.windows.reparse import junction_data
from phoenix_core.agent.windows.seam import Details, FileFacts
from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.annotation import Annotation, Aside, Detail, Hold, seal
from phoenix_core.vault.block import encode_block
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.chunkid import chunk_id
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType, Extent
from phoenix_core.vault.filelists import MissingEntry, write_missing
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packtail import PackTail, TailBlock, seal_tail, tail_key
from phoenix_core.vault.record import FIRST_PREVIOUS, Record, RecordKind, SealedRecord, record_hash, sign
from phoenix_core.vault.snapshot import seal_snapshot
from phoenix_core.vault.tree import TreeWriter, write_chunk_list
from phoenix_core.vault.wrap import WrappedKey, describe_vault
from tests.agent.windows.descriptors import descriptor
from tests.vault.memory_vault import KEY, KEYS, PUBLIC_KEY, VAULT_ID, make_pack
from tests.vault.test_snapshot import AGENT, BODY

FOLDER = Path(__file__).parent / "golden"
PASSPHRASE = "correct horse battery staple"
PACK_CHUNKS = (b"a first chunk", b"a second chunk", bytes(100_000))
TAIL_HEAD = bytes(range(256)) * 5 + bytes(8)
RANDOM_ID = bytes(range(16))
SIGN = KEY.record_signing_key()


class Shelf:
    """Takes chunks as a chunk writer does, and keeps them in order."""

    def __init__(self) -> None:
        self.data: list[bytes] = []

    def add(self, data: bytes) -> ChunkRef:
        self.data.append(data)
        return ChunkRef(chunk_id(KEYS, PackKind.META, data), len(data))


def entries() -> list[Entry]:
    """One of each type, with every field used at least once."""
    one, two = (ChunkRef(bytes([number]) * 32, 1000 * number) for number in (1, 2))
    return [
        Entry(b"block", EntryType.BLOCK_DEVICE, 0o660, 0, 6, group="disk", rdev_major=8, rdev_minor=1),
        Entry(b"char", EntryType.CHAR_DEVICE, 0o666, 0, 0, rdev_major=1, rdev_minor=3),
        Entry(b"dir", EntryType.DIRECTORY, 0o1777, 0, 0, owner="root", group="root", tree=bytes(32), partial=True),
        Entry(b"fifo", EntryType.FIFO, 0o600, 1000, 1000),
        Entry(
            b"file \xff",
            EntryType.FILE,
            0o4755,
            1000,
            100,
            owner="zoë",
            group="users",
            inode=42,
            device=2049,
            links=2,
            size=3000,
            xattrs=((b"security.capability", b"\x01\x00"), (b"user.note", b"")),
            chunks=(one, two),
            mtime_ns=1_700_000_000_123_456_789,
            ctime_ns=1_700_000_001_000_000_000,
            birth_ns=-1,
        ),
        Entry(b"image.raw", EntryType.FILE, 0o644, 0, 0, size=5000, chunk_list=bytes([3]) * 32, fixed_chunks=True),
        Entry(b"link", EntryType.SYMLINK, 0o777, 0, 0, target=b"../etc/\xfe"),
        Entry(b"socket", EntryType.SOCKET, 0o755, 0, 0),
        Entry(b"sparse", EntryType.FILE, 0, 2**32 - 1, 0, size=2**40, extents=(Extent(2**20, 1000),), chunks=(one,)),
    ]


def windows_entries() -> list[Entry]:
    """A volume's folder as a Windows agent writes it: with a stream, a junction, a name with a lone surrogate."""
    (one, two), at_ns = (ChunkRef(bytes([number]) * 32, 1000 * number) for number in (1, 2)), 1_700_000_000_123_456_700
    facts = FileFacts("", 0x21, 1000, 4096, at_ns, at_ns + 100, at_ns + 200, 0x0001_0000_0000_2A3B)
    security = descriptor("S-1-5-21-1-2-3-1001", inherited=True)
    file = Details(facts, 2, 0xC0FFEE)
    folder = msgspec.structs.replace(facts, attributes=0x16)
    link = msgspec.structs.replace(facts, attributes=0x410, reparse_tag=0xA0000003)
    tree = folder_entry(b"C", folder, security, volume=b"NTFS", partial=True)
    return [
        msgspec.structs.replace(tree, tree=bytes(32)),
        link_entry(b"loop", link, security, junction_data("C:\\Data")),
        file_entry(to_bytes("odd\ud800.txt"), file, security, 1000, (one,), None, fixed=False),
        stream_entry(to_bytes("odd\ud800.txt") + b":Zone.Identifier", file, 2000, (two,), None, fixed=False),
    ]


def derivations() -> dict[str, str]:
    """Every key and id that derives from the vault key of bytes 0 to 31."""
    pack_key = bytes(range(100, 132))
    private = {
        "ml-kem-768 seed": KEY._mlkem_key.private_bytes_raw(),
        "x25519 private key": KEY._x25519_key.private_bytes_raw(),
        "record signing key": KEY.record_signing_key().private_bytes_raw(),
        "record public key": KEY.record_public_key(),
        "storage token signing key": KEY.token_signing_key().private_bytes_raw(),
        "storage token public key": KEY.token_public_key(),
        "blake3 of the public key": blake3(KEY.public_key()).digest(),
    }
    out = {name: value.hex() for name, value in private.items()}
    for domain, epoch in (("default", 1), ("default", 2), ("finance", 1)):
        keys = KEY.domain_keys(domain, epoch)
        where = f"domain {domain} epoch {epoch}: "
        out[where + "data id key"] = keys.data_id_key.hex()
        out[where + "metadata id key"] = keys.meta_id_key.hex()
        out[where + "index key"] = keys.index_key.hex()
        out[where + "chunker seed"] = str(keys.chunker_seed)
    out["data chunk id of 'abc'"] = chunk_id(KEYS, PackKind.DATA, b"abc").hex()
    out["metadata chunk id of 'abc'"] = chunk_id(KEYS, PackKind.META, b"abc").hex()
    out["block key of pack key 64..83 and ordinal 0"] = block_key(pack_key, 0).hex()
    out["block key of pack key 64..83 and ordinal 258"] = block_key(pack_key, 258).hex()
    out["tail key of the domain default's index key and random id 00..0f"] = tail_key(KEYS.index_key, RANDOM_ID).hex()
    return out


def lists() -> Iterator[tuple[str, bytes]]:
    """The nodes of two trees, of a chunk list of two levels and of a list of missing files."""
    shelf = Shelf()
    TreeWriter(shelf).write(entries())
    yield "tree", shelf.data[0]
    shelf = Shelf()
    TreeWriter(shelf).write(windows_entries())
    yield "windows-tree", shelf.data[0]
    shelf = Shelf()
    refs = [ChunkRef(blake3(number.to_bytes(4, "little")).digest(), number + 1) for number in range(10_000)]
    write_chunk_list(shelf, refs)
    yield "chunk-list-top", shelf.data[-1]
    yield "chunk-list-last", shelf.data[-2]
    shelf = Shelf()
    write_missing(shelf, [MissingEntry(b"/etc/sh\xffadow", "EACCES"), MissingEntry(b"/x", "vanished")])
    yield "missing", shelf.data[0]
    shelf = Shelf()
    names = (b"%08d" % number for number in range(10_000))
    TreeWriter(shelf).write(Entry(name, EntryType.FIFO, 0o600, 0, 0) for name in names)
    yield "large-tree-top", shelf.data[-1]


def tail() -> bytes:
    ids = ChunkId(bytes([1]) * 32) + bytes([2]) * 32
    blocks = (TailBlock(1288, 1000, 3000, ids, (1000, 2000)), TailBlock(2288, 18, 1, bytes([3]) * 32, (1,)))
    return seal_tail(PackTail(1, bytes([9]) * 32, blocks), KEYS.index_key, RANDOM_ID, TAIL_HEAD)


def records() -> Iterator[tuple[str, bytes]]:
    snapshot = bytes([7]) * 32
    first = sign(
        Record(1, FIRST_PREVIOUS, 1_700_000_000_000_000_000, RecordKind.COMMIT, "s1", bytes(32), snapshot), SIGN
    )
    yield "record-commit", first
    second = Record(2, record_hash(first), 1_700_000_001_000_000_000, RecordKind.REMOVE, "s1", bytes(32), snapshot)
    yield "record-remove", sign(second, SIGN)
    held = Annotation(("month-end", "prüfung"), "Before the move.\nKept for the auditors.", Hold("audit", "root", 1, 2))
    decided: tuple[tuple[str, RecordKind, Detail], ...] = (
        ("record-annotate", RecordKind.ANNOTATE, held),
        ("record-set-aside", RecordKind.SET_ASIDE, Aside("root", 604_800)),
        ("record-bring-back", RecordKind.BRING_BACK, Aside("root", 0)),
    )
    before = first
    for number, (name, kind, detail) in enumerate(decided, 2):
        sealed = seal(KEY, kind, snapshot, detail, lambda count, at=number: bytes([at]) * count)  # type: ignore[misc]
        place, at_ns = (number, record_hash(before)), 1_700_000_000_000_000_000
        record = SealedRecord(*place, at_ns, kind, "s1", bytes(32), snapshot, sealed)
        before = sign(record, SIGN)
        yield name, before


def wrapped() -> WrappedKey:
    """Wrapped once with the passphrase above; fixed, since salt and nonce are random."""
    return msgspec.json.decode((FOLDER / "wrapped-key.json").read_bytes(), type=WrappedKey)


def exact() -> dict[str, bytes]:
    """Objects whose every byte is determined."""
    objects = dict([*lists(), *records()])
    objects["tail"] = tail()
    objects["block-raw"] = bytes(encode_block(zstandard.ZstdCompressor(), memoryview(bytearray(b"?incompressible"))))
    objects["derivations.json"] = msgspec.json.format(msgspec.json.encode(derivations()), indent=1) + b"\n"
    created = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    objects["vault.json"] = describe_vault(KEY, VAULT_ID, created, (wrapped(),)).encode()
    return objects


def sealed_once() -> dict[str, bytes]:
    """Objects that hold fresh randomness of HPKE: made once, opened ever after."""
    return {"pack": make_pack(PACK_CHUNKS)[1], "snapshot": seal_snapshot(BODY, AGENT, PUBLIC_KEY)}


def main() -> None:
    for name, data in (sealed_once() | exact()).items():
        path = FOLDER / name
        if not path.exists():
            path.write_bytes(data)
            print(f"wrote {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
