"""The core's way to a pack's key: read the head, unseal, remember. Core only."""

from collections import OrderedDict
from collections.abc import Sequence

from phoenix_core.domain.ids import PackId
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.location import BlockRef, OpenPackForReading
from phoenix_core.vault.packreader import read_head
from phoenix_core.vault.unseal import unseal_pack_key
from phoenix_core.vault.vaultkey import VaultKey

KEYS_KEPT = 65536


class PackKeys:
    """Opens the heads of packs. Not thread-safe."""

    def __init__(self, open_pack: OpenPackForReading, key: VaultKey) -> None:
        self._open_pack = open_pack
        self._private_key = key.private_key()
        self._known: OrderedDict[bytes, bytes] = OrderedDict()

    def pack_key(self, pack_id: PackId) -> bytes:
        """The pack's 32-byte key. Raises `PackDamaged`, `UnknownVersion`, `UnsealFailed`, and what the node raises."""
        known = self._known.get(pack_id)
        if known is not None:
            return known
        with self._open_pack(pack_id) as pack:
            head = read_head(pack)
        key = unseal_pack_key(self._private_key, head)
        self._known[pack_id] = key
        if len(self._known) > KEYS_KEPT:
            self._known.popitem(last=False)
        return key

    def block_keys(self, blocks: Sequence[BlockRef]) -> list[bytes]:
        """One 32-byte key per block, in order; what a `ChunkReader` asks for."""
        return [block_key(self.pack_key(PackId(block.pack_id)), block.ordinal) for block in blocks]
