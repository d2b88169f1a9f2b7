"""What was backed up comes back: every kind of entry, with its metadata."""

import os
import random

import pytest

from tests.agent import kinds_of_entries
from tests.agent.independent_walk import allocated_bytes, differences, walk
from tests.agent.restore.rig import RestoreRig


def test_every_kind_of_entry_comes_back_as_it_was(rig: RestoreRig) -> None:
    kinds_of_entries.build(rig.source)
    original = walk(rig.source)
    result = rig.restore(rig.backup())
    assert differences(original, walk(rig.restored)) == []
    assert (result.missing_count, result.skipped) == (0, 0)
    of_others = {str(folder) for folder in rig.source.parents if folder.stat().st_uid != os.geteuid()}
    assert {note.path for note in result.not_applied} <= of_others, "only root gives folders above it to root"
    assert allocated_bytes(rig.restored) <= allocated_bytes(rig.source) * 1.1
    kinds_of_entries.remove(rig.source)
    kinds_of_entries.remove(rig.target)


@pytest.mark.parametrize("entries", [0, 10**6])
def test_many_batches_come_back_from_worker_processes_and_from_the_jobs_own(
    rig: RestoreRig, monkeypatch: pytest.MonkeyPatch, entries: int
) -> None:
    """`entries`: how many may be restored without worker processes."""
    monkeypatch.setattr("phoenix_core.agent.restore.crew.INLINE_ENTRIES", entries)
    monkeypatch.setattr("phoenix_core.agent.restore.crew.INLINE_BYTES", 2**40 if entries else 0)
    for number in range(700):
        (rig.source / f"file {number}").write_bytes(random.Random(number).randbytes(number * 60))
        (rig.source / f"link {number}").symlink_to(f"file {number}")
    result = rig.restore(rig.backup())
    assert differences(walk(rig.source), walk(rig.restored)) == []
    assert (result.files, result.other_entries) == (700, 700)
