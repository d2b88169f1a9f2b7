"""Agent and core are killed while a backup reads from a Btrfs snapshot: the snapshot doesn't stay, and nothing is lost."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.independent_walk import walk
from tests.agent.sourcesnapshots import subvolumes
from tests.agent.sourcesnapshots.loops import mounted, unpack
from tests.e2e import tree, watch
from tests.e2e.killing import give_up_soon
from tests.e2e.rig import Machine

FILES, FILE_BYTES = 24, 1 << 21
ENOUGH_BYTES = 1 << 23


@pytest.fixture
def source(here: Machine) -> Iterator[Path]:
    """A folder on a Btrfs file system."""
    with mounted(unpack("btrfs", here.folder / "btrfs.img"), here.folder / "volume") as volume:
        (volume / "srv").mkdir()
        yield volume / "srv"


def test_no_snapshot_stays_and_the_next_backup_is_whole(here: Machine, source: Path) -> None:
    give_up_soon(here)
    backup = ("backup", "one", str(source), "--source-snapshot", "required")
    fill(source, "before")
    before = walk(source)
    first = here.json(*backup)
    assert first["state"] == "successful"
    assert list(subvolumes.below(source.parent)) == []

    fill(source, "after")
    job = here.json(*backup, "--detach")["id"]
    watch.wait_until(here.socket, "the first packs", lambda: has_sent(here, job))
    here.agent.kill()
    here.running_core.kill()
    (left,) = subvolumes.below(source.parent)
    assert left.name.startswith("phoenix_")

    here.start_core()
    here.start_agent()
    assert here.wait_job(job)["state"] == "aborted"
    second = here.json(*backup)
    assert second["state"] == "successful"
    assert list(subvolumes.below(source.parent)) == []
    tree.restores_as(here, "one", second["snapshot_id"], source, walk(source))
    tree.restores_as(here, "one", first["snapshot_id"], source, before)


def fill(folder: Path, seed: str) -> None:
    dice = random.Random(seed)
    for number in range(FILES):
        (folder / f"{number:03d}").write_bytes(dice.randbytes(FILE_BYTES))


def has_sent(here: Machine, job: str) -> bool:
    found = here.job(job)
    assert found["state"] in {"queued", "running"}, "the backup was over before it could be cut off"
    return bool((found["progress"] or {}).get("sent_bytes", 0) >= ENOUGH_BYTES)
