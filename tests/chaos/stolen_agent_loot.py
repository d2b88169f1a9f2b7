"""What somebody has who took over an agent: its identity, the order of the job that runs, and the orders before."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from phoenix_core.agentlink.messages import BackupOrder, RestoreOrder
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.storage.client import RemoteJobNode
from phoenix_core.storage.connection import NodeConnection
from phoenix_core.storage.handover_client import SocketJobNode
from phoenix_core.vault.chunkid import keyed_id
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packwriter import FinishedPack, PackWriter
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig

Node = RemoteJobNode | SocketJobNode


class Loot:
    """`order` is the job's that runs now. The thief knows everything about the vault that no key hides: ids of packs
    and chunks, even those that an agent can't get to know."""

    def __init__(
        self, rig: Rig, agent: FakeAgent, dice: random.Random, counts: Counter[str], poison: set[bytes]
    ) -> None:
        self.rig = rig
        self.agent = agent
        self.dice = dice
        self.counts = counts
        self.old_tokens: list[str] = []
        self.poison = poison
        """Ids of stored packs that lie about their chunks."""
        self.contents: list[bytes] = []
        """Of all files that it ever backed up."""
        self.promised: dict[str, str] = {}
        """Dumps of before the theft that retention must leave alone, by snapshot: what they are."""
        self.order: BackupOrder | RestoreOrder

    @property
    def server(self) -> str:
        return self.agent.welcomes[0].peer_id

    def foreign_packs(self, kind: str = "") -> list[PackId]:
        """Of the victims. Blocks."""
        packs = self.rig.node().packs()
        theirs = (each for each in packs if each.server_id != self.server and each.pack_id not in self.poison)
        return [PackId(each.pack_id) for each in theirs if kind in ("", each.kind)]

    def has_copy(self, chunk: ChunkId) -> bool:
        """Whether a pack of the thief holds the chunk, or says so. Blocks."""
        places = self.rig.node().locate_all([chunk])[0]
        infos = [self.rig.node().pack_info(PackId(place.pack_id)) for place in places]
        return any(info is not None and info.server_id == self.server for info in infos)

    def node(self, token: str = "") -> Node:
        """One of both ways in, by the dice. Blocks at its first call."""
        access = self.order.storage
        if self.dice.random() < 0.5:
            self.counts["calls by the socket"] += 1
            return SocketJobNode(Path(access.socket_path), token or access.token)
        self.counts["calls by HTTPS"] += 1
        return RemoteJobNode(self.connection(), token or access.token)

    def connection(self) -> NodeConnection:
        return NodeConnection(self.order.storage.url, self.agent.state.tls.client_context)

    def refused(self, what: str, call: Callable[[], object]) -> str:
        """The code of the typed error that the call must end with. Blocks."""
        try:
            got = call()
        except PhoenixError as error:
            self.typed(what, error)
            self.counts["refused"] += 1
            return error.code
        raise AssertionError(f"{what} was not refused: {str(got)[:100]}")

    async def asked(self, what: str, request: Any) -> None:
        """A request over the link that must be refused."""
        try:
            got = await self.agent.link.request(request, 10)
        except PhoenixError as error:
            self.typed(what, error)
            self.counts["refused"] += 1
            return
        raise AssertionError(f"{what} was not refused: {got}")

    def typed(self, what: str, error: PhoenixError) -> None:
        """What nobody foresaw becomes an error too, of these codes."""
        unforeseen = {"storage_failed", PhoenixError.code}
        assert error.code not in unforeseen, f"{what}: {error.code}: {error.message}"

    def keys(self) -> DomainKeys:
        given = self.order.domain
        return DomainKeys(**{name: getattr(given, name) for name in DomainKeys.__struct_fields__})

    def pack(
        self,
        contents: Sequence[bytes],
        *,
        ids: Sequence[ChunkId] = (),
        kind: PackKind = PackKind.DATA,
        server: str = "",
        vault_id: str = "",
        keys: DomainKeys | None = None,
    ) -> FinishedPack:
        """A pack of these contents; with `ids` its tail says that they are those chunks."""
        assert isinstance(self.order, BackupOrder)
        use = keys or self.keys()
        said = list(ids) or [keyed_id(use.id_key(kind), content) for content in contents]
        identity = PackIdentity(vault_id or self.order.vault_id, server or self.server)
        writer = PackWriter(kind, identity, use, self.order.vault_public_key)
        writer.add_block(said, [len(content) for content in contents], b"\0" + b"".join(contents))
        return writer.finish()

    def put(self, pack: FinishedPack, name: PackId | None = None) -> None:
        """Store it and close it. Blocks."""
        node = self.node()
        with pack:
            try:
                node.put_pack(name or pack.pack_id, pack.fd, pack.length)
            finally:
                node.close()

    async def off_loop(self, work: Callable[[], Any]) -> Any:
        return await asyncio.to_thread(work)


def noise(dice: random.Random, most: int = 5000) -> bytes:
    return dice.randbytes(dice.randint(1, most))
