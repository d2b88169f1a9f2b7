"""What a storage node promises to jobs and to the core."""

from pathlib import Path

from phoenix_core.storage.handover import HandoverServer
from phoenix_core.storage.handover_client import SocketJobNode
from tests.storage.rig import Rig, ids_of, some_chunks


def test_a_stored_pack_is_present_located_and_read_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    jobs = rig.node.job_node(rig.job().token)
    chunks = some_chunks(5)
    pack = rig.put(jobs, chunks)
    ids = ids_of(pack)
    assert jobs.present(ids) == [True] * 5
    assert [data for _, data in rig.reader(jobs, [pack]).read(ids)] == chunks
    assert rig.node.status().packs == 1
    rig.node.close()


def test_the_same_over_the_hand_over_socket(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    server = HandoverServer(rig.node.desk, tmp_path / "storage.sock")
    server.start()
    jobs = SocketJobNode(tmp_path / "storage.sock", rig.job().token)
    chunks = some_chunks(5)
    pack = rig.put(jobs, chunks)
    ids = ids_of(pack)
    assert jobs.present(ids) == [True] * 5
    assert [data for _, data in rig.reader(jobs, [pack]).read(ids)] == chunks
    jobs.close()
    server.stop()
    rig.node.close()
