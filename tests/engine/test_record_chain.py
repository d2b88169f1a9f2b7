"""The chain of records goes on whatever happens to the answer of the storage node."""

from pathlib import Path

import pytest

from phoenix_core.domain.clock import SystemClock
from phoenix_core.domain.ids import LeaseId
from phoenix_core.engine.record_chain import RecordChain
from phoenix_core.storage.errors import RecordRefused, StorageUnreachable
from phoenix_core.vault.annotation import Annotation, Hold
from phoenix_core.vault.layout import record_name
from phoenix_core.vault.record import RecordKind
from tests.vault_maintenance.rig import Rig

SNAPSHOT = "ab" * 32
AGENT = bytes(32)


class LosesAnswers:
    """A storage node whose answer to the first record is lost on the way, after it was written."""

    def __init__(self, rig: Rig, *, stays_away: bool = False) -> None:
        """`stays_away`: it can't be asked afterwards either, until it is `back`."""
        self._node = rig.node
        self._stays_away = stays_away
        self.lost = False
        self.back = False

    def append_record(self, sequence: int, record: bytes, lease: LeaseId | None = None) -> None:
        self._node.append_record(sequence, record, lease)
        if not self.lost:
            self.lost = True
            raise StorageUnreachable(place="there", detail="the connection was reset")

    def records(self, after: int = 0) -> list[tuple[int, bytes]]:
        if self._stays_away and self.lost and not self.back:
            raise StorageUnreachable(place="there", detail="refused")
        return self._node.records(after)


def chain_of(rig: Rig, node: object) -> RecordChain:
    chain = RecordChain(node, rig.key, SystemClock())  # type: ignore[arg-type]
    chain.load()
    return chain


def test_a_record_whose_answer_was_lost_counts_and_the_next_follows_it(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    chain = chain_of(rig, LosesAnswers(rig))
    first = chain.commit(SNAPSHOT, "sweb", AGENT, None)  # type: ignore[arg-type]
    second = chain.commit("cd" * 32, "sweb", AGENT, None)  # type: ignore[arg-type]
    assert (first.sequence, second.sequence, chain.last) == (1, 2, 2)
    again = chain_of(rig, rig.node)
    assert (again.last, again.broken) == (2, None)
    rig.close()


def test_a_record_that_a_node_wrote_as_it_died_counts_once_the_node_is_back(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    node = LosesAnswers(rig, stays_away=True)
    chain = chain_of(rig, node)
    with pytest.raises(StorageUnreachable):
        chain.commit(SNAPSHOT, "sweb", AGENT, None)  # type: ignore[arg-type]
    with pytest.raises(StorageUnreachable):
        chain.take_up()
    assert chain.last == 0
    node.back = True
    second = chain.commit("cd" * 32, "sweb", AGENT, None)  # type: ignore[arg-type]
    assert (second.sequence, len(chain.live())) == (2, 2)
    assert (chain_of(rig, rig.node).last, chain.broken) == (2, None)
    rig.close()


def test_a_record_that_a_node_wrote_as_it_died_is_not_written_twice(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    node = LosesAnswers(rig, stays_away=True)
    chain = chain_of(rig, node)
    with pytest.raises(StorageUnreachable):
        chain.commit(SNAPSHOT, "sweb", AGENT, None)  # type: ignore[arg-type]
    node.back = True
    assert chain.commit(SNAPSHOT, "sweb", AGENT, None).sequence == 1  # type: ignore[arg-type]
    assert chain_of(rig, rig.node).last == 1
    rig.close()


def test_a_record_that_says_something_else_is_never_taken_for_ones_own(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    chain = chain_of(rig, rig.node)
    rig.append(RecordKind.COMMIT, "ef" * 32, "sother")  # type: ignore[arg-type]
    with pytest.raises(RecordRefused):
        chain.commit(SNAPSHOT, "sweb", AGENT, None)  # type: ignore[arg-type]
    assert chain.last == 0
    rig.close()


def test_a_snapshot_whose_commit_lost_its_record_is_not_taken_for_removed(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    held, removed = rig.backup({"a": b"1"}), rig.backup({"a": b"2"})
    chain = rig.chain()
    chain.annotate(chain.live()[held], Annotation(hold=Hold("audit", "anna", 5)))
    rig.remove(removed)
    (tmp_path / "vault" / record_name(1)).unlink()
    chain = rig.chain()
    assert chain.broken is not None
    assert (chain.removed(), chain.given_up([held])) == ({removed}, [held])
    rig.close()
