"""A thief names what others have in snapshots of its own: contents that it guessed, and trees, whose ids it can't know.

What it is told of such a backup, and of its own restore of it, is the same whether others have that or nobody does, and
nothing comes back."""

import re
import time
from collections.abc import Callable
from typing import Any

import msgspec

from phoenix_core.agentlink.messages import BackupOrder, OwnRestoreRequest, RestoreOrder
from phoenix_core.agentlink.ownrestore import OwnJobRequest
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.domain.ids import ChunkId, PackId, SnapshotId
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.entry import ChunkRef, Entry, EntryType
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packwriter import FinishedPack
from phoenix_core.vault.sharing import SHARED_ABOVE_BYTES
from phoenix_core.vault.snapshot import SnapshotBody, seal_snapshot
from phoenix_core.vault.tree import TreeWriter
from tests.chaos.stolen_agent_loot import Loot
from tests.chaos.stolen_agent_reading import tails
from tests.chaos.stolen_agent_storage import lie
from tests.engine.fake_agent import FakeAgent, restore

LIED = 0.3
"""So often the thief first stores packs that say they hold what it guesses."""
_IDS = re.compile(r"\b[0-9a-f]{8,}\b")
_MTIME_NS = 1_700_000_000_000_000_000


class Guess(msgspec.Struct, frozen=True):
    chunk: ChunkId
    length: int


Naming = Callable[[Loot, BackupOrder, Guess], BackupResult]
"""Stages a snapshot that names a guess. Blocks."""


async def guesses(loot: Loot) -> None:
    """A right one and a wrong one, of a kind that the dice say."""
    what = loot.dice.choice(list(KINDS))
    naming, kind = KINDS[what]
    right = await loot.off_loop(lambda: _others(loot, kind))
    if right is None:
        return
    wrong = Guess(ChunkId(loot.dice.randbytes(32)), right.length)
    lies = loot.dice.random() < LIED
    told = [await _told(loot, naming, guess, lies=lies) for guess in (right, wrong)]
    assert lies or told[0] == told[1], f"it is told whether others have {what}: {told}"
    loot.counts[f"guesses at {what}"] += len(told)


def _others(loot: Loot, kind: PackKind) -> Guess | None:
    """A short content or a tree, rather one that is proved, of which the thief has no copy, true or not. Blocks."""
    foreign = set(loot.foreign_packs(kind.value))
    theirs = [(info, tail) for info, tail in tails(loot) if info.pack_id in foreign]
    for _, tail in sorted(theirs, key=lambda each: not each[0].proved):
        for block in tail.blocks:
            for chunk, _, length in block.chunks():
                if length <= SHARED_ABOVE_BYTES and not loot.has_copy(chunk):
                    return Guess(chunk, length)
    return None


# --- how it is named -------------------------------------------------------------------------------------------------


def as_content(loot: Loot, order: BackupOrder, guess: Guess) -> BackupResult:
    chunks = (ChunkRef(guess.chunk, guess.length),)
    return _stage(loot, order, _entry(EntryType.FILE, size=guess.length, chunks=chunks))


def as_folder(loot: Loot, order: BackupOrder, guess: Guess) -> BackupResult:
    return _stage(loot, order, _entry(EntryType.DIRECTORY, tree=guess.chunk))


def as_root(loot: Loot, order: BackupOrder, guess: Guess) -> BackupResult:
    return _stage(loot, order, _entry(EntryType.FILE), root=guess.chunk)


KINDS: dict[str, tuple[Naming, PackKind]] = {
    "contents": (as_content, PackKind.DATA),
    "folders": (as_folder, PackKind.META),
    "roots": (as_root, PackKind.META),
}


def _entry(kind: EntryType, **what: Any) -> Entry:
    return Entry(b"srv", kind, 0o755, 0, 0, mtime_ns=_MTIME_NS, **what)


def _stage(loot: Loot, order: BackupOrder, entry: Entry, root: bytes = b"") -> BackupResult:
    """A snapshot whose root tree is `root`, or has just this entry; what that names is not stored."""
    node = loot.node()
    packs: list[PackId] = []

    def store(pack: FinishedPack) -> None:
        node.put_pack(pack.pack_id, pack.fd, pack.length)
        packs.append(pack.pack_id)

    identity = PackIdentity(order.vault_id, order.server_id)
    key = loot.agent.state.signing_key()
    try:
        with ChunkWriter(PackKind.META, identity, loot.keys(), order.vault_public_key, node.present, store) as meta:
            written = TreeWriter(meta).write([entry])
        body = SnapshotBody(
            vault_id=order.vault_id,
            server_id=order.server_id,
            job_id=order.job,
            domain=order.domain.domain,
            epoch=order.domain.epoch,
            root=root or written,
            paths=order.paths,
            agent_public_key=key.public_key().public_bytes_raw(),
            hostname=loot.agent.facts.hostname,
            started_ns=time.time_ns(),
            finished_ns=time.time_ns(),
            files=1,
            packs=tuple(packs),
        )
        return BackupResult(snapshot_id=node.stage_snapshot(seal_snapshot(body, key, order.vault_public_key)))
    finally:
        node.close()


# --- what it is told -------------------------------------------------------------------------------------------------


async def _told(loot: Loot, naming: Naming, guess: Guess, *, lies: bool) -> list[object]:
    """Of the backup and, if there is a snapshot, of the restore."""
    agent, rig = loot.agent, loot.rig
    usual = agent.on_backup, agent.on_restore
    wrong: list[Exception] = []

    def work(order: BackupOrder) -> BackupResult:
        if lies:
            lie(loot, [guess.chunk], [guess.length], PackKind.DATA if naming is as_content else PackKind.META)
        return naming(loot, order, guess)

    async def name_it(agent: FakeAgent, order: BackupOrder | RestoreOrder) -> None:
        assert isinstance(order, BackupOrder)
        loot.order = order
        try:
            result = await loot.off_loop(lambda: work(order))
        except Exception as error:
            wrong.append(error)
            result = BackupResult(snapshot_id="")
        loot.old_tokens.append(order.storage.token)
        await agent.report(order.job, result)

    agent.on_backup, agent.on_restore, agent.restored = name_it, restore, {}
    done = await rig.ended((await rig.client.backup(BackupRequest(agent.facts.hostname, ("/srv",)))).id)
    if wrong:
        raise wrong[0]
    told = [await _as_told(loot, done.id)]
    if done.state is JobState.SUCCESSFUL:
        wanted = OwnRestoreRequest(0, snapshot_id=done.snapshot_id, paths=(), destination=b"/tmp/loot")
        own = await rig.ended((await agent.link.request(wanted, 10)).job)
        told.append(await _as_told(loot, own.id))
        assert own.state is JobState.FAILED, f"a restore of what was guessed: {own.state}"
        removed = await rig.remove(SnapshotId(done.snapshot_id))
        assert removed.state is JobState.SUCCESSFUL, f"removing the thief's snapshot: {removed.error}"
    assert not agent.restored, "what was guessed came back"
    agent.on_backup, agent.on_restore = usual
    return told


async def _as_told(loot: Loot, job: str) -> object:
    """What the agent may hear of a job of its own, without ids."""
    answer = await loot.agent.link.request(OwnJobRequest(0, job), 10)
    failure = answer.failure
    text = _IDS.sub("#", failure.message.replace(job, "#")) if failure is not None else ""
    return answer.state, failure.code if failure is not None else "", text, answer.missing
