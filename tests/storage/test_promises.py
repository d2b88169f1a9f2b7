"""Chunks that one of a job's writers has in hand, as the job's other writers see them."""

import os

import pytest

from phoenix_core.domain.ids import ChunkId
from phoenix_core.storage import promises
from phoenix_core.storage.promises import Promises
from phoenix_core.storage.wire import Present, decode_job_call, encode
from tests.storage.rig import Rig, ids_of, some_chunks

A, B = ChunkId(b"a" * 32), ChunkId(b"b" * 32)


def test_a_chunk_that_one_writer_was_told_to_be_missing_is_present_for_the_others(rig: Rig) -> None:
    job = rig.job()
    one, two = rig.node.job_node(job.token), rig.node.job_node(job.token)
    assert one.present([A], 1) == [False]
    assert two.present([A, B], 2) == [True, False]
    assert one.present([A, B], 1) == [False, True], "who asks again, after a lost answer, still has to store it"


def test_another_job_and_a_lone_writer_hear_of_no_promise(rig: Rig) -> None:
    job, other = rig.job(), rig.job()
    assert rig.node.job_node(job.token).present([A], 1) == [False]
    assert rig.node.job_node(job.token).present([A]) == [False]
    assert rig.node.job_node(other.token).present([A], 2) == [False]


def test_what_came_is_present_by_the_index_and_no_longer_promised(rig: Rig) -> None:
    job = rig.job()
    jobs = rig.node.job_node(job.token)
    chunks = some_chunks(3)
    with rig.pack(chunks) as pack:
        ids = ids_of(pack)
        assert jobs.present([*ids, A], 1) == [False] * 4
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
    assert rig.node.desk.promises._of == {job.lease: {A: 1}}
    assert jobs.present(ids, 1) == jobs.present(ids, 2) == [True] * 3


def test_promises_end_with_the_job(rig: Rig) -> None:
    job = rig.job()
    rig.node.job_node(job.token).present([A], 1)
    rig.node.close_lease(job.lease)
    assert rig.node.desk.promises._of == {}


def test_what_a_node_remembers_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(promises, "CHUNKS_OF_A_JOB", 2)
    monkeypatch.setattr(promises, "JOBS", 2)
    kept = Promises()
    ids = [ChunkId(os.urandom(32)) for _ in range(3)]
    for lease in "xyz":
        assert kept.taken(lease, 1, ids, [False] * 3) == [False] * 3
        assert kept.taken(lease, 2, ids, [False] * 3) == [True, True, False], "the third one is stored twice"
    assert set(kept._of) == {"y", "z"}


def test_the_writers_number_travels() -> None:
    assert decode_job_call(encode(Present([A], 3))) == Present([A], 3)
