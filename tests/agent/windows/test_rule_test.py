"""A test of content rules on a Windows server: in or out, and why, by the scan that a backup does."""

import threading
from typing import Any

import pytest

from phoenix_core.agent.errors import PathNotFound
from phoenix_core.agent.windows.attributes import ENCRYPTED
from phoenix_core.agent.windows.errors import NoSuchDrive, WindowsCallFailed
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.agentlink.ruletest import RuleTestOrder, RuleTestTotals, Verdict
from tests.agent.windows.memory_nodes import Fault
from tests.agent.windows.rig import WindowsRig


class Collected:
    """What comes of a test."""

    def __init__(self) -> None:
        self.verdicts: list[Verdict] = []
        self.totals: RuleTestTotals | None = None

    def add(self, verdict: Verdict) -> None:
        self.verdicts.append(verdict)

    def tick(self) -> None:
        """Nothing."""

    def finish(self, totals: RuleTestTotals) -> None:
        self.totals = totals


def verdicts_of(rig: WindowsRig, *rules: RuleOrder) -> tuple[dict[str, Verdict], RuleTestTotals]:
    pages = Collected()
    rig.jobs.test_rules(RuleTestOrder(test="t1", rules=rules), rig.vault.state_dir, pages, threading.Event())
    assert pages.totals is not None
    return {each.path.decode(): each for each in pages.verdicts}, pages.totals


def rule(*paths: bytes, **fields: Any) -> RuleOrder:
    return RuleOrder(paths or (b"/c/data",), "files", **fields)


def test_each_entry_is_told_with_the_field_that_decides(rig: WindowsRig) -> None:
    windows = rig.windows
    windows.file("C:\\Data\\photo.JPG", b"x" * 50, note=b"of it")
    windows.file("C:\\Data\\big.jpg", b"x" * 500)
    windows.file("C:\\Data\\text.txt", b"x")
    windows.file("C:\\Data\\Temp\\inside.jpg", b"x")
    windows.file("C:\\Data\\closed.jpg", b"x").attributes |= ENCRYPTED
    windows.file("C:\\Data\\cache\\CACHEDIR.TAG", b"Signature: 8a477f597d28d172789f06886806bc55")
    windows.file("C:\\Data\\cache\\a.jpg", b"x")
    windows.junction("C:\\Data\\up", "C:\\")
    fields: dict[str, Any] = {"only_extensions": ("jpg",), "largest_bytes": 100, "excludes": ("temp/",)}
    verdicts, totals = verdicts_of(rig, rule(skip_caches=True, **fields))
    told = {path.removeprefix("/C/Data"): (each.type, each.taken, each.field) for path, each in verdicts.items()}
    assert told == {
        "": ("folder", True, "paths"),
        "/photo.JPG": ("file", True, "only_extensions"),
        "/photo.JPG:note": ("file", True, "paths"),
        "/big.jpg": ("file", False, "largest_bytes"),
        "/text.txt": ("file", False, "only_extensions"),
        "/Temp": ("folder", False, "excludes"),
        "/closed.jpg": ("", False, "encrypted_file"),
        "/cache": ("contents", False, "skip_caches"),
        "/cache/CACHEDIR.TAG": ("file", True, "skip_caches"),
        "/up": ("link", True, "paths"),
    }
    assert verdicts["/C/Data/Temp"].value == "temp/"
    assert verdicts["/C/Data/big.jpg"].size == 500
    assert sum(each.entries for each in totals.left_out) == 5
    assert "create_shadow_copy" not in windows.calls


def test_a_backup_by_the_same_rules_takes_the_same(rig: WindowsRig) -> None:
    for name in ("a.txt", "way\\b.tmp", "way\\named\\c.txt", "Out\\named\\d.txt", "Out\\e.txt"):
        rig.windows.file(f"C:\\Data\\{name}", name.encode(), stream=b"s")
    rules = (
        rule(b"/C/Data", b"/C/Data/way/named", excludes=("*.tmp", "out/", "!/C/Data/out/named")),
        RuleOrder((b"/C/Data/Out/named",), "more"),
    )
    verdicts, totals = verdicts_of(rig, *rules)
    result = rig.backup(*(path for each in rules for path in each.paths), rules=rules)
    partial = {"/C", "/C/Data/Out"}
    assert {path for path, each in verdicts.items() if each.taken} == set(rig.entries(result)) - partial
    assert (totals.files, totals.folders, totals.bytes) == (result.files, result.directories, result.bytes)


def test_what_a_backup_would_refuse_is_refused(rig: WindowsRig) -> None:
    with pytest.raises(PathNotFound):
        verdicts_of(rig, rule(b"/C/nothing"))
    with pytest.raises(NoSuchDrive):
        verdicts_of(rig, rule(b"/X/Data"))
    rig.windows.faults["volumes"] = Fault(5)
    with pytest.raises(WindowsCallFailed, match="volumes"):
        verdicts_of(rig, rule())
