"""Looks at packs as a verify does: are they there in full, do bytes and chunks hash to their names. Core only.

What was read to its end and found sound is told to the storage node as it is found, which keeps when it was: cut off at
any point, a look at all packs has not been in vain.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from typing import Protocol

import msgspec
from blake3 import blake3

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import OpenPack
from phoenix_core.vault.maintenance_node import IsCancelled, MaintenanceNode
from phoenix_core.vault.mark import MaintenanceCancelled
from phoenix_core.vault.packhead import parse_head
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.packkeys import PackKeys
from phoenix_core.vault.packreader import check_pack, read_head_bytes, whole_chunks
from phoenix_core.vault.packtail import TailBlock
from phoenix_core.vault.sidebyside import side_by_side
from phoenix_core.vault.vaultkey import VaultKey

READ_BYTES = 4 * 2**20
ASK_PACKS = 64
_SUSPECT = frozenset({PackState.DAMAGED, PackState.LOST})


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


class Turns(Protocol):
    """Which packs are also read to their last chunk, whatever the depth, and when."""

    def choose(self, packs: Iterable[PackInfo]) -> AbstractSet[PackId]: ...

    def may_read(self) -> bool:
        """Asked before each of them, by one thread at a time; blocks while others come first. False: leave it."""


class PackReading:
    """One pass over the packs, at a verify's depth."""

    def __init__(
        self,
        node: MaintenanceNode,
        key: VaultKey,
        depth: VerifyDepth,
        cancelled: IsCancelled,
        only: AbstractSet[PackId] | None = None,
        turns: Turns | None = None,
    ) -> None:
        """`only`: look at no others. `turns`: packs to read beyond the depth."""
        self._only = only
        self._turns = turns
        self._in_turn: AbstractSet[PackId] = frozenset()
        self._one_at_a_time = threading.Lock()
        self._sound: set[bytes] = set()
        """Packs that were read to their end and found sound, until the node is told."""
        self._node = node
        self._key = key
        self._pack_keys = PackKeys(node.open_pack, key)
        self._depth = depth
        self._cancelled = cancelled
        self._counting = threading.Lock()
        self._unclear: list[PackId] = []
        """Packs with a fault of which it isn't known yet which chunks it hits."""
        self.returned: list[PackId] = []
        """Packs that had been found damaged or lost, and are sound."""
        self.packs = 0
        self.chunks = 0
        self.bytes_read = 0
        self.packs_read = 0
        """To their end, and found sound."""
        self.packs_in_turn = 0
        """Those that had their turn, whether or not there was time for them."""

    def run(self, progress: Report) -> list[PackFault]:
        """Every pack that the index knows, and those it doesn't. Packs that were found damaged before are read to their
        last chunk at any depth, and marked usable where they are sound again. Raises `MaintenanceCancelled`."""
        infos = {PackId(info.pack_id): info for info in self._node.packs()}
        known = {pack_id: info for pack_id, info in infos.items() if self._only is None or pack_id in self._only}
        stored = dict(self._node.stored_packs())
        self._in_turn = self._turns.choose(known.values()) if self._turns is not None else frozenset()
        self.packs_in_turn = len(self._in_turn)
        is_read_all = self._depth is not VerifyDepth.STRUCTURE
        total = sum(info.bytes for pack_id, info in known.items() if is_read_all or pack_id in self._in_turn)
        faults: dict[PackId, PackFault] = {}
        looked = side_by_side(lambda info: self._look(info, stored.get(PackId(info.pack_id))), known.values())
        with closing(looked):
            for info, fault in looked:
                pack_id = PackId(info.pack_id)
                self._check()
                progress(self.packs, len(known), self.bytes_read, total)
                if fault is not None:
                    faults[pack_id] = fault
                elif info.state in _SUSPECT:
                    mark_pack(self._node, pack_id, PackState.USABLE)
                    self.returned.append(pack_id)
                self._tell_read(pack_id)
                self.packs += 1
        unclear = [known[pack_id] for pack_id in self._unclear]
        for at in range(0, len(unclear), ASK_PACKS):
            for info, fault in self._partly(unclear[at : at + ASK_PACKS], faults):
                faults[PackId(info.pack_id)] = fault
        for pack_id in self._strangers(stored.keys() - infos.keys()) if self._only is None else ():
            text = f"Pack {pack_id.hex()[:16]} is not in the index; run `phoenix vault rebuild-index`."
            faults[pack_id] = PackFault(pack_id, text, None, is_known=False)
        return list(faults.values())

    def _strangers(self, unlisted: AbstractSet[PackId]) -> list[PackId]:
        """Of the packs that weren't in the index when it was listed: those that still lie there, and still aren't. One
        that was stored since, or stored and pruned, is no fault."""
        unknown = [pack_id for pack_id in unlisted if self._node.pack_info(pack_id) is None]
        there = dict(self._node.stored_packs()) if unknown else {}
        return [pack_id for pack_id in unknown if pack_id in there and self._node.pack_info(pack_id) is None]

    def _tell_read(self, pack_id: PackId) -> None:
        if pack_id not in self._sound:
            return
        self._sound.discard(pack_id)
        self.packs_read += 1
        try:
            self._node.mark_proved(pack_id)
        except PhoenixError:
            if self._node.pack_info(pack_id) is not None:  # else it was pruned meanwhile
                raise

    def _pack_key(self, pack_id: PackId) -> bytes:
        with self._counting:
            return self._pack_keys.pack_key(pack_id)

    def _count(self, read_bytes: int, chunks: int = 0) -> None:
        with self._counting:
            self.bytes_read += read_bytes
            self.chunks += chunks

    def _check(self) -> None:
        if self._cancelled():
            raise MaintenanceCancelled(what="The verify")

    def _look(self, info: PackInfo, stored_bytes: int | None) -> PackFault | None:
        name = f"Pack {info.pack_id.hex()[:16]}"
        suspect = info.state in _SUSPECT
        if stored_bytes is None:
            gone = PackFault(info.pack_id, f"{name} is gone from the vault.", PackState.LOST)
            return None if self._is_going(info) else gone
        if suspect and not info.chunks:
            return PackFault(info.pack_id, self._unknown(info, stored_bytes, name), None, None, False)
        if stored_bytes != info.bytes:
            self._unclear.append(PackId(info.pack_id))
            text = f"{name} has {stored_bytes} bytes instead of {info.bytes}"
            return PackFault(info.pack_id, text, PackState.DAMAGED)
        if suspect or self._depth is VerifyDepth.CHUNKS:
            return self._read(info, name)
        if self._depth is VerifyDepth.PACKS:
            return self._compare(info, name)
        return self._read_in_turn(info, name) if PackId(info.pack_id) in self._in_turn else None

    def _read_in_turn(self, info: PackInfo, name: str) -> PackFault | None:
        """One after the other: nobody waits for it."""
        with self._one_at_a_time:
            self._check()
            if self._turns is None or not self._turns.may_read():
                return None
            fault = self._read(info, name)
            self._tell_read(PackId(info.pack_id))
            return fault

    def _unknown(self, info: PackInfo, stored_bytes: int, name: str) -> str:
        """Of a pack whose head or tail couldn't be read when the index was made."""
        try:
            with self._node.open_pack(PackId(info.pack_id)) as pack:
                if stored_bytes == info.bytes and _name_holds(pack, info):
                    return f"{name} is whole again, but not in the index; run `phoenix vault rebuild-index`."
        except PhoenixError as error:
            if error.retryable:
                raise
        return f"{name} is damaged: its head or tail can't be read, and the index doesn't know what is in it."

    def _compare(self, info: PackInfo, name: str) -> PackFault | None:
        """Every byte with the pack's name; where that doesn't hold, every chunk."""
        try:
            with self._node.open_pack(PackId(info.pack_id)) as pack:
                if _name_holds(pack, info):
                    self._count(info.bytes)
                    if info.proved:  # so are its chunks still what they were
                        self._sound.add(info.pack_id)
                    return None
        except PhoenixError as error:
            if error.retryable:
                raise
        return self._read(info, name)

    def _read(self, info: PackInfo, name: str) -> PackFault | None:
        self._count(info.bytes)
        pack_id = PackId(info.pack_id)
        try:
            with self._node.open_pack(pack_id) as pack:
                check = check_pack(
                    pack,
                    info.bytes,
                    pack_id,
                    self._pack_key(pack_id),
                    self._key.domain_keys(info.domain, info.epoch),
                )
        except PhoenixError as error:
            if error.retryable:
                raise
            if self._is_going(info):
                return None
            self._unclear.append(pack_id)
            text = f"{name} can't be read: {error.message.rstrip('.')}"
            return PackFault(info.pack_id, text, PackState.DAMAGED)
        self._count(0, check.chunks)
        if check.ok:
            self._sound.add(info.pack_id)
            return None
        self._unclear.append(pack_id)  # its tail may be another pack's
        return PackFault(info.pack_id, f"{name} was changed", PackState.DAMAGED)

    def _partly(
        self, infos: Sequence[PackInfo], faults: Mapping[PackId, PackFault]
    ) -> Iterator[tuple[PackInfo, PackFault]]:
        """Packs that can't be read as they should: which chunks a restore still gets from them."""
        for info, contents in zip(infos, self._node.contents_of([PackId(info.pack_id) for info in infos]), strict=True):
            self._check()
            fault = faults[PackId(info.pack_id)]
            blocks = contents.blocks if contents else ()
            chunks = {chunk for block in blocks for chunk, _, _ in block.chunks()}
            if not chunks:
                yield info, msgspec.structs.replace(fault, text=f"{fault.text}.")
                continue
            good = self._readable(info, blocks)
            text = f"{fault.text}: {len(chunks) - len(good)} of its {len(chunks)} chunks are damaged."
            yield info, msgspec.structs.replace(fault, text=text, bad_chunks=frozenset(chunks - good))

    def _readable(self, info: PackInfo, blocks: Sequence[TailBlock]) -> set[ChunkId]:
        pack_id = PackId(info.pack_id)
        id_key = self._key.domain_keys(info.domain, info.epoch).id_key(PackKind(info.kind))
        try:
            with self._node.open_pack(pack_id) as pack:
                head = read_head_bytes(pack)
                if parse_head(head).kind is not PackKind(info.kind):
                    return set()
                whole = whole_chunks(pack, head, self._pack_key(pack_id), blocks, id_key)
                return {chunk for chunk, _ in whole}
        except PhoenixError as error:
            if error.retryable:
                raise
            return set()

    def _is_going(self, info: PackInfo) -> bool:
        """Whether a prune has deleted the pack since it was listed, or is about to: no snapshot needs it."""
        now = self._node.pack_info(PackId(info.pack_id))
        return now is None or now.state is PackState.CONDEMNED


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
