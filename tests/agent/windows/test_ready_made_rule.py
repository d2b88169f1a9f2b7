"""The ready-made content rule of a Windows server: all its local disks, without what comes back by itself."""

from pathlib import Path

from phoenix_core.domain.readymade import WINDOWS
from phoenix_core.engine.content import ordered
from tests.agent.windows.rig import windows_rig
from tests.agent.windows.test_rule_test import verdicts_of

RULES = ordered((WINDOWS,), all_cross=False)
KEPT = ("Users\\anna\\letter.txt", "Windows\\System32\\config\\SAM", "Data\\pagefile.sys.txt", "Data\\Recovery\\x")
AT_ROOTS = ("pagefile.sys", "hiberfil.sys", "swapfile.sys", "DumpStack.log.tmp", "System Volume Information\\x")


def test_it_takes_every_local_disk_and_leaves_out_what_each_of_its_patterns_names(tmp_path: Path) -> None:
    with windows_rig(tmp_path, "CDZ") as rig:
        rig.windows.disks["Z"].is_fixed = False
        rig.windows.file("Z:\\x", b"x")
        for drive in "CD":
            for path in (*KEPT, *AT_ROOTS, *map(sample, WINDOWS.excludes)):
                rig.windows.file(f"{drive}:\\{path}", b"x")
        verdicts, totals = verdicts_of(rig, *RULES)
        kept = {f"/{drive}/{path}".replace("\\", "/") for drive in "CD" for path in KEPT}
        assert {path for path, each in verdicts.items() if each.taken and each.type == "file"} == kept
        by_pattern = [each.value for each in verdicts.values() if not each.taken and each.field == "excludes"]
        assert set(by_pattern) == set(WINDOWS.excludes)
        assert all(by_pattern.count(line) >= 2 for line in WINDOWS.excludes)
        entries = rig.entries(rig.backup(b"/", rules=RULES))
        assert {path for path, entry in entries.items() if entry.is_file} == kept
        assert totals.files == len(kept)


def sample(pattern: str) -> str:
    """On any drive, a file that the pattern means, or that lies in a folder that it means."""
    above = "" if pattern.startswith("/") else "Data/"
    path = f"{above}{pattern.removeprefix('/*').strip('/').replace('*', 'x')}{'/x' if pattern.endswith('/') else ''}"
    return path.replace("/", "\\")
