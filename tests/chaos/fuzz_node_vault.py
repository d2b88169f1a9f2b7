"""The vault whose storage node is fuzzed: two servers, packs that are sound, damaged, gone, unused and doubled, and
snapshots that are committed, annotated, set aside, removed and left over.

`python -m tests.chaos.fuzz_node_vault` makes it anew, with other ids: what was found by fuzzing it may not be found in
that one."""

import tempfile
from pathlib import Path

import msgspec

from phoenix_core.domain.ids import PackId
from phoenix_core.storage.node import StorageNode
from phoenix_core.vault.annotation import Annotation, Aside, Hold
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packinfo import PackState
from tests.chaos.damage_vault import described
from tests.vault_maintenance.rig import Rig, content, flip

GOLDEN = Path(__file__).parent / "golden" / "node-vault.bin"
SHARED = b"what servers share is large " * 12_000
_OF_A_HOST = ("owner",)
"""Objects that name the host, which the node makes by itself."""


class NodeVault:
    """The node of this vault, opened from its objects; the index is made anew from them."""

    def __init__(self, folder: Path) -> None:
        for name, data in msgspec.msgpack.decode(GOLDEN.read_bytes(), type=dict[str, bytes]).items():
            path = folder / "vault" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        self.rig = Rig(folder)
        self.rebuilt = self.node.rebuild_index()
        packs = sorted((PackId(info.pack_id), info.kind) for info in self.node.packs())
        files = [pack_id for pack_id, kind in packs if kind == PackKind.DATA]
        for pack_id in (pack_id for pack_id, kind in packs if kind == PackKind.META or pack_id in files[::2]):
            self.node.mark_proved(pack_id)
        self.node.mark_damaged(files[1], PackState.DAMAGED)
        self.node.mark_damaged(files[3], PackState.LOST)

    @property
    def node(self) -> StorageNode:
        return self.rig.node


def make(folder: Path) -> dict[str, bytes]:
    """Its objects by name."""
    rig = Rig(folder)
    try:
        first = rig.backup({"a": content(1, 2000), "b": b"two", "shared": SHARED})
        second = rig.backup({"a": content(1, 2000), "c": content(2, 3000)}, parent=first)
        rig.backup({"a": content(1, 2000), "shared": SHARED}, server="sdb")
        rig.prove_all()
        rig.remove(rig.backup({"gone": content(3, 500)}))
        rig.backup({"b": b"two", "d": content(4, 700)}, parent=second)
        chain = rig.chain()
        committed = chain.live()
        chain.annotate(committed[first], Annotation(("yearly",), "kept", Hold("audit", "anna", 5, 0)))
        chain.set_aside(committed[second], Aside("bob", 60))
        left = rig.begin()
        left.store({"left": b"over"})
        rig.node.close_lease(left.lease)
        rig.merge()
    finally:
        rig.close()
    vault = folder / "vault"
    (vault / "vault.json").write_bytes(described(b"a").encode())
    flip(rig.pack_files("data")[0], 1400)
    return {
        str(path.relative_to(vault)): path.read_bytes()
        for path in sorted(vault.rglob("*"))
        if path.is_file() and path.name not in _OF_A_HOST and not path.name.startswith(".")
    }


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        objects = make(Path(folder))
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_bytes(msgspec.msgpack.encode(objects))
    print(f"{len(objects)} objects, {GOLDEN.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
