"""A storage node as a process of its own: enrolled, killed, started again."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix_core.host.datadir import DataDirectory
from phoenix_core.storage.client import RemoteCoreNode, RemoteJobNode
from phoenix_core.storage.connection import NodeConnection
from phoenix_core.storage.errors import NodeNotConfigured, NodeRunning
from phoenix_core.storage.handover_client import SocketJobNode
from phoenix_core.storage.nodeconfig import IndexKey, NodeConfig
from phoenix_core.storage.run import run_storage_node
from tests.storage.https import Pki
from tests.storage.rig import DOMAIN, Rig, ids_of, some_chunks

RUN = """
import asyncio, signal, sys
from pathlib import Path
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.storage.run import run_storage_node

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await run_storage_node(DataDirectory(Path(sys.argv[1])), stop, ready=lambda url: print(url, flush=True))

asyncio.run(main())
"""


class NodeProcess:
    def __init__(self, data: DataDirectory) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", RUN, str(data.root)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.url = self._process.stdout.readline().strip()

    def end(self, number: int) -> int:
        self._process.send_signal(number)
        self._process.communicate()
        return self._process.returncode


def config_of(rig: Rig, port: int = 0) -> NodeConfig:
    return NodeConfig(
        vault_id=rig.vault_id,
        token_public_key=rig.facts.token_public_key,
        index_keys=(IndexKey(DOMAIN, 1, rig.keys.index_key),),
        vault_path=str(rig.folder / "vault"),
        listen_host="127.0.0.1",
        listen_port=port,
    )


@pytest.fixture
def alone(tmp_path: Path) -> tuple[Rig, DataDirectory, Pki]:
    """A vault, and the data directory of a host that was enrolled as its storage node."""
    rig = Rig(tmp_path / "made")
    rig.node.close()
    rig.clock.pass_s(10 * 365 * 86400)  # tokens of the rig's clock are good at the process's own
    data = DataDirectory(tmp_path / "data")
    data.create()
    pki = Pki(tmp_path)
    pki.storage(data.node)
    config_of(rig).save(data.node)
    return rig, data, pki


def test_what_was_configured_is_read_back_and_kept_private(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    rig.node.close()
    config = config_of(rig, 8443)
    config.save(tmp_path / "node")
    assert NodeConfig.load(tmp_path / "node") == config
    assert (tmp_path / "node" / "node.json").stat().st_mode & 0o777 == 0o600
    assert config.keys() == {(DOMAIN, 1): rig.keys.index_key}


@pytest.mark.parametrize("content", [None, b"{", b'{"vault_id": 7}'])
def test_a_node_that_was_not_enrolled_says_so(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "node.json").write_bytes(content)
    with pytest.raises(NodeNotConfigured) as raised:
        NodeConfig.load(tmp_path)
    assert "phoenix storage enroll" in raised.value.what_to_do


def test_a_killed_node_is_started_again_and_has_what_it_acknowledged(alone: tuple[Rig, DataDirectory, Pki]) -> None:
    rig, data, pki = alone
    context = pki.agent().client_context()
    process = NodeProcess(data)
    core = RemoteCoreNode(NodeConnection(process.url, lambda: context), lambda: rig.token(rights="core"))
    core.open_lease("l1", "j1", "s1", None)  # type: ignore[arg-type]
    jobs = RemoteJobNode(NodeConnection(process.url, lambda: context), rig.token(lease="l1"))
    first = rig.put(jobs, some_chunks(3, seed=1))
    assert process.end(signal.SIGKILL) == -signal.SIGKILL

    process = NodeProcess(data)
    handed = SocketJobNode(data.storage_socket, rig.token(lease="l1"))
    assert handed.present(ids_of(first)) == [True] * 3
    second = rig.put(handed, some_chunks(3, seed=2))
    assert handed.stage_snapshot(b"sealed")
    assert process.end(signal.SIGTERM) == 0
    assert not data.storage_socket.exists()

    process = NodeProcess(data)
    again = RemoteCoreNode(NodeConnection(process.url, lambda: context), lambda: rig.token(rights="core"))
    assert {info.pack_id for info in again.packs()} == {first.pack_id, second.pack_id}
    assert [info.lease for info in again.leases()] == ["l1"]
    assert len(again.snapshots()) == 1
    assert process.end(signal.SIGTERM) == 0


def test_a_new_epochs_key_is_there_after_a_restart(alone: tuple[Rig, DataDirectory, Pki]) -> None:
    rig, data, pki = alone
    context = pki.agent().client_context()
    process = NodeProcess(data)
    core = RemoteCoreNode(NodeConnection(process.url, lambda: context), lambda: rig.token(rights="core"))
    for _ in range(2):
        core.add_index_key(DOMAIN, 2, bytes(32))
    assert process.end(signal.SIGTERM) == 0
    assert NodeConfig.load(data.node).keys() == {(DOMAIN, 1): rig.keys.index_key, (DOMAIN, 2): bytes(32)}


async def test_a_second_node_on_the_data_directory_is_refused(alone: tuple[Rig, DataDirectory, Pki]) -> None:
    _, data, _ = alone
    stop, ready = asyncio.Event(), asyncio.Event()
    first = asyncio.create_task(run_storage_node(data, stop, ready=lambda _: ready.set()), name="first node")
    await ready.wait()
    with pytest.raises(NodeRunning):
        await run_storage_node(data, stop)
    stop.set()
    await first


async def test_a_port_that_is_taken_leaves_the_vault_free(alone: tuple[Rig, DataDirectory, Pki]) -> None:
    rig, data, _ = alone
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    config_of(rig, server.sockets[0].getsockname()[1]).save(data.node)
    with pytest.raises(OSError, match="address already in use"):
        await run_storage_node(data, asyncio.Event())
    server.close()
    await server.wait_closed()
    stop = asyncio.Event()
    config_of(rig).save(data.node)
    await run_storage_node(data, stop, ready=lambda _: stop.set())
    assert os.listdir(rig.folder / "vault" / ".incoming") == []
