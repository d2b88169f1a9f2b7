"""The line between the core's client and a storage node, on which some answers are malformed.

A real node gives the answers, which come back through the client's own HTTP: but of one kind of call they are those of
the input. What would change the vault is answered as it was once, so that each input meets the same vault."""

import io
from collections import defaultdict
from http.client import HTTPResponse, responses
from typing import Any

import msgspec

from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import PackId
from phoenix_core.storage import dispatch, wire
from phoenix_core.storage.client import RemoteCoreNode
from phoenix_core.storage.connection import NodeConnection
from phoenix_core.storage.errors import ObjectMissing
from phoenix_core.storage.node_api import SweepResult
from tests.chaos.fuzz_node_vault import NodeVault

PACK = "GET pack"
"""The kind of what is read of packs; other kinds are the names of calls."""
EVERY = "every call"
KEPT = 16
"""Answers of each kind that are kept as seeds."""


class Conversation:
    """All that the real node answered, and what is answered now."""

    def __init__(self, vault: NodeVault) -> None:
        self._node = vault.node
        self._changing: dict[type[wire.Call], object] = {
            wire.Condemn: 1,
            wire.Sweep: SweepResult(True, (), 1, 2000),
            wire.RebuildIndex: vault.rebuilt,
        }
        self._reading = (
            *(wire.Status, wire.ListLeases, wire.CoreLocate, wire.LocateAll, wire.PackHeads, wire.GetPackInfo),
            *(wire.PacksPage, wire.StoredPacks, wire.ListSnapshots, wire.ReadSnapshot, wire.Records, wire.ContentsOf),
        )
        self._packs = {pack.hex(): self._bytes_of(pack, length) for pack, length in self._node.stored_packs()}
        self._known: dict[bytes, tuple[int, bytes]] = {}
        self.heard: dict[str, list[bytes]] = defaultdict(list)
        """Of each kind the real answers, each once."""
        self._kind = ""
        self._answers: list[bytes] = []
        self._status = 200

    def speak(self, kind: str, answers: list[bytes], status: int = 200) -> RemoteCoreNode:
        """A client whose calls of that kind get these answers in turn, and the last one for ever."""
        self._kind, self._answers, self._status = kind, list(answers), status
        connection = NodeConnection("https://127.0.0.1:1", lambda: None)  # type: ignore[arg-type, return-value]
        connection._connect = lambda: _Line(self)  # type: ignore[method-assign, assignment, return-value]
        return RemoteCoreNode(connection, lambda: "token")

    def answer(self, method: str, path: str, headers: dict[str, str], body: bytes) -> bytes:
        """Status line, header and body."""
        call = wire.decode_core_call(body) if method == "POST" else None
        kind = PACK if call is None else type(call).__name__
        if self._kind in {kind, EVERY}:
            said = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
            return said if self._status == 0 else framed(self._status, said)
        status, said = self._part_of(path, headers) if call is None else self._called(call, body)
        if status < 300 and said not in self.heard[kind] and len(self.heard[kind]) < KEPT:
            self.heard[kind].append(said)
        return framed(status, said)

    def _called(self, call: wire.Call, body: bytes) -> tuple[int, bytes]:
        if type(call) in self._changing:
            return 200, wire.encode(self._changing[type(call)])
        is_look = isinstance(call, wire.LookAfter)
        if not is_look and not isinstance(call, self._reading):
            return 200, wire.encode(None)
        if body not in self._known:
            asked = wire.LookAfter() if is_look else call  # it mends nothing
            try:
                self._known[body] = 200, wire.encode(dispatch.call_core(self._node, asked))
            except PhoenixError as error:
                return error.http_status, msgspec.json.encode(error.view())
            if len(self._known) > 1000:
                self._known.pop(next(iter(self._known)))
        return self._known[body]

    def _part_of(self, path: str, headers: dict[str, str]) -> tuple[int, bytes]:
        name = path.rpartition("/")[2]
        start, end = map(int, headers["Range"].removeprefix("bytes=").split("-"))
        if name not in self._packs:
            error = ObjectMissing(place="the vault", name=name)
            return error.http_status, msgspec.json.encode(error.view())
        return 206, self._packs[name][start : end + 1]

    def _bytes_of(self, pack_id: PackId, length: int) -> bytes:
        with self._node.open_pack(pack_id) as pack:
            return pack.pread(length, 0)


def framed(status: int, body: bytes) -> bytes:
    head = f"HTTP/1.1 {status} {responses.get(status, '')}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


class _Line:
    """In place of `http.client.HTTPSConnection`: its answers are parsed as those from a socket."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._answer = b""
        self._method = ""

    def request(self, method: str, url: str, *, body: bytes | None, headers: dict[str, str]) -> None:
        self._method = method
        self._answer = self._conversation.answer(method, url, headers, body or b"")

    def getresponse(self) -> HTTPResponse:
        response = HTTPResponse(_Socket(self._answer), method=self._method)  # type: ignore[arg-type]
        response.begin()
        return response

    def close(self) -> None:
        """Nothing is held open."""


class _Socket:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def makefile(self, *mode: Any) -> io.BytesIO:
        return io.BytesIO(self._data)
