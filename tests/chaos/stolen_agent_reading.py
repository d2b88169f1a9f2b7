"""What the keys open that a thief's restore gets: each block of each pack is asked for, and what comes is read."""

import asyncio

from phoenix_core.agentlink.messages import KeysRequest, RestoreOrder
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.ids import PackId
from phoenix_core.vault.block import open_block
from phoenix_core.vault.location import BlockRef
from phoenix_core.vault.packinfo import PackInfo
from phoenix_core.vault.packreader import read_head_bytes, read_tail
from phoenix_core.vault.packtail import PackTail
from tests.chaos.stolen_agent_loot import Loot


async def what_the_keys_open(loot: Loot) -> None:
    """Only blocks of its own packs, or such whose every chunk it has itself, in the files that it backed up."""
    if not isinstance(loot.order, RestoreOrder):
        return
    own = loot.contents
    for info, tail in await loot.off_loop(lambda: tails(loot)):
        for ordinal, block in enumerate(tail.blocks):
            request = KeysRequest(number=0, job=loot.order.job, blocks=(BlockRef(info.pack_id, ordinal),))
            try:
                answer = await loot.agent.link.request(request, 10)
            except PhoenixError as error:
                loot.typed("keys", error)
                loot.counts["keys refused"] += 1
                continue
            loot.counts["keys given"] += 1
            if info.server_id == loot.server:
                continue
            raw = await asyncio.to_thread(_open, loot, info, ordinal, answer.keys[0])
            for _, offset, length in block.chunks():
                piece = raw[offset : offset + length]
                assert any(piece in content for content in own), "a key opens what another server has"
            loot.counts["others' blocks read"] += 1


def tails(loot: Loot) -> list[tuple[PackInfo, PackTail]]:
    """By the core's keys."""
    found = []
    assert loot.rig.key is not None
    for info in loot.rig.node().packs():
        keys = loot.rig.key.domain_keys(info.domain, info.epoch)
        with loot.rig.node().open_pack(PackId(info.pack_id)) as opened:
            found.append((info, read_tail(opened, info.bytes, keys.index_key)))
    return found


def _open(loot: Loot, info: PackInfo, ordinal: int, key: bytes) -> bytes:
    assert loot.rig.key is not None
    keys = loot.rig.key.domain_keys(info.domain, info.epoch)
    with loot.rig.node().open_pack(PackId(info.pack_id)) as opened:
        block = read_tail(opened, info.bytes, keys.index_key).blocks[ordinal]
        head = read_head_bytes(opened)
        return open_block(key, head, ordinal, opened.pread(block.sealed_bytes, block.offset))
