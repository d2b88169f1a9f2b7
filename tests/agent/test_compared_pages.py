"""What reads a server's files to compare them leaves the page cache, and the files' access times, as they were."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from phoenix_core.agent.compare import compare
from phoenix_core.agent.comparejob import CompareJob
from phoenix_core.agentlink.comparemessages import COMPARE_DESTINATION, CompareTerms
from phoenix_core.agentlink.reports import BackupResult
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.domain.states import ConflictRule
from tests.agent.backup.residency import Pages, in_every_round, needs_a_disk, resident_pages, warm, write_cold
from tests.agent.restore.rig import RestoreRig, restore_rig

MIB = 2**20
LARGE_BYTES = 9 * MIB + 5
CACHED_BYTES = 3 * MIB
"""Of the file that is cached in part."""
Read = Callable[[RestoreRig, BackupResult], None]


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[RestoreRig]:
    with restore_rig(tmp_path) as made:
        needs_a_disk(made.source)
        yield made


def by_comparison(rig: RestoreRig, snapshot: BackupResult) -> None:
    order, ports = rig.order(snapshot, destination=COMPARE_DESTINATION)
    terms = CompareTerms(content=True, rules=(RuleOrder((bytes(rig.source),), "web"),))
    found = CompareJob(order, terms, ports).run().compare
    rig.vault.end(ports)
    assert found is not None
    assert (found.read_bytes, found.differences) == (snapshot.bytes, ())


def by_restore(rig: RestoreRig, snapshot: BackupResult) -> None:
    """Over files that are equal."""
    restored = rig.restore(snapshot, destination=b"", conflict=ConflictRule.OVERWRITE)
    assert restored.missing == ()


def by_quickstart(rig: RestoreRig, snapshot: BackupResult) -> None:
    del snapshot
    assert compare(bytes(rig.source), bytes(rig.restored), since_ns=2**62).is_equal


@pytest.mark.parametrize("read", [by_comparison, by_restore, by_quickstart])
def test_pages_that_were_cached_stay_and_others_go(rig: RestoreRig, read: Read) -> None:
    sizes = {"small": 9_000, "large": LARGE_BYTES, "half": LARGE_BYTES}
    contents = {name: os.urandom(size) for name, size in sizes.items()}
    paths = [rig.source / f"{kind} {name}" for name in sizes for kind in ("cached", "cold")]

    def lay_out() -> None:
        for path in paths:
            kind, name = path.name.split()
            times = (path.stat().st_atime_ns, path.stat().st_mtime_ns) if path.exists() else (10**18, 10**18)
            write_cold(path, contents[name])
            os.utime(path, ns=times)
            if kind == "cached":
                warm(path, 0, CACHED_BYTES if name == "half" else sizes[name])

    lay_out()
    snapshot = rig.backup()
    rig.restore(snapshot)

    def wrong() -> Pages:
        """Pages that were cached and aren't, or the other way round."""
        lay_out()
        before = [resident_pages(path) for path in paths]
        read(rig, snapshot)
        after = [resident_pages(path) for path in paths]
        return {
            (number, page)
            for number, pages in enumerate(before)
            for page, was in enumerate(pages)
            if was != after[number][page]
        }

    assert not in_every_round(wrong)


@pytest.mark.skipif(os.geteuid() != 0, reason="another's files need root")
@pytest.mark.parametrize("read", [by_comparison, by_quickstart])
def test_a_file_that_is_compared_keeps_its_access_time(rig: RestoreRig, read: Read) -> None:
    path = rig.source / "file"
    path.write_bytes(b"content")
    os.utime(path, ns=(10**18, 10**18 + 5))
    snapshot = rig.backup()
    rig.restore(snapshot)
    os.utime(path, ns=(10**18, 10**18 + 5))  # older than the last change: relatime would move it
    read(rig, snapshot)
    assert path.stat().st_atime_ns == 10**18
