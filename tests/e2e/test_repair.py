"""A damaged vault, put right with real processes: verify names the files, repair saves, the next backup heals."""

import os
from pathlib import Path

from tests.agent.independent_walk import walk
from tests.e2e import tree
from tests.e2e.rig import Machine

HEAD_BYTES = 1_288


def _flip(pack: Path, at: int) -> None:
    content = bytearray(pack.read_bytes())
    content[at] ^= 0x40
    pack.parent.chmod(0o700)
    pack.unlink()
    pack.write_bytes(content)


def _packs(here: Machine, kind: str) -> set[Path]:
    return {path for path in (here.vault / "packs" / kind).rglob("*") if path.is_file()}


def test_verify_repair_and_the_next_backup_put_a_damaged_vault_right(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=20, size=200_000)
    wholes = [walk(source)]
    snapshots = [here.json("backup", "one", str(source))["snapshot_id"]]
    (source / "later").write_bytes(os.urandom(70_000))
    wholes.append(walk(source))
    snapshots.append(here.json("backup", "one", str(source))["snapshot_id"])
    largest = max(_packs(here, "data"), key=lambda pack: pack.stat().st_size)
    _flip(largest, HEAD_BYTES + 1_000)
    for pack in _packs(here, "meta"):
        _flip(pack, -60)

    found = here.command("vault", "verify", "--depth", "chunks").expect(1).out
    hit = {line.strip().partition(":")[2] for line in found.splitlines() if line.startswith("  ")}
    assert hit
    assert f"{source}/later" not in hit
    assert all(snapshot[:12] in found for snapshot in snapshots)
    assert "Problem" in here.command("vault", "status").expect(1).out

    before = _packs(here, "data") | _packs(here, "meta")
    plan = here.command("vault", "repair").expect(3).out
    assert "Carry it out with `phoenix vault repair" in plan
    assert f"Back one up again, with `phoenix backup one {source}" in plan
    assert _packs(here, "data") | _packs(here, "meta") == before
    done = here.json("vault", "repair", "--execute", code=3)
    assert done["result"]["rescued_chunks"] > 0
    assert done["result"]["damaged_files"] == 2 * len(hit)
    assert before < _packs(here, "data") | _packs(here, "meta")

    here.json("backup", "one", str(source))
    assert here.json("vault", "verify", "--depth", "chunks")["state"] == "successful"
    assert here.json("vault", "repair", "--execute")["result"]["rescued_chunks"] == 0
    for snapshot, whole in zip(snapshots, wholes, strict=True):
        tree.restores_as(here, "one", snapshot, source, whole)
    here.json("vault", "prune", "--execute", "--yes")
    assert largest not in _packs(here, "data")
    assert here.command("vault", "status").expect().out.count("Problem") == 0
    for snapshot, whole in zip(snapshots, wholes, strict=True):
        tree.restores_as(here, "one", snapshot, source, whole)
