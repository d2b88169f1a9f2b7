"""Errors of the vault: damage, hostile input, wrong keys."""

from phoenix_core.domain.errors import PhoenixError


class VaultError(PhoenixError):
    """Base of the vault's errors."""

    code = "vault"
    template = "The vault can't be used: {detail}."
    hint = "Run `phoenix vault verify`."


class UnknownVersion(VaultError):
    """An object of a format that this release does not know."""

    code = "unknown_format_version"
    template = "This {what} has format version {version}, which this release can't read."
    hint = "Open the vault with a newer release of Phoenix."


class DescriptorDamaged(VaultError):
    code = "descriptor_damaged"
    template = "The vault's descriptor vault.json can't be read: {detail}."
    hint = "Restore vault.json from a copy of the vault."


class NotThisVaultsKey(VaultError):
    """The vault key belongs to another vault, or the descriptor's public keys were replaced."""

    code = "not_this_vaults_key"
    template = "The vault key does not belong to vault {vault}."
    hint = "Check with `phoenix vault key status` which key is in use, and that the vault's folder is the right one."


class WrongPassphrase(VaultError):
    code = "wrong_passphrase"
    template = "The passphrase does not open the vault's key."
    hint = "Check the passphrase for typing errors; it is the one shown when the vault was created or changed since."


class WrappedKeyDamaged(VaultError):
    code = "wrapped_key_damaged"
    template = "The wrapped vault key can't be used: {detail}."
    hint = "Restore vault.json from a copy of the vault."


class VaultKeyMalformed(VaultError):
    code = "vault_key_malformed"
    template = "A vault key has 32 bytes; this one has {length}."
    hint = "Export the key again with `phoenix vault key export`."


class UnsealFailed(VaultError):
    """What was sealed to the vault's public key does not open: damaged, or sealed to another vault."""

    code = "unseal_failed"
    template = "A sealed {what} does not open with this vault's key."
    hint = "It is damaged or belongs to another vault; run `phoenix vault verify`."


class InvalidName(VaultError):
    """A domain, server or vault id that the formats have no room for."""

    code = "invalid_name"
    template = "{what} {name!r} can't be stored: {detail}."
    hint = "Use 1 to 32 of the characters a-z, A-Z, 0-9, dot, dash and underscore."


class InvalidChunk(VaultError):
    code = "invalid_chunk"
    template = "A chunk of {length} bytes can't be stored; chunks have 1 to {limit} bytes."
    hint = "This is a fault of the program that cut the data."


class PackDamaged(VaultError):
    """Head, tail or footer of a pack is malformed or was changed."""

    code = "pack_damaged"
    template = "A pack is damaged: {detail}."
    hint = "Run `phoenix vault verify`; it names the snapshots and files that the damage hits."


class BlockDamaged(VaultError):
    code = "block_damaged"
    template = "Block {ordinal} of a pack is damaged: {detail}."
    hint = "Run `phoenix vault verify`; it names the snapshots and files that the damage hits."


class ChunkMissing(VaultError):
    code = "chunk_missing"
    template = "Chunk {chunk} is not in the vault."
    hint = "Run `phoenix vault verify`; it names the snapshots and files that need it."


class ChunkDamaged(VaultError):
    code = "chunk_damaged"
    template = "Chunk {chunk} in pack {pack} is damaged: {detail}."
    hint = "Run `phoenix vault verify`; the next backup stores the chunk again where its file still exists."


class HostileTree(VaultError):
    """A tree or list that no honest backup writes. Nothing of it is used."""

    code = "hostile_tree"
    template = "A tree in the vault is malformed and was refused: {detail}."
    hint = "Restore from another snapshot, and find out who wrote this one with `phoenix snapshot list`."


class InvalidEntry(VaultError):
    """Entries given to be written break the rules of a tree."""

    code = "invalid_entry"
    template = "A tree can't be written: {detail}."
    hint = "This is a fault of the program that scanned the files."


class PathNotInSnapshot(VaultError):
    code = "path_not_in_snapshot"
    template = "{where} holds no {path}."
    hint = "{advice}"
    http_status = 404

    def __init__(
        self,
        *,
        path: str,
        where: str = "The snapshot",
        advice: str = "See what it holds with `phoenix snapshot browse SNAPSHOT`.",
        instead: str = "",
    ) -> None:
        """`instead`: the snapshot that has the path, named in the advice; empty: none is known."""
        super().__init__(path=path, where=where, advice=advice, instead=instead)


class SnapshotDamaged(VaultError):
    code = "snapshot_damaged"
    template = "A snapshot can't be read: {detail}."
    hint = "Restore from another snapshot; run `phoenix vault verify`."


class SnapshotForged(VaultError):
    code = "snapshot_forged"
    template = "The signature of a snapshot is not that of the agent {agent}."
    hint = "Don't restore from it; find out who could write to the vault."


class RecordDamaged(VaultError):
    code = "record_damaged"
    template = "Record {sequence} of the vault can't be trusted: {detail}."
    hint = "The vault's store was damaged or tampered with; compare it with a copy, then run `phoenix vault verify`."


class IndexOnNetworkFileSystem(VaultError):
    code = "index_on_network_file_system"
    template = "The index folder {path} lies on a network file system ({file_system})."
    hint = "Put the index on a local disk; the packs may stay where they are."
