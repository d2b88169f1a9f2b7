"""What the core makes of a storage node's answers, where that node is broken, of another release, or in wrong hands.

Each view has the answers to one kind of call malformed, and has the core do the work that asks for them: verify,
repair, prune, restore, proof, and the reading of records. An input is a list of answers, given in turn, the last one
for ever."""

import itertools
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import msgspec

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId, SnapshotId
from phoenix_core.domain.states import VerifyDepth
from phoenix_core.engine.commit import _is_of, read_body, snapshot_row
from phoenix_core.engine.parents import unusable_chunks
from phoenix_core.engine.prove import _unproved, prove_pack
from phoenix_core.engine.restore_grant import plan_grant
from phoenix_core.engine.soundness import _damaged
from phoenix_core.engine.vault import OpenVault
from phoenix_core.storage.client import RemoteCoreNode
from phoenix_core.storage.errors import LeaseLapsed, ObjectMissing, PlanOutdated
from phoenix_core.vault import prune, repair
from phoenix_core.vault.location import BlockRef
from phoenix_core.vault.maintenance_node import never_cancelled
from phoenix_core.vault.verify import verify_vault
from tests.chaos.fuzz_mutate import altered, altered_json, mutated
from tests.chaos.fuzz_node_line import EVERY, PACK, Conversation, framed
from tests.chaos.fuzz_node_vault import NodeVault
from tests.chaos.fuzz_target import Target, View
from tests.storage.rig import HandClock

Work = Callable[[OpenVault], object]
RAW = 0
"""In place of a status: the answer brings its own."""


class _Nowhere:
    def put_pack(self, pack_id: PackId, fd: int, length: int) -> None:
        """What is written is of no interest."""


@contextmanager
def _nowhere(*_: object) -> Iterator[_Nowhere]:
    yield _Nowhere()


class _Ground:
    """The vault, and the conversation with its node."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz-node-")
        self.vault = NodeVault(Path(self._folder.name))
        self.conversation = Conversation(self.vault)
        self.live = tuple(self._open(self.conversation.speak("", [])).chain.live())
        self.rows = tuple(map(self._row, self.live))

    def open(self, node: RemoteCoreNode) -> OpenVault:
        return OpenVault(self.vault.rig.descriptor, self.vault.rig.key, node, HandClock())

    def _open(self, node: RemoteCoreNode) -> OpenVault:
        vault = self.open(node)
        vault.chain.load()
        return vault

    def _row(self, name: SnapshotId) -> SnapshotRow:
        vault = self._open(self.conversation.speak("", []))
        record = vault.chain.commit_of(name)
        assert record is not None
        return snapshot_row(name, read_body(vault, name), record, "server")


GROUND = _Ground()


# --- what the core does ----------------------------------------------------------------------------------------------


def _verify(vault: OpenVault) -> None:
    verify_vault(
        vault.node,
        vault.key,
        VerifyDepth.CHUNKS,
        last_record=3,
        expected=GROUND.live,
        descriptor=vault.descriptor,
    )


def _verify_one(vault: OpenVault) -> None:
    verify_vault(vault.node, vault.key, VerifyDepth.PACKS, GROUND.live[:1])


def _repair(vault: OpenVault) -> None:
    plan = repair.make_plan(vault.node, vault.key, VerifyDepth.CHUNKS)
    repair.execute(vault.node, vault.key, plan, open_target=_nowhere)


def _prune(vault: OpenVault) -> None:
    plan = prune.make_plan(vault.node, vault.key, rewrite_unused_percent=10)
    _ = plan.freed_percent
    clock = map(float, itertools.count())
    prune.execute(
        vault.node,
        vault.key,
        plan,
        open_target=_nowhere,
        wait_s=3.0,
        sleep=lambda seconds: None,
        monotonic_s=clock.__next__,
    )


def _restore(vault: OpenVault) -> None:
    first = GROUND.rows[0]
    for paths, server in (((b"/srv/shared",), "sother"), ((), "")):
        plan_grant(vault, first, paths, threading.Event(), _nowhere, server, trusted=bool(server))


def _commit(vault: OpenVault) -> None:
    first = GROUND.rows[0]
    read_body(vault, SnapshotId(first.id))
    _is_of(vault, ChunkId(first.root), first.server_id)


def _prove(vault: OpenVault) -> None:
    for info in _unproved(vault)[:2]:
        prove_pack(vault, info)


def _compare(vault: OpenVault) -> None:
    _damaged(vault, list(GROUND.live), never_cancelled)
    unusable_chunks(vault, GROUND.rows[0], threading.Event())


def _keys(vault: OpenVault) -> None:
    vault.pack_keys().block_keys([BlockRef(bytes.fromhex(pack), 0) for row in GROUND.rows for pack in row.packs])


def _chain(vault: OpenVault) -> None:
    vault.chain.load()
    vault.chain.compare()
    vault.chain.removed()
    vault.chain.given_up(GROUND.live)


def _rebuild(vault: OpenVault) -> None:
    vault.node.rebuild_index()


def _status(vault: OpenVault) -> None:
    vault.node.status()


WORK: dict[str, tuple[Work, ...]] = {
    "Status": (_compare, _chain, _prove),
    "ListLeases": (_prune,),
    "CoreLocate": (_verify, _compare),
    "LocateAll": (_verify_one, _repair, _prune, _restore, _commit),
    "PackHeads": (_keys,),
    "GetPackInfo": (_restore, _repair, _commit, _prove),
    "PacksPage": (_verify, _prune, _compare, _prove),
    "StoredPacks": (_repair,),
    "ListSnapshots": (_prune,),
    "ReadSnapshot": (_verify, _prune, _commit),
    "Records": (_verify, _prune, _chain),
    "Condemn": (_prune,),
    "Sweep": (_prune,),
    "RebuildIndex": (_rebuild,),
    "ContentsOf": (_repair,),
    "LookAfter": (_repair,),
    PACK: (_verify, _restore, _prove),
}
"""By the kind of call that is answered."""


# --- the views -------------------------------------------------------------------------------------------------------


def _done(works: tuple[Work, ...], kind: str, answers: list[bytes], status: int) -> None:
    """Each work with the answers from the first one on. Raises the first error where all end in one."""
    errors: list[PhoenixError] = []
    for work in works:
        node = GROUND.conversation.speak(kind, answers, status)
        try:
            work(GROUND.open(node))
        except PhoenixError as error:
            _ = error.view()
            errors.append(error)
        finally:
            node.close()
    if len(errors) == len(works):
        raise errors[0]


def _in_turn(data: bytes) -> list[bytes]:
    """The answers that an input is; at least one."""
    try:
        answers = [bytes(each) for each in msgspec.msgpack.decode(data, type=list[msgspec.Raw])]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        answers = []
    return answers or [data]


def _parts(data: bytes) -> list[bytes]:
    """The same of parts of packs."""
    try:
        return msgspec.msgpack.decode(data, type=list[bytes]) or [data]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return [data]


def _answered(data: bytes, kind: str) -> None:
    _done(WORK[kind], kind, _parts(data) if kind == PACK else _in_turn(data), 206 if kind == PACK else 200)


def _seeds(kind: str) -> list[bytes]:
    """The real answers to the works of that kind, each alone and all in turn."""
    conversation = GROUND.conversation
    conversation.heard[kind].clear()
    _done(WORK[kind], "", [b""], 200)
    heard = conversation.heard[kind]
    raw = [each if kind == PACK else msgspec.Raw(each) for each in heard]
    return [msgspec.msgpack.encode([each]) for each in raw] + [msgspec.msgpack.encode(raw)]


def _refused(data: bytes) -> None:
    """An error that a node may tell, whatever was asked."""
    _done((_compare, _chain, _prune), EVERY, [data], 500)


def _on_the_line(data: bytes) -> None:
    """Status line and header too."""
    _done((_status,), EVERY, [data], RAW)


_ERRORS = (
    ObjectMissing(place="p", name="n"),
    PlanOutdated(seen=1, found=2),
    LeaseLapsed(lease="l", job="j"),
)


def _line_seeds() -> list[bytes]:
    status = GROUND.conversation.heard["Status"][0]
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (status[:9], status[9:], b""))
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks
    return [framed(200, status), chunked, b"HTTP/1.1 200 OK\r\n\r\n" + status]


STORAGE_NODE = Target(
    "storage node",
    (
        *(View(f"answers to {kind}", altered, _seeds(kind), partial(_answered, kind=kind)) for kind in WORK),
        View("errors", altered_json, [msgspec.json.encode(each.view()) for each in _ERRORS], _refused),
        View("on the line", mutated, _line_seeds(), _on_the_line),
    ),
)
TARGETS = (STORAGE_NODE,)
