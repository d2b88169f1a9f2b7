"""Keys of the blocks that hold trees: from the agent's own cache where it wrote them, else from the core."""

from collections.abc import Sequence

from phoenix_core.agent.ports import JobPorts
from phoenix_core.vault.blockkeys import block_key
from phoenix_core.vault.location import BlockRef


class TreeKeys:
    """For one job; not thread-safe. Keys of packs that were recalled once are kept."""

    def __init__(self, ports: JobPorts) -> None:
        self._ports = ports
        self._pack_keys: dict[bytes, bytes] = {}

    def of(self, refs: Sequence[BlockRef]) -> list[bytes]:
        """The blocks' keys, 32 bytes each, in their order. Raises what the core answers."""
        unknown = list({ref.pack_id for ref in refs if ref.pack_id not in self._pack_keys})
        if unknown:
            self._pack_keys.update(self._ports.recall_pack_keys(unknown))
        asked = [ref for ref in refs if ref.pack_id not in self._pack_keys]
        answered = dict(zip(asked, self._ports.block_keys(asked), strict=True)) if asked else {}
        return [
            answered[ref] if ref in answered else block_key(self._pack_keys[ref.pack_id], ref.ordinal) for ref in refs
        ]
