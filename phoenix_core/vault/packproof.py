"""Looks at packs as a verify does: are they there in full, do bytes and chunks hash to their names. Core only."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet

import msgspec
from blake3 import blake3

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.vault.errors import PackDamaged, UnknownVersion, UnsealFailed
from phoenix_core.vault.location import OpenPack
from phoenix_core.vault.maintenance_node import IsCancelled, MaintenanceNode
from phoenix_core.vault.mark import MaintenanceCancelled
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.packkeys import PackKeys
from phoenix_core.vault.packreader import check_pack
from phoenix_core.vault.vaultkey import VaultKey

READ_BYTES = 4 * 2**20


class PackFault(msgspec.Struct, frozen=True):
    """What is wrong with one pack."""

    pack_id: bytes
    text: str
    state: PackState | None
    """How the node is to mark it; None: not in the index, so there is nothing to mark."""
    bad_chunks: frozenset[ChunkId] | None = None
    """Only these are damaged; None: none of the pack's chunks is to be relied on."""

    is_known: bool = True
    """The node knows what is in the pack."""

    @property
    def cause(self) -> str:
        return f"pack {self.pack_id.hex()}"


Report = Callable[[int, int, int, int], None]
"""Packs done, packs in all, bytes done, bytes in all."""


class PackReading:
    """One pass over the packs, at a verify's depth."""

    def __init__(
        self,
        node: MaintenanceNode,
        key: VaultKey,
        depth: VerifyDepth,
        cancelled: IsCancelled,
        only: AbstractSet[PackId] | None = None,
    ) -> None:
        """`only`: look at no others."""
        self._only = only
        self._node = node
        self._key = key
        self._pack_keys = PackKeys(node.open_pack, key)
        self._depth = depth
        self._cancelled = cancelled
        self.packs = 0
        self.chunks = 0
        self.bytes_read = 0

    def run(self, progress: Report) -> list[PackFault]:
        """Every pack that the index knows, and those it doesn't. Raises `MaintenanceCancelled`."""
        infos = {PackId(info.pack_id): info for info in self._node.packs()}
        known = {pack_id: info for pack_id, info in infos.items() if self._only is None or pack_id in self._only}
        stored = dict(self._node.stored_packs())
        total = sum(info.bytes for info in known.values())
        faults: list[PackFault] = []
        for done, (pack_id, info) in enumerate(known.items()):
            if self._cancelled():
                raise MaintenanceCancelled(what="The verify")
            progress(done, len(known), self.bytes_read, total)
            fault = self._look(info, stored.get(pack_id))
            if fault is not None:
                faults.append(fault)
            elif info.state in {PackState.DAMAGED, PackState.LOST} and self._depth is not VerifyDepth.STRUCTURE:
                mark_pack(self._node, pack_id, PackState.USABLE)
            self.packs += 1
        for pack_id in self._strangers(stored.keys() - infos.keys()) if self._only is None else ():
            text = f"Pack {pack_id.hex()[:16]} is not in the index; run `phoenix vault rebuild-index`."
            faults.append(PackFault(pack_id, text, None, is_known=False))
        return faults

    def _strangers(self, unlisted: AbstractSet[PackId]) -> list[PackId]:
        """Of the packs that weren't in the index when it was listed: those that still lie there, and still aren't. One
        that was stored since, or stored and pruned, is no fault."""
        unknown = [pack_id for pack_id in unlisted if self._node.pack_info(pack_id) is None]
        there = dict(self._node.stored_packs()) if unknown else {}
        return [pack_id for pack_id in unknown if pack_id in there and self._node.pack_info(pack_id) is None]

    def _look(self, info: PackInfo, stored_bytes: int | None) -> PackFault | None:
        name = f"Pack {info.pack_id.hex()[:16]}"
        fault: PackFault | None = None
        if stored_bytes is None:
            if not self._is_going(info):
                fault = PackFault(info.pack_id, f"{name} is gone from the vault.", PackState.LOST)
        elif stored_bytes != info.bytes:
            text = f"{name} has {stored_bytes} bytes instead of {info.bytes}."
            fault = PackFault(info.pack_id, text, PackState.DAMAGED)
        elif info.state is PackState.DAMAGED and not info.chunks:
            fault = PackFault(info.pack_id, f"{name} is damaged: its head or tail can't be read.", None, None, False)
        elif self._depth is not VerifyDepth.STRUCTURE:
            fault = self._read(info, name)
        elif info.state in {PackState.DAMAGED, PackState.LOST}:
            fault = PackFault(info.pack_id, f"{name} was found damaged before.", None)
        return fault

    def _read(self, info: PackInfo, name: str) -> PackFault | None:
        self.bytes_read += info.bytes
        pack_id = PackId(info.pack_id)
        try:
            with self._node.open_pack(pack_id) as pack:
                if self._depth is VerifyDepth.PACKS:
                    return None if _name_holds(pack, info) else self._changed(pack, info, name)
                check = check_pack(
                    pack,
                    info.bytes,
                    pack_id,
                    self._pack_keys.pack_key(pack_id),
                    self._key.domain_keys(info.domain, info.epoch),
                )
        except PhoenixError as error:
            if error.retryable:
                raise
            if self._is_going(info):
                return None
            return PackFault(info.pack_id, f"{name} can't be read: {error.message}", PackState.DAMAGED)
        self.chunks += check.chunks
        if check.ok:
            return None
        text = f"{name} was changed: {len(check.damaged_chunks)} of its {check.chunks} chunks are damaged."
        return PackFault(info.pack_id, text, PackState.DAMAGED, frozenset(check.damaged_chunks))

    def _is_going(self, info: PackInfo) -> bool:
        """Whether a prune has deleted the pack since it was listed, or is about to: no snapshot needs it."""
        now = self._node.pack_info(PackId(info.pack_id))
        return now is None or now.state is PackState.CONDEMNED

    def _changed(self, pack: OpenPack, info: PackInfo, name: str) -> PackFault:
        """A pack whose bytes aren't its name's: find which chunks that hits, if head and tail can still be read."""
        pack_id = PackId(info.pack_id)
        text = f"{name} was changed: its bytes do not hash to its name."
        try:
            check = check_pack(
                pack,
                info.bytes,
                pack_id,
                self._pack_keys.pack_key(pack_id),
                self._key.domain_keys(info.domain, info.epoch),
            )
        except (PackDamaged, UnknownVersion, UnsealFailed):
            return PackFault(info.pack_id, text, PackState.DAMAGED)
        return PackFault(info.pack_id, text, PackState.DAMAGED, frozenset(check.damaged_chunks))


def mark_pack(node: MaintenanceNode, pack_id: PackId, state: PackState) -> None:
    """As `MaintenanceNode.mark_damaged`; a pack that was pruned meanwhile needs no mark."""
    try:
        node.mark_damaged(pack_id, state)
    except PhoenixError:
        if node.pack_info(pack_id) is not None:
            raise


def _name_holds(pack: OpenPack, info: PackInfo) -> bool:
    hasher = blake3()
    offset = 0
    while offset < info.bytes:
        data = pack.pread(min(READ_BYTES, info.bytes - offset), offset)
        if not data:
            break
        hasher.update(data)
        offset += len(data)
    return hasher.digest() == info.pack_id
