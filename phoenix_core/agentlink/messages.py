"""The typed messages between the core and its peers, as MessagePack over one WebSocket.

A frame is one MessagePack map with the key `type` (the tag). `Hello` and `Welcome` settle the protocol version, first
of all; a peer of another version gets `Refused` and the connection is closed. Golden files pin the encoding.
Times are nanoseconds since the epoch, UTC; sizes are bytes; durations are seconds.
"""

import msgspec

from phoenix_core.agentlink.comparemessages import CompareTerms
from phoenix_core.agentlink.drillmessages import DrillTerms
from phoenix_core.agentlink.ruleorder import RuleOrder
from phoenix_core.agentlink.sourcesnapshots import SourceSnapshotOrder
from phoenix_core.agentlink.streamorder import StreamOrder
from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.states import ConflictRule
from phoenix_core.vault.location import BlockRef

PROTOCOL_VERSION = 1


class Message(msgspec.Struct, frozen=True, tag_field="type", tag=True, omit_defaults=True):
    """Base of all messages."""


# --- both ways -------------------------------------------------------------------------------------------------------


class Hello(Message, frozen=True):
    """Peer → core, first on each connection."""

    protocol: int
    role: str
    version: str
    hostname: str
    platform: str
    running_jobs: tuple[str, ...] = ()
    instance: str = ""
    """Changes with each start of the peer's process."""
    dialled: str = ""
    """The core's address that this connection was made to, `https://host:port`: storage in the core is there too."""
    features: tuple[str, ...] = ()
    """See `features`."""


class Welcome(Message, frozen=True):
    """Core → peer: the answer to `Hello`."""

    protocol: int
    peer_id: str
    name: str
    heartbeat_s: float
    core_time_ns: int
    last_record: int = 0
    """Sequence number of the vault's newest record; a peer that remembers a higher one reports a roll-back."""
    vault: str = ""
    """The vault's id; what a peer remembers of another one says nothing of this."""
    can: tuple[str, ...] = ()
    """What the core can do beyond the first version of the protocol."""


class Refused(Message, frozen=True):
    """Core → peer: why the connection is being closed."""

    error: ErrorView


class Heartbeat(Message, frozen=True):
    """Peer → core, each `heartbeat_s`; the core answers with `HeartbeatAnswer`."""

    number: int


class HeartbeatAnswer(Message, frozen=True):
    number: int


# --- orders: core → agent --------------------------------------------------------------------------------------------


class StorageAccess(Message, frozen=True):
    """Where a job's storage is and how to be let in (WF1.3: assigned only once the request is valid)."""

    token: str
    url: str
    """`https://host:port`; the agent presents its client certificate and the token."""
    socket_path: str = ""
    """Unix socket for hand-over by file descriptor; used when it exists on the agent's host."""
    lease: str = ""


class DomainAccess(Message, frozen=True):
    """A deduplication domain's keys that a backup needs: enough to add, useless for reading what others stored."""

    domain: str
    epoch: int
    data_id_key: bytes
    meta_id_key: bytes
    index_key: bytes
    chunker_seed: int


class ParentSnapshot(Message, frozen=True):
    """The snapshot that an incremental backup compares with."""

    snapshot_id: str
    root: bytes
    """Chunk id of the root tree."""
    unusable_chunks: tuple[bytes, ...] = ()
    """Chunks of the parent that count as missing now (condemned, damaged, lost): files that need them are read anew."""


class BackupOrder(Message, frozen=True):
    """Core → agent: back these paths up (WF5)."""

    job: str
    server_id: str
    vault_id: str
    vault_public_key: bytes
    domain: DomainAccess
    storage: StorageAccess
    paths: tuple[bytes, ...]
    excludes: tuple[str, ...] = ()
    """Patterns of gitwildmatch form, matched against the absolute path."""
    fixed_chunk_patterns: tuple[str, ...] = ("*.img", "*.raw", "*-flat.vmdk", "*.vhd")
    never_write_under: tuple[bytes, ...] = ()
    """Folders that are left out without being reported: the data directory itself."""
    cross_mounts: bool = False
    parent: ParentSnapshot | None = None
    compression_level: int = 3
    dry_run: bool = False
    workers: int = 0
    """Worker processes; 0: as many as the agent sees fit."""
    nice: int = 0
    """How far the job's threads and processes give way to the server's own, 0 to 19; 0: not at all."""
    last_record: int = -1
    """Number of the vault's newest record; -1: not told."""
    rollback_accepted: str = ""
    """When an administrator last accepted the loss of records, in ISO form; empty: never."""
    bandwidth: tuple[str, ...] = ()
    """Limits by the hour, as in `domain.bandwidth`, on what all processes of the job send over a network."""
    time_zone: str = "UTC"
    """Whose wall clock those hours go by."""
    pre_script: str = ""
    """Name of a script in the agent's folder of scripts; empty: none."""
    post_script: str = ""
    script_timeout_s: int = 3600
    pre_script_needed: bool = True
    """Without it, or where it fails, there is no backup."""
    rules: tuple[RuleOrder, ...] = ()
    """What is backed up, rule by rule; none: what `paths`, `excludes`, `cross_mounts` and `fixed_chunk_patterns` say.
    These say of all rules together what can be said so, for agents that don't know rules."""
    why_full: str = ""
    """Why there is no parent where there could be one; empty: there could not."""
    core_time_ns: int = 0
    """When the order was made; 0: not told."""
    source_snapshot: SourceSnapshotOrder | None = None
    stream: StreamOrder | None = None
    """Back this up instead of files; `paths` is then where it is in the snapshot."""


class RestoreOrder(Message, frozen=True):
    """Core → agent: restore these paths of this snapshot (WF6)."""

    job: str
    server_id: str
    domain: DomainAccess
    storage: StorageAccess
    snapshot_id: str
    root: bytes
    """Chunk id of the snapshot's root tree."""
    paths: tuple[bytes, ...] = ()
    """Absolute paths as in the snapshot; empty: everything."""
    destination: bytes = b""
    """Folder to restore into, with the full source path below it; empty: the original place."""
    conflict: ConflictRule = ConflictRule.OVERWRITE
    check_only: bool = False
    """Validate the destination, check the free space and report; restore nothing."""
    workers: int = 0
    drill: DrillTerms | None = None
    compare: CompareTerms | None = None
    grant_grows: bool = False
    """What the job may read is still being found out: see `growinggrant`. Only to agents that know
    `features.GROWING_GRANT`."""
    nice: int = 0
    """As in a BackupOrder, of what nobody waits for: drills and comparisons."""


class CancelOrder(Message, frozen=True):
    job: str
    who: str


# --- requests: agent → core, each with an answer of the same number ---------------------------------------------------


class KeysRequest(Message, frozen=True):
    """Agent → core: the keys of these blocks, which the core gives only where they fit the job."""

    number: int
    job: str
    blocks: tuple[BlockRef, ...]


class KeysAnswer(Message, frozen=True):
    """Core → agent: one 32-byte key per asked block, in order."""

    number: int
    keys: tuple[bytes, ...] = ()
    error: ErrorView | None = None


class TokenRequest(Message, frozen=True):
    """Agent → core: a fresh storage token for a job that still runs."""

    number: int
    job: str


class TokenAnswer(Message, frozen=True):
    number: int
    token: str = ""
    error: ErrorView | None = None


class CertificateRequest(Message, frozen=True):
    """Agent → core: sign this new key before the old certificate ends."""

    number: int
    csr_pem: str


class CertificateAnswer(Message, frozen=True):
    number: int
    certificate_pem: str = ""
    ca_pem: str = ""
    error: ErrorView | None = None


class OwnRestoreRequest(Message, frozen=True):
    """Agent → core: start a restore of this server's own data, asked for on its own host (WF2.1)."""

    number: int
    snapshot_id: str
    paths: tuple[bytes, ...]
    destination: bytes
    conflict: ConflictRule | None = ConflictRule.OVERWRITE
    """None, which only cores with `features.OWN_RESTORES` know: what the setting `restore.conflict` says."""


class OwnRestoreAnswer(Message, frozen=True):
    number: int
    job: str = ""
    error: ErrorView | None = None


# --- answers to reports: core → agent ---------------------------------------------------------------------------------


class ReportAck(Message, frozen=True):
    """Core → agent: all reports up to and including this number are in the catalog."""

    number: int


class JobKnown(Message, frozen=True):
    """Core → agent: the answer to an order's acceptance after a reconnect: which of its jobs the core still wants."""

    wanted: tuple[str, ...] = ()


class SnapshotRecorded(Message, frozen=True):
    """Core → agent: the record that answers a commit; from here on the snapshot is a restore point."""

    job: str
    snapshot_id: str
    record: int
    vault: str = ""
