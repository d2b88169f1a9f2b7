"""What a storage node knows of a pack beside what lies in it, and of the objects that it keeps for itself."""

import msgspec

from phoenix_core.vault.packtail import TailBlock


class PackContents(msgspec.Struct, frozen=True, array_like=True):
    """Enough to read a pack whose head or tail is damaged."""

    head: bytes
    """All 1,288 bytes, as a merged index object keeps them; empty where none does."""
    blocks: tuple[TailBlock, ...]
    """In the order in which they lie in the pack; empty where the index doesn't know them."""


class Upkeep(msgspec.Struct, frozen=True):
    """The state of the objects that a node keeps for itself."""

    descriptor: bytes = b""
    """`vault.json` as it lies in the store; empty where it isn't there."""
    descriptor_gone: bool = False
    """It was there when the node began."""
    owner_problem: str = ""
    """What is wrong with the object `owner`; empty: nothing."""
    damaged_index: tuple[str, ...] = ()
    """Names of merged index objects that aren't what was written."""
    uncovered_packs: int = 0
    """Usable packs whose head and tail no sound index object has, nor waits to be written to one."""
