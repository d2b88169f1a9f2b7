"""Errors of the storage floor; `from_view` gives the same class back at the client's end."""

from phoenix_core.domain.errors import EXIT_USAGE, ErrorView, PhoenixError, from_view_as
from phoenix_core.vault.errors import IndexOnNetworkFileSystem, SnapshotDamaged, UnknownVersion
from phoenix_core.vault.index_errors import IndexDamaged, IndexFull, IndexMissing, IndexReadOnly


class StorageError(PhoenixError):
    """Base of this package's errors."""

    code = "storage"
    template = "Storage failed: {detail}."


class StorageFull(StorageError):
    code = "storage_full"
    template = "The storage at {place} is full: {detail}."
    hint = "Free space there, or run `phoenix vault prune --execute`; what is already stored is untouched."
    retryable = True
    http_status = 507


class StorageFailed(StorageError):
    code = "storage_failed"
    template = "{action} failed on {name} in {place}: {detail}."
    hint = "Check the disk or the mount there (`dmesg`, free space, permissions), then try again."
    retryable = True
    http_status = 500


class StorageReadOnly(StorageFailed):
    """The vault's file system takes no changes."""

    code = "storage_read_only"
    template = "The vault in {place} is read-only: {detail}."
    hint = (
        "Mount its file system so that it can be written, then start the job again; a disk with errors becomes "
        "read-only by itself, which `dmesg` tells. What is already stored is untouched."
    )


class StorageUnreachable(StorageError):
    code = "storage_unreachable"
    template = "The storage node at {place} can't be reached: {detail}."
    hint = "See that the core or `phoenix storage run` runs there and that nothing blocks the port, then try again."
    retryable = True
    http_status = 503


class AnswerMalformed(StorageUnreachable):
    """What a storage node answers can't be read, or can't be an answer to what it was asked."""

    code = "storage_answer"
    template = "What the storage node at {place} answers makes no sense: {detail}."
    hint = (
        "Core, agents and storage nodes may be of different versions; bring them to the same one, then try again. If "
        "it goes on, see that node's log, and that it is the node that it should be."
    )


class StorageBusy(StorageError):
    code = "storage_busy"
    template = "The storage node can't do this now: {detail}."
    hint = "Try again in a moment."
    retryable = True
    http_status = 503


class BadRequest(StorageError):
    code = "storage_request"
    template = "The storage node doesn't understand the request: {detail}."
    hint = "Agent and core may be of different versions; bring both to the same one."


class ObjectMissing(StorageError):
    code = "object_missing"
    template = "{place} holds no object named {name}."
    hint = "Run `phoenix vault verify`, which names the snapshots that need it."
    http_status = 404


class ObjectCold(StorageError):
    code = "object_cold"
    template = "The object {name} is archived and not thawed."
    hint = "Request a thaw first."
    http_status = 409


class PackRefused(StorageError):
    code = "pack_refused"
    template = "The pack {pack} was refused: {reason}."
    hint = "Nothing of it was kept. If it happens again, check the agent's memory and version."
    http_status = 422


class TokenMalformed(StorageError):
    code = "token_malformed"
    template = "The storage token can't be read: {detail}."
    hint = "Tokens come from the core; start the job again."
    http_status = 401


class TokenForged(StorageError):
    code = "token_forged"
    template = "The storage token carries no valid signature of this vault's core."
    hint = "Start the job again; if it goes on, the agent talks to the storage of another core."
    http_status = 401


class TokenExpired(StorageError):
    code = "token_expired"
    template = "The storage token of job {job} has expired."
    hint = "The agent asks the core for a fresh one; check both clocks if this repeats."
    retryable = True
    http_status = 401


class TokenOfOtherVault(StorageError):
    code = "token_of_other_vault"
    template = "The storage token is meant for vault {audience}, this is vault {vault}."
    hint = "Check which storage node the core assigned."
    http_status = 401


class NotAllowed(StorageError):
    code = "storage_not_allowed"
    template = "A {rights} token may not {action}."
    hint = "The core grants a job what it needs; start the job again."
    http_status = 403


class LeaseLapsed(StorageError):
    code = "lease_lapsed"
    template = "The lease {lease} of job {job} lapsed or isn't open, so what it relied on may be gone."
    hint = "Start the backup again; what it stored is used again where it is still there."
    http_status = 409


class LeaseRefused(StorageError):
    code = "lease_refused"
    template = "The lease {lease} can't be opened: {detail}."
    hint = "Start the job again."
    http_status = 409


class RecordRefused(StorageError):
    code = "record_refused"
    template = "Record {sequence} can't be stored: {reason}."
    hint = "Another core may write to this vault; see `phoenix doctor`."
    http_status = 409


class SweepVoid(StorageError):
    code = "sweep_void"
    template = "Sweep {sweep} is void: {reason}."
    hint = "Plan the prune again; nothing was deleted by this one since."
    retryable = True
    http_status = 409


class VaultGone(StorageError):
    code = "vault_gone"
    template = "{place} holds neither vault.json nor any pack, though the index knows {packs} packs of vault {vault}."
    hint = "Mount the disk that holds the vault, then start the core (or the storage node) again."
    http_status = 503


class PlanOutdated(StorageError):
    code = "plan_outdated"
    template = "The prune plan took records up to {seen} into account; record {found} committed a snapshot since."
    hint = "Plan the prune again."
    retryable = True
    http_status = 409


class SnapshotRefused(StorageError):
    code = "snapshot_refused"
    template = "The sealed snapshot was refused: {reason}."
    hint = "Start the backup again."
    http_status = 422


class VaultOwnedElsewhere(StorageError):
    code = "vault_owned_elsewhere"
    template = "The vault at {place} belongs to the storage node on {host} (process {pid}, epoch {epoch})."
    hint = "Stop that node first. If it is gone for good, take the vault over with --take-over."
    exit_code = EXIT_USAGE
    http_status = 409


class OwnershipLost(StorageError):
    code = "ownership_lost"
    template = "The storage node on {host} took the vault at {place} over (epoch {epoch}); this node stops writing."
    hint = "Send jobs to that node, or take the vault back with --take-over once it has stopped."
    http_status = 409


class NodeRunning(StorageError):
    code = "storage_node_running"
    template = "Another storage node uses the index in {folder}."
    hint = "Use the node that runs there, stop it, or give this one a data directory of its own."
    retryable = True
    http_status = 409


class NodeNotConfigured(StorageError):
    code = "storage_node_not_configured"
    template = "There is no usable storage node configuration at {path}: {detail}."
    hint = (
        "Make a token at the core with `phoenix server token --role storage`, then run `phoenix storage enroll TOKEN` "
        "here."
    )
    exit_code = EXIT_USAGE


class VaultMismatch(StorageError):
    code = "vault_mismatch"
    template = "The folder {place} holds vault {found}, expected was vault {expected}."
    hint = "Check the storage place in phoenix.toml."
    exit_code = EXIT_USAGE


_CLASSES: dict[str, type[PhoenixError]] = {
    cls.code: cls
    for cls in (
        StorageFull,
        StorageFailed,
        StorageReadOnly,
        StorageUnreachable,
        AnswerMalformed,
        StorageBusy,
        BadRequest,
        ObjectMissing,
        ObjectCold,
        PackRefused,
        TokenMalformed,
        TokenForged,
        TokenExpired,
        TokenOfOtherVault,
        NotAllowed,
        LeaseLapsed,
        LeaseRefused,
        RecordRefused,
        SweepVoid,
        VaultGone,
        PlanOutdated,
        SnapshotRefused,
        SnapshotDamaged,
        VaultOwnedElsewhere,
        OwnershipLost,
        NodeRunning,
        IndexMissing,
        IndexDamaged,
        IndexFull,
        IndexReadOnly,
        IndexOnNetworkFileSystem,
        UnknownVersion,
    )
}


def from_view(view: ErrorView) -> PhoenixError:
    """The error that the node raised, as the class it had there; RemoteError where this version doesn't know it."""
    return from_view_as(view, _CLASSES)
