"""Makes a staged snapshot a restore point: checks it, then appends the signed record that answers it.

Every step can be repeated: the staged object is only read, a record that is there is not written again, and the
catalog's row is put in place of itself. A core that ends between two steps finishes them after its restart, from the
agent's report that the catalog keeps until the job is final.
"""

import asyncio
from typing import Protocol

import msgspec

from phoenix_core.catalog.rows import SnapshotRow
from phoenix_core.catalog.settings import Facts
from phoenix_core.catalog.snapshots import Snapshots
from phoenix_core.domain.ids import ChunkId, LeaseId, PackId, SnapshotId
from phoenix_core.domain.names import shown
from phoenix_core.domain.streams import name_of
from phoenix_core.engine.errors import CommitRefused
from phoenix_core.engine.standing import at, kept_readings
from phoenix_core.engine.vault import OpenVault
from phoenix_core.engine.vault_errors import VaultRolledBack
from phoenix_core.vault.layout import parse_snapshot_name, snapshot_name
from phoenix_core.vault.record import Record
from phoenix_core.vault.snapshot import SnapshotBody, open_snapshot, snapshot_id

_LAST_RECORD = "vault.last_record."
"""Fact, by vault: number and hash of the newest record that this core has seen, as `12:<hex>`."""


class CommitClaim(msgspec.Struct, frozen=True):
    """What the engine knows of the job whose snapshot is to be committed."""

    job_id: str
    server_id: str
    server_name: str
    lease: str
    agent_keys: tuple[bytes, ...]
    """Public keys of the certificates that the agent was given."""
    stream: str = ""
    """What the job is of; empty: of files. By its agent's word alone a snapshot isn't counted among others."""


class RecordCheck(Protocol):
    """See `record_watch.RecordWatch`."""

    turn: asyncio.Lock

    async def check_in_turn(self, vault: OpenVault) -> None: ...


class Committer:
    """Commits one snapshot after the other."""

    def __init__(self, snapshots: Snapshots, facts: Facts, records: RecordCheck) -> None:
        self._snapshots = snapshots
        self._facts = facts
        self._records = records

    async def commit(self, vault: OpenVault, snapshot: SnapshotId, claim: CommitClaim) -> tuple[SnapshotRow, Record]:
        """Raises CommitRefused, RecordsBroken, VaultRolledBack, and what vault and node raise (LeaseLapsed,
        ObjectMissing, …)."""
        async with self._records.turn:
            await self._records.check_in_turn(vault)
            body, record = await asyncio.to_thread(_commit, vault, snapshot, claim)
            await remember_last_record(self._facts, vault)
            known = await self._snapshots.get(snapshot)
            row = snapshot_row(snapshot, body, record, claim.server_name)
            if known is not None:
                row = kept_readings(msgspec.structs.replace(row, proved=known.proved), known)
            await self._snapshots.put(row)
            return row, record


async def remember_last_record(facts: Facts, vault: OpenVault) -> None:
    """Keep the newest record's number and hash, unless the vault contradicts what is remembered: a roll-back must not
    be forgotten by going on."""
    if vault.chain.last and await rolled_back(facts, vault) is None:
        await facts.put(_LAST_RECORD + vault.vault_id, f"{vault.chain.last}:{vault.chain.last_hash.hex()}")


async def last_record_seen(facts: Facts, vault: OpenVault) -> int:
    """Number of the newest record that this core has seen."""
    return int((await facts.get(_LAST_RECORD + vault.vault_id) or "").partition(":")[0] or 0)


async def forget_last_record(facts: Facts, vault: OpenVault) -> None:
    """Accept what the vault says now."""
    await facts.put(_LAST_RECORD + vault.vault_id, "")


async def rolled_back(facts: Facts, vault: OpenVault) -> VaultRolledBack | None:
    """What the records say against what this core remembers."""
    sequence, _, digest = (await facts.get(_LAST_RECORD + vault.vault_id) or "").partition(":")
    try:
        vault.chain.check_known(int(sequence or 0), bytes.fromhex(digest))
    except VaultRolledBack as error:
        return error
    return None


def snapshot_row(snapshot: SnapshotId, body: SnapshotBody, record: Record, server_name: str) -> SnapshotRow:
    return SnapshotRow(
        id=snapshot,
        sequence=record.sequence,
        server_id=body.server_id,
        server_name=server_name,
        root=body.root,
        created_at=at(body.started_ns),
        recorded_at=at(record.time_ns),
        paths=tuple(shown(path) for path in body.paths),
        files=body.files,
        directories=body.directories,
        bytes=body.bytes,
        stored_bytes=body.stored_bytes,
        missing_count=body.missing_count,
        job_id=body.job_id,
        parent=body.parent,
        hostname=body.hostname,
        domain=body.domain,
        epoch=body.epoch,
        packs=tuple(pack.hex() for pack in body.packs),
        proved=not body.packs,
    )


def lost_snapshot_row(record: Record, server_name: str) -> SnapshotRow:
    """For a snapshot that a record names and that can't be read."""
    when = at(record.time_ns)
    return SnapshotRow(
        id=record.snapshot_id,
        sequence=record.sequence,
        server_id=record.server_id,
        server_name=server_name,
        root=b"",
        created_at=when,
        recorded_at=when,
        paths=(),
        files=0,
        directories=0,
        bytes=0,
        stored_bytes=0,
        missing_count=0,
        job_id="",
        parent="",
        hostname="",
        domain="",
        epoch=0,
        packs=(),
        readable=False,
    )


def read_body(vault: OpenVault, snapshot: SnapshotId) -> SnapshotBody:
    """The snapshot, its name and signature verified. Blocks. Raises CommitRefused where the bytes aren't the name's."""
    sealed = vault.node.read_snapshot(snapshot)
    if snapshot_id(sealed) != snapshot:
        raise CommitRefused(job="unknown", detail="the stored object isn't the one of that name")
    return open_snapshot(vault.key.private_key(), sealed)[0]


def _commit(vault: OpenVault, snapshot: SnapshotId, claim: CommitClaim) -> tuple[SnapshotBody, Record]:
    if parse_snapshot_name(snapshot_name(snapshot)) is None:
        raise CommitRefused(job=claim.job_id, detail=f"{snapshot[:80]!r} is no snapshot's id")
    body = read_body(vault, snapshot)
    recorded = vault.chain.commit_of(snapshot)
    if recorded is not None and (recorded.server_id, body.job_id) == (claim.server_id, claim.job_id):
        return body, recorded
    _check(vault, body, claim)
    lease = LeaseId(claim.lease)
    return body, vault.chain.commit(snapshot, body.server_id, body.agent_public_key, lease)


def _check(vault: OpenVault, body: SnapshotBody, claim: CommitClaim) -> None:
    domain = vault.current_domain()
    stream = name_of(tuple(map(shown, body.paths)))
    wrong = (
        "it is of another vault"
        if body.vault_id != vault.vault_id
        else f"it says that it is of server {body.server_id}"
        if body.server_id != claim.server_id
        else f"it says that it is of job {body.job_id}"
        if body.job_id != claim.job_id
        else f"it says that it is of {f'the stream {stream}' if stream else 'files'}"
        if stream != claim.stream
        else "it is signed with a key that the agent was never given"
        if body.agent_public_key not in claim.agent_keys
        else f"it is of domain {body.domain}, epoch {body.epoch}"
        if (body.domain, body.epoch) != (domain.domain, domain.epoch)
        else "its root tree is not in the vault"
        if not _is_of(vault, ChunkId(body.root), claim.server_id)
        else ""
    )
    if wrong:
        raise CommitRefused(job=claim.job_id, detail=wrong)


def _is_of(vault: OpenVault, chunk: ChunkId, server_id: str) -> bool:
    """Whether a pack of this server holds the chunk: of another's trees it learns nothing, not even that they exist."""
    packs = {PackId(place.pack_id) for place in vault.node.locate_all([chunk])[0]}
    return any(info is not None and info.server_id == server_id for info in map(vault.node.pack_info, packs))
