"""Storage on another host, away for a while, or wanting a fresh token."""

import random
import threading
from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from phoenix_core.agent.restore.restore_job import RestoreJob
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.vault.location import BlockRef
from tests.agent.independent_walk import differences, walk
from tests.agent.restore.rig import RestoreRig
from tests.storage.https import Pki, Served, served


@pytest.fixture
def filled(rig: RestoreRig) -> RestoreRig:
    """300 files, some of them of several chunks."""
    for number in range(300):
        size = 700_000 if number % 50 == 0 else number
        (rig.source / f"file {number}").write_bytes(random.Random(number).randbytes(size))
    return rig


@pytest.mark.parametrize("workers", [0, 2])
def test_a_restore_over_https(filled: RestoreRig, tmp_path: Path, workers: int) -> None:
    snapshot = filled.backup()
    authority = Pki(tmp_path / "identities")
    with served(filled.vault.node, authority.storage()) as (url, _):
        order, ports = filled.order(snapshot, workers=workers)
        order = msgspec.structs.replace(order, storage=msgspec.structs.replace(order.storage, url=url, socket_path=""))
        ports.tls = authority.agent()
        result = RestoreJob(order, ports).run()
    assert (result.files, result.missing_count) == (300, 0)
    assert differences(walk(filled.source), walk(filled.restored)) == []


def test_without_a_certificate_there_is_no_way(filled: RestoreRig) -> None:
    order, ports = filled.order(filled.backup())
    storage = msgspec.structs.replace(order.storage, url="https://127.0.0.1:9", socket_path="")
    with pytest.raises(PhoenixError) as caught:
        RestoreJob(msgspec.structs.replace(order, storage=storage), ports, patience_s=0.1).run()
    assert caught.value.view().code == "storage_unreachable"
    assert not filled.target.exists()


def test_storage_that_is_away_at_the_start_is_waited_for(filled: RestoreRig) -> None:
    order, ports = filled.order(filled.backup())
    filled.vault.stop_node()
    back = threading.Timer(0.3, filled.vault.start_node)
    back.start()
    try:
        result = RestoreJob(order, ports, patience_s=20).run()
    finally:
        back.join()
    assert (result.files, result.missing_count) == (300, 0)


@pytest.mark.parametrize("files", [300, 10])
def test_storage_over_https_that_goes_away_while_packs_are_read_is_waited_for(
    rig: RestoreRig, tmp_path: Path, files: int
) -> None:
    """By worker processes, and by the job itself where there is little to restore."""
    for number in range(files):
        (rig.source / f"file {number}").write_bytes(random.Random(number).randbytes(30_000))
    snapshot = rig.backup()
    tls = Pki(tmp_path / "identities")
    serving = [Served(rig.vault.node, tls.storage())]
    url = serving[0].start()
    order, ports = rig.order(snapshot)
    order = msgspec.structs.replace(order, storage=msgspec.structs.replace(order.storage, url=url, socket_path=""))
    ports.tls = tls.agent()
    keys = ports.block_keys

    def keys_without_storage(refs: Sequence[BlockRef]) -> list[bytes]:
        """The last thing before packs are read."""
        if len(serving) == 1:
            serving[0].stop()
            serving.append(Served(rig.vault.node, tls.storage(), int(url.rpartition(":")[2])))
            threading.Timer(1.0, serving[1].start).start()
        return keys(refs)

    ports.block_keys = keys_without_storage  # type: ignore[method-assign]
    try:
        result = RestoreJob(order, ports).run()
    finally:
        serving[-1].stop()
    assert len(serving) == 2
    assert (result.files, result.missing_count) == (files, 0)
    assert differences(walk(rig.source), walk(rig.restored)) == []


def test_a_worker_that_starts_while_storage_is_away_waits_for_it(filled: RestoreRig) -> None:
    """As when the core is started again on the same host: for a while its socket isn't there."""
    order, ports = filled.order(filled.backup(), workers=2)
    keys = ports.block_keys
    back: list[threading.Timer] = []

    def last_keys(refs: Sequence[BlockRef]) -> list[bytes]:
        """Workers connect once they have something to do: that is after this."""
        found = keys(refs)
        if not back:
            filled.vault.stop_node()
            back.append(threading.Timer(1.0, filled.vault.start_node))
            back[0].start()
        return found

    ports.block_keys = last_keys  # type: ignore[method-assign]
    try:
        result = RestoreJob(order, ports).run()
    finally:
        back[0].join()
    assert (result.files, result.missing_count) == (300, 0)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_token_that_has_ended_is_replaced_by_a_fresh_one(
    filled: RestoreRig, monkeypatch: pytest.MonkeyPatch, workers: int
) -> None:
    monkeypatch.setattr("phoenix_core.agent.backup.tokens.LEAST_WAIT_S", 0.0)
    order, ports = filled.order(filled.backup(), workers=workers)
    ended = filled.vault.token(ports.lease, ports.job, "restore", seconds=-3600)
    storage = msgspec.structs.replace(order.storage, token=ended)
    result = RestoreJob(msgspec.structs.replace(order, storage=storage), ports).run()
    assert ports.tokens >= 1
    assert (result.files, result.missing_count) == (300, 0)
