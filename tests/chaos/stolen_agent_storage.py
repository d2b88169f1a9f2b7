"""What a stolen agent tries at the storage node, with the token of a backup or of a restore."""

import base64
import json
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import jwt
import msgspec
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from phoenix_core.agentlink.messages import BackupOrder
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId, SnapshotId
from phoenix_core.storage import wire
from phoenix_core.storage.handover_client import SocketJobNode
from phoenix_core.storage.tokens import StorageToken, mint
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packinfo import PackState
from phoenix_core.vault.packreader import read_head_bytes, read_tail
from phoenix_core.vault.sharing import SHARED_ABOVE_BYTES
from tests.chaos.stolen_agent_loot import Loot, noise

Try = Callable[[Loot], Awaitable[None]]


def _read(loot: Loot, token: str, pack: PackId) -> bytes:
    node = loot.node(token)
    try:
        with node.open_pack(pack) as opened:
            return opened.pread(64, 0)
    finally:
        node.close()


def _every_call(loot: Loot, token: str) -> dict[str, Callable[[], object]]:
    """All that a job's client can do."""
    node = loot.node(token)
    some = PackId(os.urandom(32))
    packs = loot.foreign_packs() or [some]

    def put() -> None:
        with os.fdopen(os.memfd_create("x"), "w+b", buffering=0) as file:
            file.write(b"x" * 2000)
            node.put_pack(some, file.fileno(), 2000)

    return {
        "present": lambda: node.present([ChunkId(bytes(32))]),
        "locate": lambda: node.locate([ChunkId(bytes(32))]),
        "open_pack": lambda: _read(loot, token, packs[0]),
        "put_pack": put,
        "stage_snapshot": lambda: node.stage_snapshot(noise(loot.dice)),
        "renew_lease": node.renew_lease,
    }


def _all_refused(loot: Loot, token: str, why: str) -> None:
    for name, call in _every_call(loot, token).items():
        loot.refused(f"{name} with {why}", call)


async def tokens_that_do_not_hold(loot: Loot) -> None:
    """Altered in each field, signed by another, without a signature, expired, of an earlier job, of no job."""
    token = loot.order.storage.token
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))

    def work() -> None:
        victim = next(iter(loot.rig.node().packs())).server_id
        changes: list[dict[str, Any]] = [
            {"rights": "core"},
            {"rights": "restore" if claims["rights"] == "backup" else "backup"},
            {"server": victim},
            {"lease": "x", "job": "y"},
            {"exp": claims["exp"] + 10**6},
            {"domain": "other"},
            {"aud": "phoenix-vault:" + "00" * 16},
            {"iss": "me"},
        ]
        change = claims | loot.dice.choice(changes)
        own = loot.agent.state.signing_key()
        forged = {
            "an altered claim": ".".join((head, _b64(json.dumps(change).encode()), signature)),
            "the agent's own signature": jwt.encode(change, own, algorithm="EdDSA"),
            "another's signature": jwt.encode(change, Ed25519PrivateKey.generate(), algorithm="EdDSA"),
            "no signature": jwt.encode(change, None, algorithm="none"),  # type: ignore[arg-type]
            "an HMAC with the public key": jwt.encode(change, loot.rig.key.token_public_key(), algorithm="HS256"),  # type: ignore[union-attr]
            "a flipped signature": ".".join((head, body, _flip(signature))),
            "garbage": loot.dice.choice(["x", "a.b.c", "..", token[:-9], token + "A" * 9]),
        }
        for why, each in forged.items():
            if each != token:
                _all_refused(loot, each, why)
        for old in loot.old_tokens[-2:]:
            _all_refused(loot, old, "the token of an earlier job")
        _all_refused(loot, _expired(loot, claims), "an expired token")

    await loot.off_loop(work)
    loot.counts["forged tokens"] += 1


def _b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _flip(text: str) -> str:
    return ("A" if text[0] != "A" else "B") + text[1:]


def _expired(loot: Loot, claims: dict[str, Any]) -> str:
    """As the core made it, an hour ago."""
    assert loot.rig.key is not None
    old = StorageToken(
        claims["job"], claims["server"], claims["lease"], claims["rights"], claims["domain"], claims["exp"] - 3600
    )
    return mint(loot.rig.key.token_signing_key(), claims["aud"].partition(":")[2], old)


async def what_only_the_core_may(loot: Loot) -> None:
    """Each of the core's calls, by every way in."""

    def work() -> int:
        packs = loot.foreign_packs() or [PackId(bytes(32))]
        snapshots = loot.rig.node().snapshots() or [SnapshotId("0" * 64)]
        lease = loot.order.storage.lease
        calls: list[wire.Call] = [
            wire.Condemn(list(packs)),
            wire.Sweep(1),
            wire.VoidSweeps(),
            wire.RebuildIndex(),
            wire.DeleteSnapshot(snapshots[0]),
            wire.AppendRecord(loot.rig.node().status().records + 1, b"x" * 200, lease),
            wire.MarkProved(packs[0]),
            wire.MarkDamaged(packs[0], PackState.LOST),
            wire.Grant(loot.order.job, list(packs)),
            wire.OpenLease("l" * 10, loot.order.job, loot.server),
            wire.CloseLease(lease),
            wire.ListLeases(),
            wire.AddIndexKey("default", 9, bytes(32)),
            wire.ReadSnapshot(snapshots[0]),
            wire.ListSnapshots(),
            wire.PacksPage(),
            wire.StoredPacks(),
            wire.Records(),
            wire.Status(),
            wire.CoreLocate([bytes(32)]),
            wire.LocateAll([bytes(32)]),
            wire.PackHeads(list(packs)),
            wire.GetPackInfo(packs[0]),
            wire.ContentsOf(list(packs)),
            wire.LookAfter(mend=True),
        ]
        assert {type(each) for each in calls} == set(wire.CoreCall.__args__), "a call of the core isn't tried"
        connection = loot.connection()
        headers = {"Authorization": f"Bearer {loot.order.storage.token}", "Content-Type": wire.CONTENT_TYPE}
        for call in calls:
            body = wire.encode(call)
            for way in ("core", "job"):
                path = f"{wire.ROOT}/{way}"
                loot.refused(
                    f"{type(call).__name__} by {path}",
                    lambda path=path, body=body: connection.request("POST", path, headers, lambda: body),  # type: ignore[misc]
                )
            socket = SocketJobNode(Path(loot.order.storage.socket_path), loot.order.storage.token)
            loot.refused(f"{type(call).__name__} by the socket", lambda call=call, s=socket: s._ask(call, Any))  # type: ignore[misc]
            socket.close()
        connection.close()
        return len(calls)

    loot.counts["calls of the core"] += await loot.off_loop(work)


async def packs_in_a_wrong_name(loot: Loot) -> None:
    """Over a victim's pack, in the name of another server, vault, domain or epoch; cut, and changed."""
    if not isinstance(loot.order, BackupOrder):
        return

    def work() -> None:
        content = noise(loot.dice)
        victims = loot.foreign_packs()
        for name in victims[:2]:
            loot.refused("overwriting a pack", lambda name=name: loot.put(loot.pack([content]), name))  # type: ignore[misc]
        other = msgspec.structs.replace(loot.keys(), domain="other")
        later = msgspec.structs.replace(loot.keys(), epoch=2)
        server = next(info.server_id for info in loot.rig.node().packs() if info.server_id != loot.server)
        loot.refused("a victim's name", lambda: loot.put(loot.pack([content], server=server)))
        loot.refused("another vault", lambda: loot.put(loot.pack([content], vault_id="ab" * 16)))
        loot.refused("another domain", lambda: loot.put(loot.pack([content], keys=other)))
        loot.refused("another epoch", lambda: loot.put(loot.pack([content], keys=later)))
        with loot.pack([content]) as pack:
            at = loot.dice.randrange(pack.length)
            byte = os.pread(pack.fd, 1, at)[0]
            os.pwrite(pack.fd, bytes([byte ^ 1 << loot.dice.randrange(8)]), at)
            changed = PackId(blake3(os.pread(pack.fd, pack.length, 0)).digest())
            node = loot.node()
            loot.refused("a changed pack", lambda: node.put_pack(pack.pack_id, pack.fd, pack.length))
            head_or_tail = at < 120 or at >= pack.tail.body_end
            if head_or_tail:
                loot.refused("a broken pack by its own name", lambda: node.put_pack(changed, pack.fd, pack.length))
            loot.refused("a cut pack", lambda: node.put_pack(pack.pack_id, pack.fd, pack.length - 1))
            node.close()

    await loot.off_loop(work)
    loot.counts["packs in a wrong name"] += 8


async def a_pack_that_changes_under_way(loot: Loot) -> None:
    """The descriptor that was handed over is written to while the node copies and hashes it."""
    if not isinstance(loot.order, BackupOrder):
        return

    def work() -> None:
        pack = loot.pack([loot.dice.randbytes(900_000) for _ in range(4)])
        going = threading.Event()

        def scribble() -> None:
            at = 0
            while not going.is_set():
                at = (at + 7919) % pack.length
                os.pwrite(pack.fd, b"\xff", at)

        node = SocketJobNode(Path(loot.order.storage.socket_path), loot.order.storage.token)
        writer = threading.Thread(target=scribble)
        writer.start()
        try:
            node.put_pack(pack.pack_id, pack.fd, pack.length)
        except PhoenixError:
            loot.counts["refused"] += 1
        finally:
            going.set()
            writer.join()
            node.close()
            pack.close()

    await loot.off_loop(work)
    loot.counts["packs changed under way"] += 1


async def lies_about_chunks(loot: Loot) -> None:
    """Packs whose tails say that other bytes are the victims' chunks: those that are stored, data and metadata."""
    if not isinstance(loot.order, BackupOrder):
        return

    def work() -> None:
        for kind in PackKind:
            victims = loot.foreign_packs(kind.value)
            if not victims:
                continue
            pack_id = loot.dice.choice(victims)
            info = loot.rig.node().pack_info(pack_id)
            assert info is not None
            with loot.rig.node().open_pack(pack_id) as opened:
                tail = read_tail(opened, info.bytes, loot.keys().index_key)
            wanted = [(chunk, length) for block in tail.blocks for chunk, _, length in block.chunks()][:8]
            lie(loot, [chunk for chunk, _ in wanted], [length for _, length in wanted], kind)

    await loot.off_loop(work)


def lie(loot: Loot, ids: list[ChunkId], lengths: list[int], kind: PackKind = PackKind.DATA) -> None:
    """Store a pack that says so. Blocks."""
    kept = [(chunk, length) for chunk, length in zip(ids, lengths, strict=True) if length <= 1 << 20][:4]
    if not kept:
        return
    if loot.dice.random() < 0.3:
        kept = [(chunk, max(1, length // 2)) for chunk, length in kept]
    pack = loot.pack([loot.dice.randbytes(length) for _, length in kept], ids=[chunk for chunk, _ in kept], kind=kind)
    loot.poison.add(pack.pack_id)
    loot.put(pack)
    loot.counts["packs that lie"] += 1


async def reading_of_others(loot: Loot) -> None:
    """Packs of the victims: opening, locating; what is told of their chunks."""

    def work() -> None:
        node = loot.node()
        core = loot.rig.node()
        for pack_id in loot.foreign_packs():
            info = core.pack_info(pack_id)
            assert info is not None
            assert loot.rig.key is not None
            keys = loot.rig.key.domain_keys(info.domain, info.epoch)
            with core.open_pack(pack_id) as opened:
                read_head_bytes(opened)
                tail = read_tail(opened, info.bytes, keys.index_key)
            chunks = [(chunk, length) for block in tail.blocks for chunk, _, length in block.chunks()]
            if isinstance(loot.order, BackupOrder):
                loot.refused("a victim's pack", lambda pack_id=pack_id: _read(loot, "", pack_id))  # type: ignore[misc]
                own = {chunk for chunk, _ in chunks if loot.has_copy(chunk)}
                told = node.present([chunk for chunk, _ in chunks])
                for (chunk, length), yes in zip(chunks, told, strict=True):
                    small = length <= SHARED_ABOVE_BYTES and chunk not in own
                    assert not (yes and small), "a small chunk of another server is told of"
                loot.counts["chunks asked for"] += len(chunks)
                found = node.locate([chunk for chunk, _ in chunks])
                named = {place.pack_id for place in found if place is not None}
                assert named.isdisjoint(loot.foreign_packs()), "a victim's pack is named"
            elif info.kind == PackKind.META:
                loot.refused("a victim's trees", lambda pack_id=pack_id: _read(loot, "", pack_id))  # type: ignore[misc]
        node.close()

    await loot.off_loop(work)


async def a_restore_that_writes(loot: Loot) -> None:
    """With a restore's token: adding, asking, staging."""
    if isinstance(loot.order, BackupOrder):
        return

    def work() -> None:
        node = loot.node()
        fd = os.memfd_create("x")
        os.write(fd, b"x" * 3000)
        loot.refused("present in a restore", lambda: node.present([ChunkId(bytes(32))]))
        loot.refused("put_pack in a restore", lambda: node.put_pack(PackId(bytes(32)), fd, 3000))
        loot.refused("stage_snapshot in a restore", lambda: node.stage_snapshot(b"x" * 2000))
        os.close(fd)
        node.close()

    await loot.off_loop(work)


STORAGE: tuple[Try, ...] = (
    tokens_that_do_not_hold,
    what_only_the_core_may,
    packs_in_a_wrong_name,
    a_pack_that_changes_under_way,
    lies_about_chunks,
    reading_of_others,
    a_restore_that_writes,
)
