"""Errors of the vault as the engine meets it: there or not, open or not, whole or not."""

from phoenix_core.domain.errors import EXIT_USAGE, PhoenixError


class NoVault(PhoenixError):
    code = "no_vault"
    template = "There is no vault in {path} yet."
    hint = "Make one with `phoenix vault init`."
    http_status = 409


class VaultExists(PhoenixError):
    code = "vault_exists"
    template = "There is a vault in {path} already."
    hint = "Use it, or name another data directory with --data."
    http_status = 409


class VaultMissing(PhoenixError):
    """A vault was made on this data directory, and is not where it should be: its disk may not be mounted."""

    code = "vault_missing"
    template = "There is no vault in {path}, but {trace}."
    hint = (
        "Mount its disk, put its folder back, or name the place where it is now under [storage] in phoenix.toml. "
        "A new vault goes to another data directory, named with --data."
    )
    http_status = 409


class DescriptorMissing(PhoenixError):
    """A vault's folder without its descriptor."""

    code = "vault_descriptor_missing"
    template = "The vault in {path} lacks its vault.json{trace}."
    hint = (
        "Put vault.json back from a copy of the vault. Without one, `phoenix vault key change-passphrase` writes it "
        "anew, as long as this machine holds the vault's key. A new vault goes to another data directory, named "
        "with --data."
    )
    http_status = 409


class VaultLocked(PhoenixError):
    """The vault's key can't be had."""

    code = "vault_locked"
    template = "The vault's key is not available: {detail}."
    hint = (
        "`phoenix vault key move file --recover` (or keyring) asks for the recovery passphrase and takes the key from "
        "the vault itself. A core that runs is then started again."
    )
    retryable = True
    http_status = 409


class VaultRolledBack(PhoenixError):
    """The vault lacks records that this core has seen: the store dropped them, or was put back to an older state."""

    code = "vault_rolled_back"
    template = "Record {expected}, which this core has seen, is not in the vault any more: {instead}."
    hint = (
        "Find out who changed the storage, and put {missing} back into its folder records; then all goes on. Where "
        "that is lost for good, accept it with `phoenix setting set vault.accept_rollback {expected}`.{gives_up} Until "
        "then nothing is committed or deleted."
    )
    http_status = 409

    def __init__(self, *, found: int, expected: int, gives_up: str = "") -> None:
        """`found`: number of the newest record that is there. `gives_up`: a sentence on what accepting loses."""
        first = min(found + 1, expected)
        super().__init__(
            found=found,
            expected=expected,
            instead=f"its records end at {found}" if found < expected else "another record has its number",
            missing=f"record {expected}" if first == expected else f"records {first} to {expected}",
            gives_up=gives_up,
        )


class RecordsBroken(PhoenixError):
    """The chain of signed records doesn't verify."""

    code = "records_broken"
    template = "The vault's records can't be trusted from number {sequence} on: {detail}."
    hint = (
        "Find out who changed the storage, and put the right records back into its folder records; then all goes on. "
        "Where they are lost for good, move record {sequence} and all after it out of that folder{then}.{gives_up} "
        "Until then nothing is committed or deleted."
    )
    http_status = 409

    def __init__(self, *, sequence: int, detail: str, last_seen: int = 0, gives_up: str = "") -> None:
        """`last_seen`: number of the newest record that this core has seen. `gives_up`: as of VaultRolledBack."""
        accept = f", then `phoenix setting set vault.accept_rollback {last_seen}`"
        super().__init__(
            sequence=sequence,
            detail=detail,
            then=accept if last_seen >= sequence else "",
            gives_up=gives_up,
        )


class RecordsNewer(RecordsBroken):
    """A record is of a format that a later release brought."""

    code = "records_newer"
    template = "The vault's records were written by a newer Phoenix, from number {sequence} on: {detail}."
    hint = (
        "Update this core (`phoenix --version` shows what it is), and leave the records as they are. Until then "
        "nothing is committed or deleted."
    )


class StorageNodeUnknown(PhoenixError):
    code = "storage_node_unknown"
    template = "No storage node named {name} is enrolled."
    hint = (
        "{known}. `phoenix setting set storage.node NAME` chooses one, `phoenix setting set storage.node ''` the "
        "core's own folder; either takes effect when the core starts next."
    )
    exit_code = EXIT_USAGE
    http_status = 404

    def __init__(self, *, name: str, known: str = "None is enrolled") -> None:
        """`known`: a phrase with the names of those that are enrolled."""
        super().__init__(name=name, known=known)


class DamageFound(PhoenixError):
    """A verify found the vault damaged."""

    code = "damage_found"
    template = "The vault is damaged. Damages: {damages}; files that they hit: {files}, in snapshots: {snapshots}."
    hint = "`phoenix job show {job}` names them.{then}"

    def __init__(
        self,
        *,
        job: str,
        damages: int,
        files: int,
        snapshots: int,
        backups: str = "",
        of_data: bool = True,
        of_records: bool = False,
    ) -> None:
        """`backups`: the commands that back up what the damage hits. `of_data`, `of_records`: what is damaged."""
        then = ""
        if of_data:
            then += (
                " `phoenix vault repair` says what can be saved, and writes nothing; `phoenix vault repair --execute`"
                " saves it."
            )
        if backups:
            then += f" What the servers still have of the rest, a backup stores anew: {backups}."
        if of_records:
            then += (
                " No backup and no repair heals records: `phoenix doctor` says which to put back, and what else to do."
            )
        super().__init__(job=job, damages=damages, files=files, snapshots=snapshots, then=then)


class PruneHeldUp(PhoenixError):
    code = "prune_held_up"
    template = "Nothing was deleted, since these jobs were still running: {jobs}."
    hint = "Prune again once they have ended."
    retryable = True


class RemovalsLeftOut(PhoenixError):
    """Why no removal became final: as of PruneLeftOut."""

    code = "removals_left_out"
    template = "No removal became final by itself, since {detail}."
    hint = (
        "`phoenix vault verify` names what is hit, `phoenix vault repair` what can be saved. One that is to go all the "
        "same: `phoenix snapshot remove ID --at-once`."
    )


class PruneLeftOut(PhoenixError):
    """Why a prune on schedule was skipped: what is wrong with the vault may be mended yet, from all that lies in it."""

    code = "prune_left_out"
    template = "Nothing was pruned by itself, since {detail}."
    hint = (
        "`phoenix vault verify` names what is hit, `phoenix vault repair` what can be saved. `phoenix vault prune "
        "--execute` prunes all the same; it deletes what is damaged or lost and needed by no snapshot."
    )
