"""Many packs' heads are asked for at once; what such a question can't tell is asked one by one."""

import os
from collections.abc import Sequence

import pytest

from phoenix_core.domain.ids import PackId
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.errors import PackDamaged
from phoenix_core.vault.location import BlockRef
from phoenix_core.vault.packhead import HEAD_SIZE
from phoenix_core.vault.packkeys import PackKeys
from tests.vault.memory_vault import KEY, MemoryVault

PACKS = 4


class Asked:
    def __init__(self, vault: MemoryVault, unreadable: Sequence[PackId] = ()) -> None:
        self.questions: list[list[PackId]] = []
        self._vault = vault
        self._unreadable = unreadable

    def __call__(self, pack_ids: Sequence[PackId]) -> list[bytes]:
        self.questions.append(list(pack_ids))
        return [b"" if pack in self._unreadable else self._vault.packs[pack][:HEAD_SIZE] for pack in pack_ids]


@pytest.fixture
def vault() -> MemoryVault:
    made = MemoryVault()
    for _ in range(PACKS):
        with made.writer() as writer:
            writer.add(os.urandom(1000))
    return made


def refs(vault: MemoryVault) -> list[BlockRef]:
    return [BlockRef(pack, ordinal) for pack in vault.packs for ordinal in (0, 1)]


def keys(vault: MemoryVault) -> list[bytes]:
    return [block_key(vault.pack_keys[PackId(ref.pack_id)], ref.ordinal) for ref in refs(vault)]


def test_the_heads_of_many_packs_are_one_question_and_are_remembered(vault: MemoryVault) -> None:
    asked = Asked(vault)
    opener = PackKeys(vault.open_pack, KEY, asked)
    assert opener.block_keys(refs(vault)) == keys(vault)
    assert opener.block_keys(refs(vault)) == keys(vault)
    assert asked.questions == [list(vault.packs)]
    assert vault.opened == 0


def test_one_that_the_question_could_not_read_is_opened(vault: MemoryVault) -> None:
    lost, *_ = vault.packs
    assert PackKeys(vault.open_pack, KEY, Asked(vault, [lost])).block_keys(refs(vault)) == keys(vault)
    assert vault.opened == 1


def test_a_damaged_head_is_told(vault: MemoryVault) -> None:
    broken, *_ = vault.packs
    vault.packs[broken] = b"?" + vault.packs[broken][1:]
    with pytest.raises(PackDamaged):
        PackKeys(vault.open_pack, KEY, Asked(vault)).block_keys(refs(vault))


def test_a_node_that_does_not_know_the_question_is_asked_one_by_one(vault: MemoryVault) -> None:
    questions: list[int] = []

    def unknown(pack_ids: Sequence[PackId]) -> list[bytes]:
        questions.append(len(pack_ids))
        raise PackDamaged(detail="the call is not understood")

    opener = PackKeys(vault.open_pack, KEY, unknown)
    assert opener.block_keys(refs(vault)) == keys(vault)
    assert opener.block_keys(refs(vault)) == keys(vault)
    assert questions == [PACKS]
