"""Identifiers and their types."""

import secrets
from typing import NewType

ChunkId = NewType("ChunkId", bytes)
"""Keyed BLAKE3 of a chunk's plain bytes, 32 bytes."""
PackId = NewType("PackId", bytes)
"""BLAKE3 of a pack's bytes, 32 bytes; its name in the store is the lower-case hex of it."""
SnapshotId = NewType("SnapshotId", str)
"""BLAKE3 of the sealed snapshot object, 64 hex digits; shown as the first 12. A unique prefix of 6 or more will do."""
JobId = NewType("JobId", str)
ServerId = NewType("ServerId", str)
NodeId = NewType("NodeId", str)
LeaseId = NewType("LeaseId", str)

SHORT_ID_DIGITS = 12

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"


def new_id(prefix: str, digits: int = 10) -> str:
    """A random id such as `j4x0k2m9qtz`: one letter for the kind, then base-32 digits (50 bits by default)."""
    return prefix + "".join(secrets.choice(_ALPHABET) for _ in range(digits))


def id_of(prefix: str, digest: bytes, digits: int = 10) -> str:
    """An id that follows from a digest, of the form of `new_id`."""
    number = int.from_bytes(digest[:16], "big")
    return prefix + "".join(_ALPHABET[(number >> (5 * at)) & 31] for at in range(digits))


def new_job_id() -> JobId:
    return JobId(new_id("j"))


def new_server_id() -> ServerId:
    return ServerId(new_id("s"))


def new_node_id() -> NodeId:
    return NodeId(new_id("n"))


def new_lease_id() -> LeaseId:
    return LeaseId(new_id("l", 20))
