"""What a drill restores of a snapshot."""

import asyncio
import os
from collections.abc import Iterator
from threading import Event

import pytest

from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.drills import Sample, parse_sample
from phoenix_core.domain.requests import BackupRequest
from phoenix_core.domain.states import JobState
from phoenix_core.engine.drills.sample import choose
from phoenix_core.vault.chunkreader import ChunkSource
from phoenix_core.vault.entry import Entry
from phoenix_core.vault.errors import ChunkMissing
from phoenix_core.vault.tree import read_checked_pages
from tests.engine.drills.drilled import drilled
from tests.engine.fake_agent import FakeAgent
from tests.engine.rig import Rig
from tests.engine.test_vault_jobs import backed_up


@pytest.mark.parametrize(
    ("text", "max_bytes", "sample"),
    [
        ("100", 0, Sample(100, 0)),
        ("1 file", 1 << 30, Sample(1, 1 << 30)),
        ("2G", 1 << 30, Sample(10_000, 1 << 30)),
        ("500 MiB", 0, Sample(10_000, 500 << 20)),
        ("ALL", 1 << 30, Sample()),
    ],
)
def test_a_sample_is_so_many_files_or_bytes_or_all(text: str, max_bytes: int, sample: Sample) -> None:
    assert parse_sample(text, max_bytes) == sample


@pytest.mark.parametrize("text", ["", "0", "10001", "-3", "5x", "all of it", "1.5G"])
def test_anything_else_is_no_sample(text: str) -> None:
    with pytest.raises(ValueError, match="no number of files"):
        parse_sample(text)


async def chosen(rig: Rig, sample: Sample, seed: str) -> tuple[bytes, ...]:
    assert rig.core is not None
    parts = rig.core._parts
    (view,) = await rig.client.snapshots()
    snapshot = await parts.snapshots.get(view.id)
    assert isinstance(parts.snapshots, Snapshots)
    assert snapshot is not None
    vault = parts.seat.get()
    return (await asyncio.to_thread(choose, vault, snapshot, sample, seed, Event())).paths


async def test_a_sample_has_large_and_small_files_and_its_seed_gives_it_again(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {
        **{f"/srv/small/{number}": b"%d" % number * 10 for number in range(200)},
        **{f"/srv/medium/{number}": os.urandom(10_000) for number in range(20)},
        "/srv/large": os.urandom(700_000),
        "/srv/empty": b"",
    }
    await backed_up(rig)
    first = await chosen(rig, Sample(8), "one")
    assert len(first) == 8
    kinds = [path.split(b"/")[2] for path in first]
    assert set(kinds) == {b"small", b"medium", b"large", b"empty"}
    assert kinds.count(b"small") == kinds.count(b"medium") == 3
    assert await chosen(rig, Sample(8), "one") == first
    assert await chosen(rig, Sample(8), "two") != first
    assert b"/srv/large" not in await chosen(rig, Sample(8, 100_000), "one")
    assert await chosen(rig, Sample(), "one") == ()


async def test_where_nothing_fits_into_the_sample_that_is_said(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {"/srv/large": os.urandom(100_000)}
    await backed_up(rig)
    job = await drilled(rig, max_bytes=1000)
    assert job.error is not None
    assert job.error.code == "drill_nothing_fits"
    assert "`--max-bytes`" in job.error.hint


async def test_a_folder_that_can_t_be_read_is_tried_where_no_file_fits(
    rig: Rig, agent: FakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent.files = {"/srv/large": os.urandom(100_000), "/srv/deep/file": b"x"}
    await backed_up(rig)

    trees: list[bytes] = []

    def damaged(source: ChunkSource, tree: bytes) -> Iterator[list[Entry]]:
        trees.append(tree)
        if len(trees) > 2:  # the root, /srv, and what is below
            raise ChunkMissing(chunk=tree.hex())
        return read_checked_pages(source, tree)

    monkeypatch.setattr("phoenix_core.engine.drills.sample.read_checked_pages", damaged)
    assert await chosen(rig, Sample(5, 1000), "seed") == (b"/srv/deep",)


async def test_a_snapshot_without_files_is_drilled_as_a_whole(rig: Rig, agent: FakeAgent) -> None:
    agent.files = {}
    job = await rig.client.backup(BackupRequest(server="web1", paths=("/srv",)))
    assert (await rig.ended(job.id)).state is JobState.SUCCESSFUL
    done = await drilled(rig)
    assert done.state is JobState.SUCCESSFUL, done.error
    assert done.result["files"] == 0
