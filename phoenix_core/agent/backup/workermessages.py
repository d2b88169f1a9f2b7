"""What a backup job and its worker processes say to each other: MessagePack over a pipe."""

import msgspec

from phoenix_core.agent.backup.diskimages import Images
from phoenix_core.agent.backup.fileresult import FileResult
from phoenix_core.agent.backup.records import ReadItem
from phoenix_core.agentlink.messages import DomainAccess, StorageAccess
from phoenix_core.domain.errors import ErrorView


class TlsPaths(msgspec.Struct, frozen=True, array_like=True):
    cert: str
    key: str
    ca: str


class Bandwidth(msgspec.Struct, frozen=True, array_like=True):
    """The job's limit on what its processes send."""

    path: str
    """The file that they share, see `pace.Pace`."""
    lines: tuple[str, ...]
    time_zone: str


class Setup(msgspec.Struct, frozen=True, array_like=True, tag=1):
    """Job → worker, first."""

    number: int
    """Of this worker, from 1."""
    vault_id: str
    server_id: str
    public_key: bytes
    domain: DomainAccess
    storage: StorageAccess
    tls: TlsPaths | None
    level: int
    images: tuple[Images, ...]
    patience_s: float
    nice: int
    bandwidth: Bandwidth | None = None
    source: bytes = b""
    """What only workers of this kind of source know of, see `FileSource.worker_part`."""


class Batch(msgspec.Struct, frozen=True, array_like=True, tag=2):
    """Job → worker: read these files, in order."""

    number: int
    items: tuple[ReadItem, ...]


class Token(msgspec.Struct, frozen=True, array_like=True, tag=3):
    """Job → worker: go on with this storage token."""

    token: str


class Flush(msgspec.Struct, frozen=True, array_like=True, tag=4):
    """Job → worker: store what you hold; no batch follows."""


class WorkerStats(msgspec.Struct, frozen=True, array_like=True):
    """A worker's totals since it began."""

    new_chunks: int = 0
    new_raw_bytes: int = 0
    stored_bytes: int = 0


class Done(msgspec.Struct, frozen=True, array_like=True, tag=11):
    """Worker → job: a batch's results, in the order of its items."""

    number: int
    results: tuple[FileResult, ...]
    stats: WorkerStats


class Working(msgspec.Struct, frozen=True, array_like=True, tag=12):
    """Worker → job, about twice a second: where it is, and the bytes done of the batch in hand."""

    path: bytes
    bytes_done: int
    stats: WorkerStats


class Flushed(msgspec.Struct, frozen=True, array_like=True, tag=13):
    """Worker → job: everything is durable; the packs that this worker wrote."""

    stats: WorkerStats
    packs: tuple[bytes, ...]


class Failed(msgspec.Struct, frozen=True, array_like=True, tag=14):
    """Worker → job: what ended the worker."""

    error: ErrorView


ToWorker = Setup | Batch | Token | Flush
FromWorker = Done | Working | Flushed | Failed

encode = msgspec.msgpack.Encoder().encode
to_worker = msgspec.msgpack.Decoder(ToWorker)
from_worker = msgspec.msgpack.Decoder(FromWorker)
