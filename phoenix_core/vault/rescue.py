"""Takes what can still be had out of damaged packs and stores it in new ones. Core only.

A pack's own head and tail come first, then those that merged index objects keep, then the places that the index knows:
so a pack is read whose head or tail is damaged, that was cut off or grew, or that lies under another's name. Only
chunks that hash to their ids are taken. The damaged pack stays as it is: prune deletes it once nothing needs it.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice

import msgspec

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.vault.chunkwriter import PACK_CLOSE_BYTES, ChunkWriter
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import Location, OpenPack
from phoenix_core.vault.maintenance_node import IsCancelled, MaintenanceNode, OpenTarget
from phoenix_core.vault.mark import MaintenanceCancelled
from phoenix_core.vault.packcontents import PackContents
from phoenix_core.vault.packhead import PackHead, PackIdentity, parse_head
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.packreader import parse_tail, read_head_bytes, read_sealed_tail, whole_chunks
from phoenix_core.vault.packtail import TailBlock
from phoenix_core.vault.packwriter import FinishedPack
from phoenix_core.vault.sharing import is_shared
from phoenix_core.vault.unseal import unseal_pack_key
from phoenix_core.vault.vaultkey import VaultKey

ASK_CHUNKS = 4096
ASK_PACKS = 64


class Origin(msgspec.Struct, frozen=True):
    """In whose name chunks were written."""

    vault_id: str
    server_id: str
    domain: str
    epoch: int
    kind: PackKind


class Rescue(msgspec.Struct, frozen=True):
    """What of one damaged pack has no other copy."""

    pack_id: PackId
    origin: Origin
    chunks: frozenset[ChunkId]
    bytes: int
    """Plain bytes of them."""


class Rescued(msgspec.Struct, frozen=True):
    packs: int
    """New packs."""
    chunks: int
    bytes: int
    """Plain bytes of the chunks."""


class PackSalvage:
    """Reads damaged packs. Not thread-safe."""

    def __init__(self, node: MaintenanceNode, key: VaultKey) -> None:
        self._node = node
        self._key = key
        self._private_key = key.private_key()

    def chunks(
        self, pack_id: PackId, known: PackContents | None, stored_bytes: int
    ) -> Iterator[tuple[Origin, ChunkId, bytes]]:
        """Each chunk of the pack's bytes that can still be had, once. Ends early where the pack goes."""
        seen: set[ChunkId] = set()
        try:
            with self._node.open_pack(pack_id) as pack:
                for head, blocks in self._ways_in(pack, known, stored_bytes):
                    origin = Origin(head.vault_id, head.server_id, head.domain, head.epoch, head.kind)
                    keys = self._key.domain_keys(head.domain, head.epoch)
                    pack_key = unseal_pack_key(self._private_key, head)
                    for chunk, data in whole_chunks(pack, head.encode(), pack_key, blocks, keys.id_key(head.kind)):
                        if chunk not in seen:
                            seen.add(chunk)
                            yield origin, chunk, data
        except PhoenixError as error:
            if error.retryable:
                raise

    def _ways_in(
        self, pack: OpenPack, known: PackContents | None, stored_bytes: int
    ) -> Iterator[tuple[PackHead, Sequence[TailBlock]]]:
        heads: list[PackHead] = []
        for encoded in (_own_head(pack), known.head if known else b""):
            try:
                head = parse_head(encoded)
                unseal_pack_key(self._private_key, head)
            except PhoenixError:
                continue
            if head not in heads:
                heads.append(head)
        for head in heads:
            lists = [known.blocks] if known and known.blocks else []
            try:
                index_key = self._key.domain_keys(head.domain, head.epoch).index_key
                own = parse_tail(head.encode(), read_sealed_tail(pack, stored_bytes), index_key, stored_bytes)
                lists.insert(0, own.blocks)
            except PhoenixError as error:
                if error.retryable:
                    raise
            for blocks in dict.fromkeys(lists):
                yield head, blocks


def _own_head(pack: OpenPack) -> bytes:
    try:
        return read_head_bytes(pack)
    except PhoenixError as error:
        if error.retryable:
            raise
        return b""


def plan_rescues(
    node: MaintenanceNode,
    key: VaultKey,
    suspects: Sequence[PackId],
    faulty: AbstractSet[bytes],
    *,
    progress: Callable[[int, int], None],
    cancelled: IsCancelled,
) -> list[Rescue]:
    """What can be had of the suspects and lies in no sound, proved pack. `faulty`: every pack with a fault."""
    salvage = PackSalvage(node, key)
    stored = dict(node.stored_packs())
    there = [pack_id for pack_id in suspects if pack_id in stored]
    found: list[Rescue] = []
    for at in range(0, len(there), ASK_PACKS):
        batch = there[at : at + ASK_PACKS]
        for number, (pack_id, known) in enumerate(zip(batch, node.contents_of(batch), strict=True)):
            _check(cancelled)
            progress(at + number, len(there))
            lengths: dict[Origin, dict[ChunkId, int]] = defaultdict(dict)
            for origin, chunk, data in salvage.chunks(pack_id, known, stored[pack_id]):
                lengths[origin][chunk] = len(data)
            for origin, chunks in lengths.items():
                alone = _without_sound_copy(node, origin, list(chunks), faulty)
                if alone:
                    size = sum(chunks[chunk] for chunk in alone)
                    found.append(Rescue(pack_id, origin, frozenset(alone), size))
    return found


def carry_out(
    node: MaintenanceNode,
    key: VaultKey,
    rescues: Sequence[Rescue],
    faulty: AbstractSet[bytes],
    open_target: OpenTarget,
    *,
    pack_bytes: int = PACK_CLOSE_BYTES,
    progress: Callable[[int, int], None],
    cancelled: IsCancelled,
) -> Rescued:
    """Store the chunks anew, per server, domain and kind. Ended at any point, what was stored counts, and a second run
    does the rest; what has a sound copy by now is passed over."""
    salvage = PackSalvage(node, key)
    stored = dict(node.stored_packs())
    groups: dict[Origin, list[Rescue]] = defaultdict(list)
    for rescue in rescues:
        groups[rescue.origin].append(rescue)
    packs = chunks = size = done = 0
    for origin, members in groups.items():
        written: list[PackId] = []
        taken: set[ChunkId] = set()
        with open_target(origin.server_id) as target:

            def store(pack: FinishedPack) -> None:
                target.put_pack(pack.pack_id, pack.fd, pack.length)
                written.append(pack.pack_id)  # noqa: B023

            with ChunkWriter(
                origin.kind,
                PackIdentity(origin.vault_id, origin.server_id),
                key.domain_keys(origin.domain, origin.epoch),
                key.public_key(),
                lambda ids: [False] * len(ids),
                store,
                pack_bytes=pack_bytes,
            ) as writer:
                for rescue in members:
                    _check(cancelled)
                    progress(done, len(rescues))
                    done += 1
                    wanted = set(_without_sound_copy(node, origin, list(rescue.chunks), faulty)) - taken
                    (known,) = node.contents_of([rescue.pack_id])
                    length = stored.get(rescue.pack_id, 0)
                    for found, chunk, data in salvage.chunks(rescue.pack_id, known, length) if wanted else ():
                        if found == origin and chunk in wanted:
                            writer.add(data)
                            taken.add(chunk)
                            wanted.discard(chunk)
                            size += len(data)
        for pack_id in written:
            node.mark_proved(pack_id)
        packs += len(written)
        chunks += len(taken)
    return Rescued(packs, chunks, size)


def _without_sound_copy(
    node: MaintenanceNode, origin: Origin, ids: Sequence[ChunkId], faulty: AbstractSet[bytes]
) -> list[ChunkId]:
    """Those of the chunks that lie in no pack that is usable, proved, without a fault, and one that the server of their
    origin may rely on."""
    infos: dict[bytes, PackInfo | None] = {}

    def is_sound(copy: Location) -> bool:
        if copy.pack_id not in infos:
            infos[copy.pack_id] = None if copy.pack_id in faulty else node.pack_info(PackId(copy.pack_id))
        info = infos[copy.pack_id]
        if info is None or not info.proved or info.state is not PackState.USABLE:
            return False
        return info.server_id == origin.server_id or is_shared(info.kind, copy.length)

    alone: list[ChunkId] = []
    remaining = iter(ids)
    while batch := list(islice(remaining, ASK_CHUNKS)):
        for chunk, copies in zip(batch, node.locate_all(batch), strict=True):
            if not any(is_sound(copy) for copy in copies):
                alone.append(chunk)
    return alone


def _check(cancelled: IsCancelled) -> None:
    if cancelled():
        raise MaintenanceCancelled(what="The repair")
