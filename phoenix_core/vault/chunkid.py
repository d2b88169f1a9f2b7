"""A chunk's id: BLAKE3 of its plain bytes, keyed with its domain's key for its kind."""

from blake3 import blake3

from phoenix_core.domain.ids import ChunkId
from phoenix_core.vault.domainkeys import DomainKeys
from phoenix_core.vault.kinds import PackKind

CHUNK_ID_BYTES = 32
MAX_CHUNK_BYTES = 4 * 2**20


def chunk_id(keys: DomainKeys, kind: PackKind, data: bytes | bytearray | memoryview) -> ChunkId:
    """32 bytes; equal bytes of one kind, domain and epoch have equal ids, and nothing else has."""
    return keyed_id(keys.id_key(kind), data)


def keyed_id(id_key: bytes, data: bytes | bytearray | memoryview) -> ChunkId:
    """As `chunk_id`, with the key at hand."""
    return ChunkId(blake3(data, key=id_key).digest())
