"""What jobs may do at the node, each call checked against its token, its lease and its grants."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress

from phoenix_core.domain.clock import Clock
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId, SnapshotId
from phoenix_core.storage.arrivals import Arrivals
from phoenix_core.storage.errors import NotAllowed, PackRefused, StorageFailed, StorageFull
from phoenix_core.storage.intake import MAX_PACK_BYTES, IndexKeys, check_incoming
from phoenix_core.storage.nodestate import NodeState
from phoenix_core.storage.objectstore import OpenObject, StagedObject
from phoenix_core.storage.packbody import PackBody
from phoenix_core.storage.parts import Parts
from phoenix_core.storage.promises import NOBODY, Promises
from phoenix_core.storage.tokens import StorageToken, verify
from phoenix_core.vault.environment import Txn
from phoenix_core.vault.index_errors import IndexFull
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.layout import pack_name
from phoenix_core.vault.location import Location, OpenPack
from phoenix_core.vault.packinfo import PackInfo, PackState
from phoenix_core.vault.sharing import is_shared

_TOKENS_KEPT = 1024


class JobDesk:
    """The job side of a storage node. Every call takes the token, since any may be the last before it expires."""

    def __init__(self, state: NodeState, token_public_key: bytes, index_keys: IndexKeys, clock: Clock) -> None:
        self._state = state
        self._key = token_public_key
        self._index_keys = index_keys
        self._clock = clock
        self._checked: dict[str, StorageToken] = {}
        self._lock = threading.Lock()
        self.arrivals = Arrivals()
        """Packs that may lie in the store already and aren't in the index yet."""
        self.promises = Promises()

    def who(self, token: str) -> StorageToken:
        """What a token says, if it holds. Raises TokenMalformed, TokenForged, TokenExpired, TokenOfOtherVault."""
        now = self._clock.now()
        with self._lock:
            known = self._checked.get(token)
        if known is not None and now.timestamp() <= known.expires:
            return known
        checked = verify(self._key, self._state.vault_id, token, now)
        with self._lock:
            if len(self._checked) >= _TOKENS_KEPT:
                self._checked.clear()
            self._checked[token] = checked
        return checked

    def core(self, token: str) -> StorageToken:
        """The same for a token of the core. Raises NotAllowed as well."""
        who = self.who(token)
        if who.rights != "core":
            raise NotAllowed(rights=who.rights, action="do what only the core may")
        return who

    # --- writing ---

    def present(self, token: str, ids: Sequence[ChunkId], writer: int = NOBODY) -> list[bool]:
        who = self._writer(token)

        def usable(info: PackInfo) -> bool:
            own = info.server_id == who.server_id
            told = own or who.rights == "core" or (info.proved and info.kind == PackKind.DATA.value)
            return info.state is PackState.USABLE and info.domain == who.domain and told

        with self._state.using() as parts:
            parts.leases.renew(who.lease, who.job)
            answers = self._shareable(parts, ids, usable, who)
            while parts.leases.tell(who.lease, {pack for pack in answers if pack is not None}, who.job):
                # Prune may have condemned some before the note was durable; from here on it leaves them alone.
                answers = self._shareable(parts, ids, usable, who)
        return self.promises.taken(who.lease, writer, ids, [answer is not None for answer in answers])

    @staticmethod
    def _shareable(
        parts: Parts, ids: Sequence[ChunkId], usable: Callable[[PackInfo], bool], who: StorageToken
    ) -> list[PackId | None]:
        """For each chunk a usable pack that holds it; of other servers' chunks only those that are shared."""
        others: set[bytes] = set()

        def noting(info: PackInfo) -> bool:
            if not usable(info):
                return False
            if who.rights != "core" and info.server_id != who.server_id:
                others.add(info.pack_id)
            return True

        def rank(info: PackInfo) -> int:
            return -1 if not usable(info) else int(info.server_id != who.server_id)

        answers = parts.index.present(ids, noting)
        doubtful = [at for at, pack in enumerate(answers) if pack in others] if others else []
        for at, place in zip(doubtful, parts.index.locate([ids[at] for at in doubtful], rank), strict=True):
            known = place is not None and (place.pack_id not in others or is_shared("data", place.length))
            answers[at] = PackId(place.pack_id) if place is not None and known else None
        return answers

    @contextmanager
    def staging(self, token: str, length: int) -> Iterator[StagedObject]:
        """A staged object to fill with a pack of that length. Raises StorageFull, LeaseLapsed."""
        who = self._writer(token)
        if length > MAX_PACK_BYTES:
            raise PackRefused(pack="", reason=f"it has {length} bytes, more than {MAX_PACK_BYTES}")
        with self._state.using() as parts:
            parts.leases.renew(who.lease, who.job)
        self._state.check_space(length)
        with self._state.store.stage() as staged:
            yield staged

    def put_staged(self, token: str, pack_id: PackId, staged: StagedObject) -> None:
        """Take a staged pack in, if it is what it should be. Durable and indexed on return; twice is fine."""
        who = self._writer(token)
        pack = check_incoming(pack_id, staged, who, self._state.vault_id, self._index_keys)
        name = pack_name(pack.head.kind, pack_id)

        def tell(txn: Txn) -> None:
            parts.leases.tell_in(txn, who.lease, [pack_id], who.job)

        with self.arrivals.of(pack_id), self._state.using() as parts:
            known = parts.index.pack(pack_id)
            if known is not None and self._state.store.head(name) is not None:
                parts.leases.tell(who.lease, [pack_id], who.job)
                known = parts.index.pack(pack_id)
                if known is not None and known.state is PackState.USABLE:
                    return
            # Only a pack that the index knows can be in a sweep, which must not delete it again under our hands.
            with self._state.deciding if known is not None else nullcontext():
                staged.commit(name, replace=True)
                try:
                    parts.add([pack], beside=tell)
                except PhoenixError as error:
                    if known is None:
                        self._take_back(name)
                    if isinstance(error, IndexFull):
                        detail = "the index can't grow"
                        raise StorageFull(place=str(parts.environment.folder), detail=detail) from error
                    raise
            parts.leases.remember_told(who.lease, [pack_id])
            self.promises.kept(who.lease, (chunk for block in pack.tail.blocks for chunk, _, _ in block.chunks()))
            parts.merged.write_due()

    def _take_back(self, name: str) -> None:
        """A pack that the index didn't take is no part of the vault. One that can't be deleted is taken in at the next
        start."""
        with suppress(StorageFailed):
            self._state.store.delete(name)

    def put_pack(self, token: str, pack_id: PackId, fd: int, length: int) -> None:
        with self.staging(token, length) as staged:
            staged.copy_from(fd, length)
            if staged.length != length:
                reason = f"{staged.length} bytes of {length} were there"
                raise PackRefused(pack=pack_id.hex(), reason=reason)
            self.put_staged(token, pack_id, staged)

    def stage_snapshot(self, token: str, sealed: bytes) -> SnapshotId:
        who = self._writer(token)
        with self._state.using() as parts:
            parts.leases.renew(who.lease, who.job)
            self._state.owner.check()
            return self._state.shelf.stage(sealed)

    def renew_lease(self, token: str) -> None:
        who = self.who(token)
        with self._state.using() as parts:
            parts.leases.renew(who.lease, who.job)

    # --- reading ---

    def locate(self, token: str, ids: Sequence[ChunkId]) -> list[Location | None]:
        who = self.who(token)
        with self._state.using() as parts:
            if who.rights != "core" or who.lease:  # the core reads without a lease, too
                parts.leases.renew(who.lease, who.job)
            granted = parts.leases.granted(who.job)

            def rank(info: PackInfo) -> int:
                if not (info.pack_id in granted or _reads_unasked(who, info)):
                    return -1
                return rank_of(info)

            return parts.index.locate(ids, rank)

    def open_pack(self, token: str, pack_id: PackId) -> OpenObject:
        """The caller closes it. Raises NotAllowed, ObjectMissing."""
        who = self.who(token)
        with self._state.using() as parts:
            if who.rights != "core" or who.lease:  # the core reads without a lease, too
                parts.leases.renew(who.lease, who.job)
            info = self._state.known(parts, pack_id)
            if not (_reads_unasked(who, info) or pack_id in parts.leases.granted(who.job)):
                raise NotAllowed(rights=who.rights, action=f"read pack {pack_id.hex()[:12]}")
            opened = self._state.store.open_read(pack_name(PackKind(info.kind), pack_id))
            return opened if who.rights == "core" or info.server_id == who.server_id else PackBody(opened)

    def _writer(self, token: str) -> StorageToken:
        who = self.who(token)
        if who.rights == "restore":
            raise NotAllowed(rights=who.rights, action="add to the vault")
        return who


_RANKS = {PackState.USABLE: 0, PackState.CONDEMNED: 2, PackState.DAMAGED: 4, PackState.LOST: -1}
LAST = 6
"""The rank of a lost pack for who wants to know of those too."""


def rank_of(info: PackInfo) -> int:
    """Which copy of a chunk is read first: a proved one before one that an agent only says to be that chunk. A damaged
    pack may still hold good blocks, and readers check every chunk."""
    rank = _RANKS[info.state]
    return rank if rank < 0 or info.proved else rank + 1


def _reads_unasked(who: StorageToken, info: PackInfo) -> bool:
    """A backup reads its own server's trees; a restore reads only what it was granted."""
    return who.rights == "core" or (who.rights == "backup" and info.server_id == who.server_id)


class InProcessJobNode:
    """`JobNode` for a job in the node's own process."""

    def __init__(self, desk: JobDesk, token: str) -> None:
        self._desk = desk
        self._token = token

    def present(self, ids: Sequence[ChunkId], writer: int = 0) -> list[bool]:
        return self._desk.present(self._token, ids, writer)

    def put_pack(self, pack_id: PackId, fd: int, length: int) -> None:
        self._desk.put_pack(self._token, pack_id, fd, length)

    def locate(self, ids: Sequence[ChunkId]) -> list[Location | None]:
        return self._desk.locate(self._token, ids)

    def open_pack(self, pack_id: PackId) -> AbstractContextManager[OpenPack]:
        return self._desk.open_pack(self._token, pack_id)

    def stage_snapshot(self, sealed: bytes) -> SnapshotId:
        return self._desk.stage_snapshot(self._token, sealed)

    def renew_lease(self) -> None:
        self._desk.renew_lease(self._token)

    def use_token(self, token: str) -> None:
        self._token = token

    def close(self) -> None:
        """Nothing is held open."""
