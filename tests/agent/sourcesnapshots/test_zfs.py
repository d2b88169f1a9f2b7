"""Snapshots of ZFS datasets, by what `zfs` answers."""

import os

import msgspec
import pytest

from phoenix_core.agent.sourcesnapshots.errors import CommandFailed
from phoenix_core.agent.sourcesnapshots.kind import NoSnapshot, Place, Volume
from phoenix_core.agent.sourcesnapshots.marks import Mark
from phoenix_core.agent.sourcesnapshots.mounttable import Mount, MountTable
from phoenix_core.agent.sourcesnapshots.zfs import ZfsSnapshots
from tests.agent.sourcesnapshots.commandsdouble import AnsweredCommands, recorded

MARK = Mark("ZFS", "j1", "phoenix_s1_j1_1", "tank/home", b"/home")


class Table(MountTable):
    """Where a dataset is mounted doesn't depend on this host."""

    def __init__(self, *mounts: Mount) -> None:
        super().__init__(())
        self._mounts = mounts

    def roots_of(self, source: bytes, kind: str) -> list[Mount]:
        return [mount for mount in self._mounts if (mount.source, mount.root) == (source, b"/")]


def mount(point: bytes, dataset: bytes, root: bytes = b"/") -> Mount:
    return Mount(1, os.makedev(0, 50), root, point, "zfs", dataset)


def test_a_dataset_is_read_below_its_own_mount_point_also_where_it_is_bound_elsewhere() -> None:
    home, bound = mount(b"/home", b"tank/home"), mount(b"/srv", b"tank/home", b"/srv")
    zfs = ZfsSnapshots(AnsweredCommands({}))
    volume = zfs.volume(Place(b"/srv", bound, b"/srv"), Table(home, bound))
    assert (volume.name, volume.group, volume.folder) == ("tank/home", "tank", b"/home")
    assert zfs.root(MARK) == b"/home/.zfs/snapshot/phoenix_s1_j1_1"
    with pytest.raises(NoSnapshot, match="not mounted from its top"):
        zfs.volume(Place(b"/srv", bound, b"/srv"), Table(bound))


def test_datasets_of_one_pool_get_their_snapshots_in_one_command() -> None:
    lists = {"tank/home": recorded("zfs-list.txt"), "tank/db": "tank/db@phoenix_s1_j1_2\t77\tj1\n"}
    commands = AnsweredCommands({"zfs snapshot *": "", "zfs list *": lambda words: lists[words[-1]]})
    volumes = [Volume("ZFS", name, "tank", "zfs", b"/" + name.encode()) for name in lists]
    marks = [MARK, Mark("ZFS", "j1", "phoenix_s1_j1_2", "tank/db", b"/db")]
    made = ZfsSnapshots(commands).make(volumes, marks)
    assert [mark.id for mark in made] == ["12530980120893301222", "77"]
    assert commands.ran[0] == ("zfs snapshot -o phoenix:job=j1 tank/home@phoenix_s1_j1_1 tank/db@phoenix_s1_j1_2")


def test_one_that_zfs_does_not_list_counts_as_not_made() -> None:
    commands = AnsweredCommands({"zfs snapshot *": "", "zfs list *": ""})
    volume = Volume("ZFS", "tank/home", "tank", "zfs", b"/home")
    with pytest.raises(NoSnapshot, match="doesn't list it"):
        ZfsSnapshots(commands).make([volume], [MARK])


def test_only_the_marked_snapshot_is_destroyed_and_never_recursively() -> None:
    commands = AnsweredCommands({"zfs list *": recorded("zfs-list.txt"), "zfs destroy *": ""})
    zfs = ZfsSnapshots(commands)
    assert zfs.delete(MARK)
    assert commands.of("zfs")[-1] == "zfs destroy tank/home@phoenix_s1_j1_1"
    for other in (
        Mark("ZFS", "j1", "phoenix_s1_j2_1", "tank/home", b"/home"),  # another job's
        Mark("ZFS", "-", "autosnap_2026-11-30_00:00:01_daily", "tank/home", b"/home"),
        Mark("ZFS", "j1", "phoenix_s1_j1_1", "tank/home", b"/home", id="5"),  # made again by somebody
    ):
        ran = len(commands.ran)
        assert not zfs.delete(other)
        assert not any("destroy" in line for line in commands.ran[ran:])


def test_a_snapshot_that_went_is_told() -> None:
    listed = AnsweredCommands({"zfs list *": recorded("zfs-list.txt")})
    assert ZfsSnapshots(listed).problem(msgspec.structs.replace(MARK, id="12530980120893301222")) == ""
    gone = AnsweredCommands({"zfs list *": ""})
    assert "not there any more" in ZfsSnapshots(gone).problem(MARK)


def test_what_zfs_refuses_is_an_error_with_its_words() -> None:
    error = CommandFailed(command="zfs snapshot", detail="cannot create snapshot 'tank/home@x': out of space")
    with pytest.raises(CommandFailed, match="out of space"):
        ZfsSnapshots(AnsweredCommands({"zfs snapshot *": error})).make(
            [Volume("ZFS", "tank/home", "tank", "zfs", b"/home")], [MARK]
        )
