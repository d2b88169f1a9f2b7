"""A node process that is killed with SIGKILL at one step: `python -m tests.storage.killed_node FOLDER STEP`.

It prints a line once each thing is done, so that the test knows how far it came.
"""

import os
import signal
import sys
from pathlib import Path

from phoenix_core.domain.ids import LeaseId
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.node_api import JobNode
from phoenix_core.vault.record import FIRST_PREVIOUS, Record, RecordKind, sign
from phoenix_core.vault.vaultkey import VaultKey
from tests.storage.faulty import FaultyStore
from tests.storage.rig import Rig, some_chunks

KEY = bytes(range(32))
VAULT_ID = "ab" * 16
STEPS = {
    "nothing": "rebuilt",
    "write": "storing",
    "sync": "storing",
    "publish": "storing",
    "index": "storing",
    "merge": "stored",
    "snapshot": "stored",
    "staged": "stored",
    "record": "staged",
    "sweep": "condemned",
    "unindex": "condemned",
    "rebuild": "swept",
}
"""Each step with the last thing that the process says before it dies there."""


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def say(line: str) -> None:
    print(line, flush=True)


def main(folder: Path, step: str) -> None:
    store = FaultyStore(LocalStore(folder / "vault"))
    store.faults.for_real = True
    rig = Rig(folder, store=store, key=VaultKey.from_bytes(KEY), vault_id=VAULT_ID)
    parts = rig.node._state.parts
    assert parts is not None
    jobs = rig.node.job_node(rig.job().token)
    for seed in range(20):
        say(f"stored {rig.put(jobs, some_chunks(2, seed=seed)).pack_id.hex()}")
    (victim,) = rig.packs(some_chunks(2, seed=99))
    if step in {"write", "sync", "publish"}:
        store.faults.die(step)
    if step == "index":
        parts.environment.write = die  # type: ignore
    say(f"storing {victim.pack_id.hex()}")
    jobs.put_pack(victim.pack_id, victim.fd, victim.length)
    say(f"stored {victim.pack_id.hex()}")
    if step == "merge":
        parts.merged.forget = die  # type: ignore
        parts.merged.write_due(at_least=1)
    commit(rig, jobs, store, step)
    prune(rig, store, step)
    die()


def commit(rig: Rig, jobs: JobNode, store: FaultyStore, step: str) -> None:
    if step in {"snapshot", "staged"}:
        store.faults.die({"snapshot": "sync", "staged": "publish"}[step])
    say(f"staged {jobs.stage_snapshot(b'sealed')}")
    record = Record(1, FIRST_PREVIOUS, 1, RecordKind.COMMIT, "s1", bytes(32), bytes(32))
    if step == "record":
        store.faults.die("write")
    rig.node.append_record(1, sign(record, rig.key.record_signing_key()))
    say("recorded")


def prune(rig: Rig, store: FaultyStore, step: str) -> None:
    for lease in rig.node.leases():
        rig.node.close_lease(LeaseId(lease.lease))
    packs = [pack for pack, _ in rig.node.stored_packs()]
    sweep = rig.node.condemn(packs[:3])
    say(f"condemned {' '.join(pack.hex() for pack in packs[:3])}")
    if step == "sweep":
        store.faults.die("delete", after=1)
    if step == "unindex":
        rig.node._state.parts.index.remove = die  # type: ignore
    rig.node.sweep(sweep)
    say("swept")
    if step == "rebuild":
        store.faults.die("list", after=2)
    rig.node.rebuild_index()
    say("rebuilt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
