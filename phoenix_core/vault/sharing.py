"""Which chunks servers of a domain share: large pieces of files. What is short can be guessed; trees tell names."""

from phoenix_core.vault.kinds import PackKind

SHARED_ABOVE_BYTES = 256 << 10


def is_shared(kind: str, length: int) -> bool:
    """Whether a server may rely on another's copy of a chunk of so many bytes, in a pack of that kind, and so learn
    that there is one."""
    return kind == PackKind.DATA.value and length > SHARED_ABOVE_BYTES
