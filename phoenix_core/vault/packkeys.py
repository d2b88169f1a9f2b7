"""The core's way to a pack's key: read the head, unseal, remember. Core only."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextlib import suppress

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import PackId
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.errors import PackDamaged, UnknownVersion, UnsealFailed
from phoenix_core.vault.location import BlockRef, OpenPackForReading
from phoenix_core.vault.packhead import PackHead, parse_head
from phoenix_core.vault.packreader import read_head
from phoenix_core.vault.unseal import unseal_pack_key
from phoenix_core.vault.vaultkey import VaultKey

KEYS_KEPT = 65536
ReadHeads = Callable[[Sequence[PackId]], list[bytes]]


class PackKeys:
    """Opens the heads of packs. Not thread-safe."""

    def __init__(self, open_pack: OpenPackForReading, key: VaultKey, heads: ReadHeads | None = None) -> None:
        """`heads` reads those of many packs at once, where that saves time: of what it can't read, an empty one."""
        self._open_pack = open_pack
        self._heads = heads
        self._private_key = key.private_key()
        self._known: OrderedDict[bytes, bytes] = OrderedDict()

    def pack_key(self, pack_id: PackId) -> bytes:
        """The pack's 32-byte key. Raises `PackDamaged`, `UnknownVersion`, `UnsealFailed`, and what the node raises."""
        known = self._known.get(pack_id)
        if known is not None:
            return known
        with self._open_pack(pack_id) as pack:
            head = read_head(pack)
        return self._learn(pack_id, head)

    def _learn(self, pack_id: PackId, head: PackHead) -> bytes:
        key = unseal_pack_key(self._private_key, head)
        self._known[pack_id] = key
        if len(self._known) > KEYS_KEPT:
            self._known.popitem(last=False)
        return key

    def block_keys(self, blocks: Sequence[BlockRef]) -> list[bytes]:
        """One 32-byte key per block, in order; what a `ChunkReader` asks for."""
        unknown = [PackId(pack) for pack in {block.pack_id: None for block in blocks} if pack not in self._known]
        for pack_id, head in self._read_ahead(unknown):
            with suppress(PackDamaged, UnknownVersion, UnsealFailed):  # told below, if it is so still
                self._learn(pack_id, parse_head(head))
        return [block_key(self.pack_key(PackId(block.pack_id)), block.ordinal) for block in blocks]

    def _read_ahead(self, pack_ids: Sequence[PackId]) -> list[tuple[PackId, bytes]]:
        """The heads of several packs, where they can be had at once: a storage node of an earlier release can't."""
        if self._heads is None or len(pack_ids) < 2:
            return []
        try:
            return list(zip(pack_ids, self._heads(pack_ids), strict=True))
        except PhoenixError as error:
            if error.retryable:
                raise
            self._heads = None
            return []
