"""What a restore may read of packs that other servers wrote, and what it gets a copy of instead.

A block's key opens the whole block, so an agent gets that of another server's block only where it needs every chunk in
it. Of such a pack either all blocks that the restore touches are of that kind, or the agent gets none of it: the
chunks that it needs are first copied into packs of its own server. A pack that isn't proved may hold anything under a
chunk's name and is not relied on at all. An agent that restores by itself gets only what backups share: a snapshot may
name any id, and what comes of it would tell whether another server has that content.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager

import structlog

from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.engine.vault import OpenVault
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.errors import ChunkDamaged, ChunkMissing, PackDamaged, UnknownVersion
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import BlockRef, Location
from phoenix_core.vault.maintenance_node import PackTarget
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.packreader import read_tail
from phoenix_core.vault.packwriter import FinishedPack
from phoenix_core.vault.sharing import is_shared

log = structlog.get_logger(__name__)

OpenCopies = Callable[[], AbstractContextManager[PackTarget]]
"""Where copies go: packs in the name of the restored snapshot's server, under the restore's lease."""


class SharedPacks:
    """Packs of other servers that hold chunks of one restore, all of one domain and epoch."""

    def __init__(self, vault: OpenVault, domain: str, epoch: int, homes: Sequence[str], *, trusted: bool) -> None:
        """`homes`: ids of the servers whose packs the restore reads as they are; copies are made for the first.
        `trusted`: an operator asked; others' copies then also help where they aren't shared in backups, and the server
        might learn from the restore that they exist."""
        self._trusted = trusted
        self._vault = vault
        self._keys = vault.key.domain_keys(domain, epoch)
        self._homes = homes
        self._infos: dict[bytes, PackInfo | None] = {}
        self._sound_own: dict[bytes, bool] = {}
        self._touched: dict[bytes, dict[int, set[int]]] = {}
        """Of each pack's blocks: where the chunks that the restore needs begin."""
        self._places: dict[ChunkId, list[Location]] = {}
        """Of each chunk of which the homes' packs hold no good copy: its copies elsewhere."""

    def sort(self, chunk: ChunkId, copies: Sequence[Location]) -> tuple[list[Location], list[Location]]:
        """A needed chunk's copies: in packs of the homes, and in proved packs of others, which are noted."""
        own = [place for place in copies if self._is_own(place)]
        others = [place for place in copies if place not in own and self._helps(place)]
        for place in others:
            self._touched.setdefault(place.pack_id, {}).setdefault(place.ordinal, set()).add(place.offset)
        if others and not any(self.is_usable(place) for place in own):
            self._places[chunk] = others
        return own, others

    def settle(self) -> tuple[list[BlockRef], dict[ChunkId, Location]]:
        """Blocks that the agent may read as they are, and the chunks to copy with where they lie. Blocks."""
        to_copy: dict[ChunkId, Location] = {}
        whole: dict[bytes, bool] = {}
        for chunk, places in self._places.items():
            for place in places:
                if place.pack_id not in whole:
                    whole[place.pack_id] = self._is_needed_whole(place.pack_id)
            if not any(whole[place.pack_id] for place in places):
                to_copy[chunk] = places[0]
        granted = {pack_id for pack_id, is_whole in whole.items() if is_whole}
        return [block for block in self.touched() if block.pack_id in granted], to_copy

    def touched(self) -> list[BlockRef]:
        """All blocks of others with chunks that the restore needs."""
        return [BlockRef(pack_id, ordinal) for pack_id, blocks in self._touched.items() for ordinal in blocks]

    def copy(self, chunks: dict[ChunkId, Location], target: PackTarget) -> list[ChunkId]:
        """Store these chunks once more, in packs of the first home, which are proved by that. Returns those that could
        be read. Blocks."""
        written: list[PackId] = []

        def store(pack: FinishedPack) -> None:
            target.put_pack(pack.pack_id, pack.fd, pack.length)
            written.append(pack.pack_id)

        identity = PackIdentity(self._vault.vault_id, self._homes[0])
        copied: list[ChunkId] = []
        for kind in PackKind:
            wanted = {chunk: place for chunk, place in chunks.items() if self._kind(place) == kind}
            with ChunkWriter(kind, identity, self._keys, self._vault.key.public_key(), _none, store) as writer:
                for chunk, data in self._read(kind, wanted):
                    writer.add(data)
                    copied.append(chunk)
        for pack in written:
            self._vault.node.mark_proved(pack)
        return copied

    def _read(self, kind: PackKind, wanted: dict[ChunkId, Location]) -> Iterator[tuple[ChunkId, bytes]]:
        """Block by block, each chunk hashed to its id."""
        reader = self._vault.reader(
            self._keys.domain, self._keys.epoch, kind, lambda ids: [wanted[chunk] for chunk in ids]
        )
        for chunk in sorted(wanted, key=lambda each: (wanted[each].pack_id, wanted[each].ordinal)):
            try:
                yield chunk, reader.read_one(chunk)
            except (ChunkDamaged, ChunkMissing) as error:
                log.warning("a chunk can't be copied for a restore", chunk=chunk.hex(), error=error.message)

    def _is_needed_whole(self, pack_id: bytes) -> bool:
        """Whether the restore needs every chunk of each block of the pack that it touches."""
        info = self._info(pack_id)
        if info is None:
            return False
        try:
            with self._vault.node.open_pack(PackId(pack_id)) as pack:
                tail = read_tail(pack, info.bytes, self._keys.index_key)
        except (PackDamaged, UnknownVersion):
            return False
        touched = self._touched[pack_id]
        return all(
            ordinal < len(tail.blocks) and len(offsets) == len(tail.blocks[ordinal].lengths)
            for ordinal, offsets in touched.items()
        )

    def _kind(self, place: Location) -> str:
        info = self._info(place.pack_id)
        return info.kind if info is not None else ""

    def _is_own(self, place: Location) -> bool:
        info = self._info(place.pack_id)
        return info is not None and info.server_id in self._homes

    def is_sound_own(self, place: Location) -> bool:
        """In a pack of the homes that can be relied on."""
        known = self._sound_own.get(place.pack_id)
        if known is None:
            known = self._sound_own[place.pack_id] = self._is_own(place) and self.is_usable(place)
        return known

    def _helps(self, place: Location) -> bool:
        info = self._info(place.pack_id)
        return info is not None and info.proved and (self._trusted or is_shared(info.kind, place.length))

    def is_usable(self, place: Location) -> bool:
        info = self._info(place.pack_id)
        return info is not None and info.state in {PackState.USABLE, PackState.CONDEMNED}

    def _info(self, pack_id: bytes) -> PackInfo | None:
        if pack_id not in self._infos:
            self._infos[pack_id] = self._vault.node.pack_info(PackId(pack_id))
        return self._infos[pack_id]


def _none(ids: Iterable[ChunkId]) -> list[bool]:
    return [False for _ in ids]
