"""Asking ahead: the next chunks are collected while a question is under way, and a question is about all of them."""

import threading
from collections.abc import Iterator, Sequence

import pytest

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.askahead import COLLECTED_CHUNKS, AskAhead

WITHIN_S = 30.0


class SlowVault:
    """Answers when it is told to; has every chunk whose id ends in an odd byte."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.was_asked = threading.Event()
        self.asked: list[int] = []
        self.kept: list[tuple[ChunkId, bytes]] = []

    def present(self, ids: Sequence[ChunkId]) -> list[bool]:
        self.asked.append(len(ids))
        self.was_asked.set()
        assert self.may_answer.wait(WITHIN_S)
        return [bool(chunk[-1] % 2) for chunk in ids]

    def keep(self, chunk: ChunkId, data: memoryview) -> None:
        self.kept.append((chunk, bytes(data)))


def chunk(number: int) -> tuple[ChunkId, bytes]:
    return ChunkId(number.to_bytes(32, "big")), b"chunk %d" % number


@pytest.fixture
def vault() -> Iterator[SlowVault]:
    made = SlowVault()
    yield made
    made.may_answer.set()


@pytest.fixture
def ahead(vault: SlowVault) -> Iterator[AskAhead]:
    made = AskAhead(vault.present, vault.keep, least_bytes=1 << 20, least_chunks=10)
    yield made
    vault.may_answer.set()
    made.close()


def test_what_comes_while_a_question_is_under_way_makes_one_question(vault: SlowVault, ahead: AskAhead) -> None:
    for number in range(10):
        ahead.add(*chunk(number))
    assert vault.was_asked.wait(WITHIN_S)
    for number in range(10, 500):
        ahead.add(*chunk(number))
    assert vault.asked == [10]
    vault.may_answer.set()
    ahead.drain()
    assert vault.asked == [10, 490]
    assert vault.kept == [chunk(number) for number in range(0, 500, 2)]


def test_what_is_collected_is_bounded(vault: SlowVault, ahead: AskAhead) -> None:
    vault.may_answer.set()
    for number in range(3 * COLLECTED_CHUNKS):
        ahead.add(*chunk(number))
    ahead.drain()
    assert max(vault.asked) <= COLLECTED_CHUNKS
    assert len(vault.kept) == 3 * COLLECTED_CHUNKS // 2


def test_a_question_that_fails_is_heard(ahead: AskAhead, vault: SlowVault, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_ids: Sequence[ChunkId]) -> list[bool]:
        raise ConnectionError("gone")

    monkeypatch.setattr(ahead, "_present", refuse)
    ahead.add(*chunk(0))
    with pytest.raises(ConnectionError):
        ahead.drain()
