"""Flipped bytes, truncated and deleted objects: verify names what they hit, and no wrong byte is ever restored."""

import os
from collections.abc import Callable
from pathlib import Path

from tests.agent.independent_walk import Facts, differences, walk
from tests.e2e import tree
from tests.e2e.rig import Machine


def _flip(pack: Path) -> None:
    """Bytes all over the middle, so that some of them belong to a chunk that is in use."""
    content = bytearray(pack.read_bytes())
    for at in range(len(content) // 4, len(content) * 3 // 4, 4096):
        content[at] ^= 0x40
    _replace(pack, bytes(content))


def _truncate(pack: Path) -> None:
    _replace(pack, pack.read_bytes()[: pack.stat().st_size // 2])


def _delete(pack: Path) -> None:
    pack.parent.chmod(0o700)
    pack.unlink()


def _replace(pack: Path, content: bytes) -> None:
    _delete(pack)
    pack.write_bytes(content)


def test_damage_is_found_and_never_restored(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=20, size=50_000)
    whole = walk(source)
    first = here.json("backup", "one", str(source))
    assert here.json("vault", "verify", "--depth", "chunks")["state"] == "successful"
    later = {
        source / f"later {harm.__name__}": _back_up_harmed(here, source, harm) for harm in (_flip, _truncate, _delete)
    }
    last = list(later.values())[-1]

    found = here.command("vault", "verify", "--depth", "chunks").expect(1).out
    for path, snapshot in later.items():
        assert f"{snapshot[:12]}:{path}\n" in found
        assert f"{last[:12]}:{path}\n" in found
    assert first["snapshot_id"][:12] not in found
    verified = here.json("vault", "verify", "--depth", "chunks", code=1)
    assert verified["error"]["code"] == "damage_found"
    assert verified["error"]["hint"]

    target = here.folder / "target"
    target.mkdir()
    damaged = here.json("restore", "one", "--to", str(target), code=3)
    assert {each["path"] for each in damaged["missing"]} == set(map(str, later))
    assert all(each["reason"] for each in damaged["missing"])
    back = walk(tree.below(target, source))
    assert {path for path in back if b"later" in path} == set()
    assert differences(_without_top(whole), _without_top(back)) == []
    tree.restores_as(here, "one", first["snapshot_id"], source, whole)


def _back_up_harmed(here: Machine, source: Path, harm: Callable[[Path], None]) -> str:
    """A backup with one new file, in a data pack of its own that is then harmed; the snapshot."""
    before = _data_packs(here)
    (source / f"later {harm.__name__}").write_bytes(os.urandom(70_000))
    made = here.json("backup", "one", str(source))
    (pack,) = _data_packs(here) - before
    harm(pack)
    snapshot: str = made["snapshot_id"]
    return snapshot


def _data_packs(here: Machine) -> set[Path]:
    return {path for path in (here.vault / "packs" / "data").rglob("*") if path.is_file()}


def _without_top(entries: dict[bytes, Facts]) -> dict[bytes, Facts]:
    return {path: facts for path, facts in entries.items() if path != b"."}


def test_a_lost_snapshot_is_shown_and_no_older_one_is_restored_in_its_place(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=3, size=1_000)
    older = here.json("backup", "one", str(source))["snapshot_id"]
    newest = here.json("backup", "one", str(source))["snapshot_id"]
    here.command("vault", "status").expect()
    _delete(here.vault / "snapshots" / newest)

    listed = here.command("snapshot", "list").expect().out.splitlines()
    heading = listed[0].split()
    shown = {line[:12]: line for line in listed[1:]}
    at = listed[0].index("STATE")
    assert heading[:4] == ["SNAPSHOT", "SERVER", "TIME", "STATE"]
    assert (shown[newest[:12]][at:].split()[0], shown[older[:12]][at:].split()[0]) == ("lost", "warm")
    assert " yes " not in shown[newest[:12]]
    status = here.command("vault", "status").expect(1).out
    assert "2 (1 of them lost)" in status
    assert "1 snapshot can't be restored" in status
    assert newest[:12] in here.command("doctor").expect(1).out

    target = here.folder / "target"
    target.mkdir()
    asked = ("restore", "one", "--path", str(source), "--to", str(target), "--conflict", "skip", "--check")
    refused = here.command(*asked, "--json").expect(1).error
    assert refused["code"] == "snapshot_lost"
    same = " ".join(("phoenix", *asked[:2], "--snapshot", older[:12], *asked[2:], "--json"))
    assert f"`{same}`" in refused["hint"]
    assert list(target.iterdir()) == []
    done = here.command("restore", "one", "--snapshot", older, "--to", str(target)).expect().out
    assert f"From snapshot {older[:12]} of one, taken " in done


def test_the_status_of_a_vault_with_damage_says_what_to_do_and_fails(here: Machine) -> None:
    source = tree.make(here.folder / "source", files=3, size=1_000)
    here.json("backup", "one", str(source))
    (pack,) = _data_packs(here)
    _delete(pack)
    here.command("vault", "verify").expect(1)
    status = here.command("vault", "status").expect(1).out
    assert "Problem" in status
    assert f"1 pack damaged or lost. `phoenix vault verify --data {here.data}` names the files" in status
