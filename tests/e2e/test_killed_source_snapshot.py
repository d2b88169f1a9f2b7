"""Agent and core are killed while a backup reads from a Btrfs snapshot: it doesn't stay, and nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.agent.independent_walk import walk
from tests.agent.sourcesnapshots import subvolumes
from tests.agent.sourcesnapshots.loops import mounted, unpack
from tests.e2e import tree
from tests.e2e.inotify import Watched
from tests.e2e.killing import FILES, SIZE, SLOW_SCAN, give_up_soon
from tests.e2e.rig import Machine


@pytest.fixture
def source(here: Machine) -> Iterator[Path]:
    """A folder on a Btrfs file system."""
    with mounted(unpack("btrfs", here.folder / "btrfs.img"), here.folder / "volume") as volume:
        yield tree.make(volume / "srv", files=FILES, size=SIZE)


def test_no_snapshot_stays_and_the_next_backup_is_whole(here: Machine, source: Path) -> None:
    give_up_soon(here)
    volume = source.parent
    excludes = here.folder / "excludes"
    excludes.write_text("".join(f"**/none-{at}-*/*.x\n" for at in range(SLOW_SCAN)))
    backup = ("backup", "one", str(source), "--exclude-file", str(excludes), "--source-snapshot", "required")
    before = walk(source)
    first = here.json(*backup)
    assert first["state"] == "successful"
    assert list(subvolumes.below(volume)) == []

    tree.make(source, files=FILES, size=SIZE, seed=2)
    with Watched(volume) as names:
        job = here.json(*backup, "--detach")["id"]
        names.wait()
    here.agent.kill()
    here.running_core.kill()
    (left,) = subvolumes.below(volume)
    assert left.name.startswith("phoenix_")

    here.start_core()
    here.start_agent()
    assert here.wait_job(job)["state"] == "aborted"
    second = here.json(*backup)
    assert second["state"] == "successful"
    assert list(subvolumes.below(volume)) == []
    tree.restores_as(here, "one", second["snapshot_id"], source, walk(source))
    tree.restores_as(here, "one", first["snapshot_id"], source, before)
