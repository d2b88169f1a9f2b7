"""Metadata comes back as it was; what this user may not set is told, and hands out no rights."""

import os
import pwd
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.agent.restore.apply_metadata import MetadataSetter, OwnerNumbers
from phoenix_core.agent.restore.folders import FolderCache, open_root
from phoenix_core.agent.restore.records import NOT_MADE, WRITTEN, Item, Outcome
from phoenix_core.agent.restore.slots import TempNames
from phoenix_core.agent.restore.write import EntryWriter
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.entry import Entry, EntryType
from tests.agent.independent_walk import differences, walk
from tests.agent.restore.other_user import as_nobody, open_folder
from tests.agent.restore.rig import RestoreRig
from tests.vault.memory_vault import MemoryVault

NO_ID = 0xFFFFFFFF
CAPABILITY = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)
DEFAULT_ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", *each)
    for each in ((1, 7, NO_ID), (2, 7, os.geteuid()), (4, 5, NO_ID), (16, 7, NO_ID), (32, 0, NO_ID))
)


def entry(name: bytes = b"name", kind: EntryType = EntryType.FILE, **fields: object) -> Entry:
    values: dict[str, object] = {"mode": 0o644, "uid": os.geteuid(), "gid": os.getegid(), "mtime_ns": 10**18}
    return Entry(name, kind, **(values | fields))  # type: ignore[arg-type]


@pytest.fixture
def folder() -> Iterator[Path]:
    with open_folder() as made:
        yield made


def put(folder: Path, made: Entry) -> Outcome:
    """Restore one entry without content."""
    root = open_root(os.fsencode(folder))
    folders = FolderCache(root)
    reader = MemoryVault().reader()
    writer = EntryWriter(folders, ConflictRule.OVERWRITE, "", TempNames("j", 0), reader, bytes(32), lambda count: None)
    try:
        return writer.put(Item(b"", made))
    finally:
        folders.close()
        os.close(root)


def test_owners_go_by_name_where_this_host_has_it() -> None:
    numbers = OwnerNumbers()
    daemon = pwd.getpwnam("daemon")
    assert numbers.user("daemon", 4711) == daemon.pw_uid
    assert numbers.group("daemon", 4711) == daemon.pw_gid
    assert numbers.user("nobody-has-this-name", 4711) == 4711
    assert numbers.group("nobody-has-this-name", 4712) == 4712
    assert (numbers.user("", 4713), numbers.group("", 4714)) == (4713, 4714)
    assert numbers.user("a\0b", 4715) == 4715


def test_what_another_user_owned_is_restored_with_a_note_and_without_set_id_bits(folder: Path) -> None:
    with as_nobody():
        outcome = put(folder, entry(mode=0o6755, uid=4711, gid=4712))
        status = (folder / "name").stat()
        assert (outcome.state, status.st_uid) == (WRITTEN, os.geteuid())
    assert outcome.problems[0].startswith("owner 4711:4712: E")
    assert outcome.problems[1:] == ("mode 6755: set-id bits left off",)
    assert stat.S_IMODE(status.st_mode) == 0o755
    assert status.st_mtime_ns == 10**18


def test_ones_own_set_id_bits_come_back(folder: Path) -> None:
    with as_nobody():
        outcome = put(folder, entry(mode=0o6711))
        assert outcome.problems == ()
        assert stat.S_IMODE((folder / "name").stat().st_mode) == 0o6711


def test_attributes_that_this_user_may_not_set_are_told(folder: Path) -> None:
    """A file that its owner may not write gets its attributes before its mode."""
    xattrs = ((b"security.capability", CAPABILITY), (b"trusted.secret", b"x"), (b"user.mine", b"value"))
    with as_nobody():
        outcome = put(folder, entry(mode=0o400, xattrs=xattrs))
        assert outcome.problems == ("xattr trusted.secret: EPERM", "xattr security.capability: EPERM")
        assert os.getxattr(folder / "name", "user.mine") == b"value"


def test_device_nodes_need_a_right(folder: Path) -> None:
    with as_nobody():
        outcome = put(folder, entry(kind=EntryType.BLOCK_DEVICE, rdev_major=7, rdev_minor=200))
    assert outcome == Outcome(NOT_MADE, "block_device: EPERM")
    assert os.listdir(folder) == []


def test_attributes_that_are_not_the_entrys_go(folder: Path) -> None:
    """Those that a folder's default ACL hands down, and on a folder those from before."""
    (folder / "existing").mkdir()
    os.setxattr(folder / "existing", "user.old", b"old")
    os.setxattr(folder, "system.posix_acl_default", DEFAULT_ACL)
    outcome = put(folder, entry(xattrs=((b"user.mine", b"value"),)))
    assert outcome.problems == ()
    assert os.listxattr(folder / "name") == ["user.mine"]
    assert stat.S_IMODE((folder / "name").stat().st_mode) == 0o644
    setter = MetadataSetter()
    assert (
        setter.apply(os.fsencode(folder / "existing"), entry(kind=EntryType.DIRECTORY, mode=0o755), clean=False) == []
    )
    assert os.listxattr(folder / "existing") == []


def test_acls_of_the_destination_are_not_inherited_by_what_is_restored(rig: RestoreRig) -> None:
    (rig.source / "a" / "b").mkdir(parents=True)
    (rig.source / "a" / "b" / "file").write_bytes(b"x")
    (rig.source / "a" / "link").symlink_to("b")
    rig.target.mkdir()
    os.setxattr(rig.target, "system.posix_acl_default", DEFAULT_ACL)
    rig.restore(rig.backup())
    assert differences(walk(rig.source), walk(rig.restored)) == []


def test_times_before_the_epoch_and_far_ahead(folder: Path) -> None:
    for stamp in (-1, -(10**18), 4_102_444_800_000_000_001):
        assert put(folder, entry(mtime_ns=stamp)).problems == ()
        assert (folder / "name").stat().st_mtime_ns == stamp
