"""A storage node elsewhere that is broken, or in wrong hands: what it answers is refused by a typed error, and takes
neither memory nor time without end."""

import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from phoenix_core.domain.errors import ErrorView, RemoteError
from phoenix_core.domain.ids import ChunkId, PackId, SnapshotId
from phoenix_core.storage import answers, wire
from phoenix_core.storage.client import RemoteCoreNode, RemoteJobNode
from phoenix_core.storage.connection import ANSWER_BYTES, NodeConnection
from phoenix_core.storage.errors import AnswerMalformed, from_view
from phoenix_core.vault.errors import SnapshotDamaged
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.location import Location
from phoenix_core.vault.packinfo import PackInfo, PackState
from tests.storage.https import Pki
from tests.storage.rig import Rig

ONE, TWO = ChunkId(bytes([1]) * 32), ChunkId(bytes([2]) * 32)
PLACE = Location(bytes(32), 0, 1288, 100, 0, 10)
INFO = PackInfo(bytes(32), 1000, "s1", "default", 1, PackKind.DATA, 1, PackState.USABLE, True, 1)


class Liar:
    """Both kinds of client, of a node whose every answer is made up."""

    def __init__(self, answer: Callable[[], object]) -> None:
        connection = NodeConnection("https://127.0.0.1:1", ssl.create_default_context)
        connection.request = lambda *arguments, **options: (200, wire.encode(answer()))  # type: ignore[method-assign]
        self.core = RemoteCoreNode(connection, lambda: "token")
        self.job = RemoteJobNode(connection, "token")


@pytest.mark.parametrize("answer", [[], [PLACE], [PLACE] * 3, None])
def test_an_answer_about_other_things_than_were_asked_about_is_none(answer: object) -> None:
    node = Liar(lambda: answer)
    for ask in (node.core.locate, node.job.locate, node.job.present):
        with pytest.raises(AnswerMalformed):
            ask([ONE, TWO])
    for ask in (node.core.locate_all, node.core.pack_heads, node.core.contents_of):  # type: ignore[assignment]
        with pytest.raises(AnswerMalformed):
            ask([ONE, TWO])


@pytest.mark.parametrize(
    "wrong",
    [{"pack_id": b"short"}, {"bytes": -1}, {"chunks": -1}, {"kind": "other"}, {"state": "fine"}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_pack_that_can_not_be_is_refused(wrong: dict[str, Any]) -> None:
    node = Liar(lambda: [(b"\0\0\0\1", msgspec.structs.replace(INFO, **wrong))])
    with pytest.raises(AnswerMalformed):
        list(node.core.packs())


def test_a_page_that_comes_again_and_again_ends_the_list() -> None:
    with pytest.raises(AnswerMalformed, match="don't follow"):
        list(Liar(lambda: [(b"\0\0\0\1", INFO)]).core.packs())
    with pytest.raises(AnswerMalformed, match="don't follow"):
        list(Liar(lambda: [(TWO, 1), (ONE, 1)]).core.stored_packs())


def test_a_list_that_goes_on_for_ever_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answers, "MAX_PACKS", 50)
    numbers = itertools.count(1)
    node = Liar(lambda: [(next(numbers).to_bytes(32, "big"), 1000) for _ in range(20)])
    with pytest.raises(AnswerMalformed, match="goes on behind 50"):
        list(node.core.stored_packs())
    assert next(numbers) == 61


@pytest.mark.parametrize("numbers", [(2, 1), (1, 1), (0,), (-1,)])
def test_records_come_in_the_order_of_their_numbers(numbers: tuple[int, ...]) -> None:
    with pytest.raises(AnswerMalformed, match="listed behind"):
        Liar(lambda: [(number, b"record") for number in numbers]).core.records()


@pytest.mark.parametrize("name", ["", "../vault.json", "0" * 63, "G" * 64, "0" * 64 + "\n"])
def test_what_is_no_name_of_a_snapshot_is_refused(name: str) -> None:
    with pytest.raises(AnswerMalformed):
        Liar(lambda: [name]).core.snapshots()


@pytest.mark.parametrize("fields", [{"self": 1}, {"lease": "l"}, {}])
def test_an_error_with_odd_fields_keeps_its_words(fields: dict[str, str | int]) -> None:
    back = from_view(ErrorView("lease_lapsed", "Lapsed.", "Again.", fields))
    assert isinstance(back, RemoteError)
    assert (back.message, back.what_to_do) == ("Lapsed.", "Again.")


@contextmanager
def speaking(folder: Path, head: bytes) -> Iterator[NodeConnection]:
    """A connection to a node that answers each request with this head, and a body of zeros without end."""
    pki = Pki(folder)
    context = pki.storage().server_context()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            plain, _ = server.accept()
            with plain, context.wrap_socket(plain, server_side=True) as line:
                line.recv(65536)
                try:
                    line.sendall(head)
                    while True:
                        line.sendall(bytes(65536))
                except OSError:
                    return

        thread = threading.Thread(target=serve)
        thread.start()
        connection = NodeConnection(f"https://127.0.0.1:{server.getsockname()[1]}", pki.agent().client_context)
        try:
            yield connection
        finally:
            connection.close()
            thread.join()


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n",
        b"HTTP/1.1 500 Internal Server Error\r\n\r\n",
    ],
    ids=["without a length", "of a length without reason", "an error"],
)
def test_an_answer_without_end_is_given_up(tmp_path: Path, head: bytes) -> None:
    with speaking(tmp_path, head) as connection, pytest.raises(AnswerMalformed, match="more than"):
        connection.request("GET", "/storage/v1/packs/00", {}, most_bytes=1 << 20)


def test_more_of_a_pack_than_was_asked_for_is_refused(tmp_path: Path) -> None:
    head = b"HTTP/1.1 206 Partial Content\r\nContent-Length: 101\r\n\r\n"
    with speaking(tmp_path, head) as connection:
        core = RemoteCoreNode(connection, lambda: "token")
        with core.open_pack(PackId(bytes(32))) as pack, pytest.raises(AnswerMalformed, match="more than 100 bytes"):
            pack.pread(100, 0)
        core.close()


def test_a_snapshot_larger_than_any_is_damaged_and_is_not_read(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    name = rig.node.job_node(rig.job().token).stage_snapshot(b"sealed" * 100)
    monkeypatch.setattr("phoenix_core.storage.snapshots.MAX_SNAPSHOT_BYTES", 599)
    with pytest.raises(SnapshotDamaged, match="600 bytes"):
        rig.node.read_snapshot(SnapshotId(name))


def test_the_largest_answers_have_room() -> None:
    """A snapshot of 256 MiB, and what surrounds it."""
    assert answers.LARGE_ANSWER_BYTES > (256 << 20) + 64
    assert ANSWER_BYTES < answers.LARGE_ANSWER_BYTES
