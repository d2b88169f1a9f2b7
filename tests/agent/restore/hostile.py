"""Trees as a hostile agent may write them: any bytes, under their right ids, in real packs of a real vault."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from phoenix_core.domain.ids import LeaseId, new_job_id, new_lease_id
from phoenix_core.vault.chunkid import chunk_id
from phoenix_core.vault.chunkwriter import ChunkWriter
from phoenix_core.vault.entry import ChunkRef
from phoenix_core.vault.kinds import PackKind
from phoenix_core.vault.packhead import PackIdentity
from phoenix_core.vault.packwriter import FinishedPack, PackWriter
from tests.agent.vault_rig import SERVER, VaultRig

Raw = dict[str, object]


def entry(name: bytes, **fields: object) -> Raw:
    """An entry in encoded form; a file without content unless `fields` say otherwise."""
    return {"n": name, "t": "f", "m": 0o644, "u": os.geteuid(), "g": os.getegid()} | fields


class HostileAgent:
    """Writes chunks as it likes."""

    def __init__(self, meta: ChunkWriter, data: ChunkWriter) -> None:
        self._meta = meta
        self._data = data

    def tree(self, *entries: Raw) -> bytes:
        """A folder's tree with these entries, in this order; returns its id."""
        return self.metadata(b"PXT\x01\x00" + msgspec.msgpack.encode(entries))

    def metadata(self, data: bytes) -> bytes:
        return self._meta.add(data).id

    def content(self, data: bytes) -> ChunkRef:
        return self._data.add(data)

    def file(self, name: bytes, data: bytes, **fields: object) -> Raw:
        ref = self.content(data)
        return entry(name, s=len(data), c=[[ref.id, ref.length]], **fields)

    def folder(self, name: bytes, *entries: Raw, **fields: object) -> Raw:
        return entry(name, t="d", d=self.tree(*entries), **({"m": 0o755} | fields))

    def link(self, name: bytes, target: bytes) -> Raw:
        return entry(name, t="l", lt=target, m=0o777)


@contextmanager
def hostile_agent(vault: VaultRig) -> Iterator[HostileAgent]:
    """What it wrote is in the vault after the block."""
    job, lease = new_job_id(), new_lease_id()
    vault.node.open_lease(lease, job, SERVER, None)
    node = vault.node.job_node(vault.token(lease, job))

    def put(pack: FinishedPack) -> None:
        node.put_pack(pack.pack_id, pack.fd, pack.length)

    def writer(kind: PackKind) -> ChunkWriter:
        identity = PackIdentity(vault.vault_id, SERVER)
        return ChunkWriter(kind, identity, vault.keys, vault.key.public_key(), node.present, put)

    with writer(PackKind.META) as meta, writer(PackKind.DATA) as data:
        yield HostileAgent(meta, data)
    vault.node.close_lease(LeaseId(lease))


def store_under_false_id(vault: VaultRig, kind: PackKind, promised: bytes, stored: bytes) -> bytes:
    """A sound pack of the vault in which `stored` lies under the id of `promised`, which is returned."""
    identity = PackIdentity(vault.vault_id, SERVER)
    false_id = chunk_id(vault.keys, kind, promised)
    job, lease = new_job_id(), new_lease_id()
    vault.node.open_lease(lease, job, SERVER, None)
    writer = PackWriter(kind, identity, vault.keys, vault.key.public_key())
    writer.add_block([false_id], [len(stored)], b"\x00" + stored)
    with writer.finish() as pack:
        vault.node.job_node(vault.token(lease, job)).put_pack(pack.pack_id, pack.fd, pack.length)
    vault.node.close_lease(lease)
    return false_id
