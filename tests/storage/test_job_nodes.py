"""A job finds the same node behind each way in: in process, over the hand-over socket, over HTTPS."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from phoenix_core.agentlink.messages import StorageAccess
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import ChunkId, PackId
from phoenix_core.storage.client import RemoteJobNode
from phoenix_core.storage.connect import connect_job_node
from phoenix_core.storage.connection import NodeConnection
from phoenix_core.storage.errors import (
    BadRequest,
    LeaseLapsed,
    NotAllowed,
    PackRefused,
    StorageFull,
    StorageUnreachable,
    TokenExpired,
    TokenForged,
    TokenMalformed,
)
from phoenix_core.storage.handover import HandoverServer
from phoenix_core.storage.handover_client import SocketJobNode
from phoenix_core.storage.local import LocalStore
from phoenix_core.storage.node_api import JobNode
from tests.storage.faulty import FaultyStore
from tests.storage.https import Pki, Served, served
from tests.storage.rig import Rig, ids_of, some_chunks

Connect = Callable[[str], JobNode]
WAYS = ("process", "socket", "https")


class Way:
    """One way to the node of a rig."""

    def __init__(self, rig: Rig, store: FaultyStore, connect: Connect) -> None:
        self.rig = rig
        self.store = store
        self.connect = connect


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Way]:
    store = FaultyStore(LocalStore(tmp_path / "vault"))
    rig = Rig(tmp_path, store=store)
    opened: list[JobNode] = []
    with ExitStack() as stack:
        stack.callback(rig.node.close)
        if request.param == "process":
            connect: Connect = rig.node.job_node
        elif request.param == "socket":
            server = HandoverServer(rig.node.desk, tmp_path / "storage.sock")
            server.start()
            stack.callback(server.stop)

            def connect(token: str) -> JobNode:
                return SocketJobNode(tmp_path / "storage.sock", token)

        else:
            pki = Pki(tmp_path)
            url, _ = stack.enter_context(served(rig.node, pki.storage()))
            context = pki.agent().client_context()

            def connect(token: str) -> JobNode:
                return RemoteJobNode(NodeConnection(url, lambda: context), token)

        def remembered(token: str) -> JobNode:
            opened.append(connect(token))
            return opened[-1]

        yield Way(rig, store, remembered)
        for jobs in opened:
            jobs.close()


def test_packs_go_in_and_chunks_come_out(way: Way) -> None:
    jobs = way.connect(way.rig.job().token)
    chunks = [os.urandom(900_000) for _ in range(12)]
    pack = way.rig.put(jobs, chunks)
    ids = ids_of(pack)
    assert jobs.present([*ids, ChunkId(bytes(32))]) == [True] * 12 + [False]
    assert [data for _, data in way.rig.reader(jobs, [pack]).read(ids)] == chunks
    assert jobs.locate([ChunkId(bytes(32))]) == [None]


def test_a_pack_is_read_at_any_offset(way: Way) -> None:
    jobs = way.connect(way.rig.job().token)
    with way.rig.pack([os.urandom(1_000_000) for _ in range(5)]) as pack:
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        content = os.pread(pack.fd, pack.length, 0)
    with jobs.open_pack(pack.pack_id) as opened:
        for offset, length in ((0, 10), (10, 100), (5, 1000), (2_000_000, 1_500_000), (3_500_000, 400_000)):
            assert opened.pread(length, offset) == content[offset : offset + length]
        at = 0
        while at < len(content):  # in order, in pieces that don't fit the read-ahead
            piece = opened.pread(700_001, at)
            assert piece == content[at : at + 700_001]
            at += len(piece)
        assert opened.pread(100, len(content)) == b""
        assert opened.pread(100, len(content) - 10) == content[-10:]
        assert opened.pread(0, 0) == b""


def test_a_snapshot_is_staged(way: Way) -> None:
    sealed = os.urandom(3_000_000)
    name = way.connect(way.rig.job().token).stage_snapshot(sealed)
    assert way.rig.node.read_snapshot(name) == sealed


def test_errors_arrive_as_what_they_were(way: Way) -> None:
    rig = way.rig
    job = rig.job()
    jobs = way.connect(job.token)
    with rig.pack(some_chunks(2)) as pack:
        with pytest.raises(PackRefused, match="hash to"):
            jobs.put_pack(PackId(bytes(32)), pack.fd, pack.length)
        way.store.faults.fail("write", 28)
        with pytest.raises(StorageFull) as full:
            jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        assert full.value.retryable
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
    restore = rig.job(rights="restore")
    with pytest.raises(NotAllowed), way.connect(restore.token).open_pack(pack.pack_id) as opened:
        opened.pread(1, 0)
    with pytest.raises(TokenMalformed):
        way.connect("rubbish").renew_lease()
    with pytest.raises(TokenExpired):
        way.connect(rig.token(lease=job.lease, seconds=-100)).renew_lease()
    with pytest.raises(LeaseLapsed):
        way.connect(rig.token(lease="none")).stage_snapshot(b"sealed")
    forged = rig.token(lease=job.lease, key=type(rig.key).generate().token_signing_key())
    with pytest.raises(TokenForged):
        way.connect(forged).put_pack(pack.pack_id, 0, 10)
    jobs.use_token(rig.token(lease=job.lease, job=job.job))
    jobs.renew_lease()
    assert list((rig.folder / "vault" / ".incoming").iterdir()) == []


def test_an_unforeseen_failure_is_told_and_the_next_call_works(way: Way, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = way.connect(way.rig.job().token)

    def broken(*_: object) -> None:
        raise RuntimeError("a bug")

    with monkeypatch.context() as patched:
        patched.setattr(way.rig.node.desk, "renew_lease", broken)
        with pytest.raises((PhoenixError, RuntimeError), match="a bug"):
            jobs.renew_lease()
    jobs.renew_lease()


# --- the socket ---


def test_a_node_that_was_restarted_is_found_again(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    path = tmp_path / "storage.sock"
    server = HandoverServer(rig.node.desk, path)
    server.start()
    job = rig.job()
    jobs = SocketJobNode(path, job.token)
    with rig.pack(some_chunks(2)) as pack:
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        server.stop()
        rig.restart()
        server = HandoverServer(rig.node.desk, path)
        server.start()
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        assert jobs.present(ids_of(pack)) == [True, True]
    server.stop()
    with pytest.raises(StorageUnreachable) as raised:
        jobs.renew_lease()
    assert raised.value.retryable
    rig.node.close()


def test_the_socket_is_for_its_owner_alone_and_goes_with_the_server(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    path = tmp_path / ("deep-" * 20) / ("er-" * 20) / "storage.sock"
    path.parent.mkdir(parents=True)
    server = HandoverServer(rig.node.desk, path)
    server.start()
    assert path.stat().st_mode & 0o777 == 0o600
    jobs = SocketJobNode(path, rig.job().token)
    jobs.renew_lease()
    server.stop()
    assert not path.exists()
    jobs.close()
    rig.node.close()


def test_rubbish_on_the_socket_ends_that_connection_only(tmp_path: Path) -> None:
    import socket
    import struct

    from phoenix_core.storage.frames import receive_frame, send_frame
    from phoenix_core.storage.wire import decode_answer

    rig = Rig(tmp_path)
    path = tmp_path / "storage.sock"
    server = HandoverServer(rig.node.desk, path)
    server.start()
    with socket.socket(socket.AF_UNIX) as rude:
        rude.connect(str(path))
        rude.sendall(struct.pack("<I", 1 << 31))
        assert rude.recv(1) == b""
    with socket.socket(socket.AF_UNIX) as rude:
        rude.connect(str(path))
        send_frame(rude, b"\xc1 not MessagePack")
        body, _ = receive_frame(rude, 1 << 20)
        error = decode_answer(body).error
        assert error is not None
        assert error.code == "storage_request"
    before = len(os.listdir("/proc/self/fd"))
    with socket.socket(socket.AF_UNIX) as rude:  # descriptors that nobody asked for are closed again
        rude.connect(str(path))
        socket.send_fds(rude, [struct.pack("<I", 1)], [0, 1, 2])
        rude.sendall(b"\xc1")
        receive_frame(rude, 1 << 20)
    jobs = SocketJobNode(path, rig.job().token)
    jobs.renew_lease()
    jobs.close()
    server.stop()
    assert len(os.listdir("/proc/self/fd")) <= before
    rig.node.close()


def test_a_pack_without_its_descriptor_is_refused(tmp_path: Path) -> None:
    from phoenix_core.storage.wire import PutPack

    rig = Rig(tmp_path)
    server = HandoverServer(rig.node.desk, tmp_path / "s")
    server.start()
    jobs = SocketJobNode(tmp_path / "s", rig.job().token)
    with pytest.raises(BadRequest, match="descriptor"):
        jobs._ask(PutPack(bytes(32), 10), None)
    jobs.close()
    server.stop()
    rig.node.close()


# --- HTTPS ---


@pytest.fixture
def https(rig: Rig, tmp_path: Path) -> Iterator[tuple[str, Served, Pki]]:
    pki = Pki(tmp_path)
    with served(rig.node, pki.storage()) as (url, service):
        yield url, service, pki


def test_a_dropped_connection_is_opened_again(rig: Rig, https: tuple[str, Served, Pki]) -> None:
    url, service, pki = https
    jobs = RemoteJobNode(NodeConnection(url, pki.agent().client_context), rig.job().token)
    with rig.pack(some_chunks(2)) as pack:
        jobs.renew_lease()
        service.drop_connections()
        jobs.put_pack(pack.pack_id, pack.fd, pack.length)
        service.drop_connections()
        assert jobs.present(ids_of(pack)) == [True, True]
    jobs.close()


def test_a_node_that_is_gone_is_unreachable(rig: Rig, tmp_path: Path) -> None:
    pki = Pki(tmp_path)
    with served(rig.node, pki.storage()) as (url, _):
        pass
    jobs = RemoteJobNode(NodeConnection(url, pki.agent().client_context), rig.job().token)
    with pytest.raises(StorageUnreachable):
        jobs.renew_lease()


def test_a_server_of_another_authority_is_not_talked_to(
    rig: Rig, https: tuple[str, Served, Pki], tmp_path: Path
) -> None:
    url, _, _ = https
    stranger = Pki(tmp_path / "elsewhere")
    jobs = RemoteJobNode(NodeConnection(url, stranger.agent().client_context), rig.job().token)
    with pytest.raises(StorageUnreachable, match="certificate verify failed"):
        jobs.renew_lease()


def test_requests_without_token_or_with_bad_addresses_are_refused(rig: Rig, https: tuple[str, Served, Pki]) -> None:
    url, _, pki = https
    connection = NodeConnection(url, pki.agent().client_context)
    bearer = {"Authorization": f"Bearer {rig.job().token}"}
    with pytest.raises(TokenMalformed):
        connection.request("POST", "/storage/v1/job", {}, lambda: b"x")
    with pytest.raises(TokenMalformed):
        connection.request("PUT", f"/storage/v1/packs/{'0' * 64}", {}, lambda: b"x")
    with pytest.raises(BadRequest):
        connection.request("POST", "/storage/v1/job", bearer, lambda: b"\xc1")
    with pytest.raises(BadRequest):
        connection.request("GET", "/storage/v1/packs/..%2F..%2Fvault.json", bearer)
    with pytest.raises(NotAllowed):
        connection.request("POST", "/storage/v1/core", bearer, lambda: b"\x80")
    with pytest.raises(StorageUnreachable, match="404"):
        connection.request("GET", "/storage/v1/nothing", bearer)
    connection.close()


def test_a_request_that_breaks_off_leaves_nothing(rig: Rig, https: tuple[str, Served, Pki]) -> None:
    import socket

    url, service, pki = https
    port = int(url.rsplit(":", 1)[1])
    token = rig.job().token
    with rig.pack([os.urandom(3_000_000)]) as pack:
        half = os.pread(pack.fd, pack.length // 2, 0)
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            pki.agent().client_context().wrap_socket(plain) as secure,
        ):
            head = (
                f"PUT /storage/v1/packs/{pack.pack_id.hex()} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            )
            secure.sendall(f"{head}Content-Length: {pack.length}\r\n\r\n".encode() + half)
        service.stop()  # waits for the handler, which by then has seen the end
        service.start = lambda: url  # type: ignore[method-assign]
    assert list((rig.folder / "vault" / ".incoming").iterdir()) == []
    assert rig.node.status().packs == 0


# --- which way ---


def test_the_socket_is_taken_where_it_is_on_this_host(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    server = HandoverServer(rig.node.desk, tmp_path / "s")
    server.start()
    job = rig.job()
    access = StorageAccess(token=job.token, url="https://127.0.0.1:1", socket_path=str(tmp_path / "s"), lease=job.lease)
    jobs = connect_job_node(access)
    assert isinstance(jobs, SocketJobNode)
    jobs.close()
    server.stop()
    rig.node.close()


def test_https_is_taken_where_the_socket_is_not_there_or_is_another_cores(tmp_path: Path) -> None:
    rig, other = Rig(tmp_path / "one"), Rig(tmp_path / "two")
    server = HandoverServer(other.node.desk, tmp_path / "s")
    server.start()
    job = rig.job()
    authority = Pki(tmp_path / "identities")
    tls = authority.agent().client_context
    with served(rig.node, authority.storage()) as (url, _):
        for path in ("", str(tmp_path / "none"), str(tmp_path / "s")):
            access = StorageAccess(token=job.token, url=url, socket_path=path)
            jobs = connect_job_node(access, tls)
            assert isinstance(jobs, RemoteJobNode)
            jobs.close()
            with pytest.raises(StorageUnreachable, match="no certificate"):
                connect_job_node(access)
    server.stop()
    rig.node.close()
    other.node.close()


def test_neither_way_is_taken_where_nobody_answers_as_yet(tmp_path: Path) -> None:
    """So that a job whose core is being started again finds the socket at its next try."""
    rig = Rig(tmp_path)
    job = rig.job()
    tls = Pki(tmp_path / "identities").agent().client_context
    access = StorageAccess(token=job.token, url="https://127.0.0.1:1", socket_path=str(tmp_path / "s"))
    with pytest.raises(StorageUnreachable):
        connect_job_node(access, tls)
    server = HandoverServer(rig.node.desk, tmp_path / "s")
    server.start()
    jobs = connect_job_node(access, tls)
    assert isinstance(jobs, SocketJobNode)
    jobs.close()
    server.stop()
    rig.node.close()
