"""Small chunk indexes of tests."""

from pathlib import Path
from typing import Any

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.environment import Environment
from phoenix_core.vault.index import VaultIndex
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.packtail import PackTail, TailBlock

VAULT = "00" * 16
USABLE = PackState.USABLE


def chunk(number: int) -> ChunkId:
    return ChunkId(number.to_bytes(32, "big"))


def pack_id(number: int) -> PackId:
    return PackId((number + 1).to_bytes(32, "little"))


def info(number: int, **changes: object) -> PackInfo:
    fields: dict[str, object] = {
        "pack_id": pack_id(number),
        "bytes": 1000 + number,
        "server_id": "s1",
        "domain": "default",
        "epoch": 1,
        "kind": "data",
        "chunks": 1,
        "state": USABLE,
        "proved": False,
        "stored_at_ns": 1,
    }
    return PackInfo(**(fields | changes))  # type: ignore[arg-type]


def tail(chunks: list[int], per_block: int = 2) -> PackTail:
    blocks = []
    for at in range(0, len(chunks), per_block):
        part = chunks[at : at + per_block]
        ids = b"".join(chunk(number) for number in part)
        blocks.append(TailBlock(2000 + at * 100, 100, 7 * len(part), ids, tuple(7 for _ in part)))
    return PackTail(1, bytes(32), tuple(blocks))


def make(folder: Path, **options: Any) -> VaultIndex:
    index = VaultIndex(Environment(folder, create=True, **options))
    index.begin(VAULT)
    return index


def add(index: VaultIndex, number: int, chunks: list[int], **changes: object) -> bool:
    entry = info(number, chunks=len(chunks), **changes)
    return index.add([(entry, tail(chunks).blocks)])[0]


def remove(index: VaultIndex, number: int, listed: PackTail | None) -> None:
    index.remove(pack_id(number), listed.blocks if listed else None)


def everywhere(_: PackInfo) -> int:
    return 0
