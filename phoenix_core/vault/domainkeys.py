"""The keys of one deduplication domain and epoch: enough to add to a vault, useless for reading what others stored."""

import msgspec

from phoenix_core.vault.kinds import PackKind


class DomainKeys(msgspec.Struct, frozen=True):
    """What a backup job holds, in memory only. `chunker_seed` is 1 to 2**63 - 1; the keys have 32 bytes."""

    domain: str
    epoch: int
    data_id_key: bytes
    meta_id_key: bytes
    index_key: bytes
    chunker_seed: int

    def id_key(self, kind: PackKind) -> bytes:
        """The key of that kind's chunk ids."""
        return self.data_id_key if kind is PackKind.DATA else self.meta_id_key

    def __repr__(self) -> str:
        return f"DomainKeys({self.domain!r}, epoch {self.epoch})"
