"""What was found ahead of a scan is kept for as long as the scan can use it."""

import random

from phoenix_core.agent.backup.aheadmessages import Unchanged
from phoenix_core.agent.backup.foundfolders import FoundFolders
from phoenix_core.agent.backup.records import Amounts


def found(path: bytes) -> Unchanged:
    return Unchanged(path, b"tree", Amounts(), 0)


def folders_with(*paths: bytes) -> FoundFolders:
    made = FoundFolders()
    for path in paths:
        made.add(found(path))
    return made


def test_a_folder_takes_the_place_of_those_below_it() -> None:
    folders = folders_with(b"/s/b/z", b"/s/b/a/x", b"/s/b.c", b"/s/b")
    assert len(folders) == 2
    assert folders.reach(b"/s/b") == found(b"/s/b")
    assert folders.reach(b"/s/b.c") == found(b"/s/b.c")


def test_what_the_scan_has_passed_goes() -> None:
    folders = folders_with(b"/s/d", b"/s/b", b"/s/a.x", b"/s/a/x", b"/s/a")
    assert folders.reach(b"/s/c") is None
    assert len(folders) == 1
    assert folders.reach(b"/s/d") == found(b"/s/d")
    assert not len(folders)


def test_what_is_told_when_the_scan_is_past_it_is_left_out() -> None:
    folders = folders_with(b"/s/a/z")
    assert folders.reach(b"/s/a") is None
    assert folders.reach(b"/s/a/k") is None
    for path in (b"/s/a/k", b"/s/a/c", b"/s/a", b"/s"):
        folders.add(found(path))
    assert len(folders) == 1, "the folder that the scan is in takes nobody's place"
    assert folders.reach(b"/s/a/z") == found(b"/s/a/z")


def test_a_scan_in_order_is_told_all_that_was_found_ahead_of_it_and_not_below_another() -> None:
    dice = random.Random(7)
    names = [b"a", b"a.b", b"ab", b"\xff", b"\x01"]
    for _ in range(300):
        paths = {b"/" + b"/".join(dice.choice(names) for _ in range(dice.randrange(1, 5))) for _ in range(30)}
        in_order = sorted(paths, key=lambda path: path.split(b"/"))
        told = set(dice.sample(in_order, len(in_order) // 2))
        folders = FoundFolders()
        for path in reversed(in_order):  # as the other process meets them
            if path in told:
                folders.add(found(path))
        topmost = {path for path in told if not any(path.startswith(above + b"/") for above in told)}
        assert len(folders) == len(topmost)
        assert {path for path in in_order if folders.reach(path)} == topmost
        assert not len(folders)
