"""Errors about this host: its data directory, configuration and key holder."""

from phoenix_core.domain.errors import EXIT_USAGE, PhoenixError


class DataDirectoryInUse(PhoenixError):
    code = "data_directory_in_use"
    template = "The data directory {path} is in use by process {pid}."
    hint = "Use the core that runs there, stop it, or name another directory with --data."
    retryable = True
    http_status = 409


class DataDirectoryMissing(PhoenixError):
    """Only what begins something makes a data directory: a mistyped one would be a second, empty Phoenix."""

    code = "data_directory_missing"
    template = "There is no {what} in {path}."
    hint = (
        "Name its data directory with --data or PHOENIX_DATA. "
        "To begin one there: `phoenix vault init`, or `phoenix quickstart` to try it."
    )
    exit_code = EXIT_USAGE


class DataDirectoryUnusable(PhoenixError):
    code = "data_directory_unusable"
    template = "The data directory {path} can't be used: {detail}."
    hint = "Choose a folder that you may write with --data or PHOENIX_DATA."


class ConfigInvalid(PhoenixError):
    code = "config_invalid"
    template = "The configuration {path}, line {line}: {detail}."
    hint = "Correct that line; docs/manual/configuration.md says what may stand in the file."
    exit_code = EXIT_USAGE


class ConfigUnreadable(PhoenixError):
    code = "config_unreadable"
    template = "The configuration {path} can't be read: {detail}."
    hint = "See that this user may read it and that it is UTF-8 text."
    exit_code = EXIT_USAGE


class KeyMissing(PhoenixError):
    """Nothing holds the vault's key, as far as this data directory knows."""

    code = "vault_key_missing"
    template = "The vault's key is not there: {detail}."
    hint = (
        "`phoenix vault key status` says who should hold it. `phoenix vault key move file --recover` (or keyring) asks "
        "for the recovery passphrase and takes the key from the vault itself."
    )


class KeyHolderLocked(PhoenixError):
    """The key's holder exists but doesn't open."""

    code = "vault_key_locked"
    template = "The {holder} doesn't give the vault's key: {detail}."
    hint = "Unlock it. Or take the key from the vault, with its passphrase: `phoenix vault key move file --recover`."
    retryable = True


class KeyHolderUnfit(PhoenixError):
    """This holder can't be used here."""

    code = "vault_key_holder_unfit"
    template = "The {holder} can't hold the vault's key here: {detail}."
    hint = (
        "Choose another: {others}. Where the key can't be read, add --recover, which takes it from the vault with the "
        "recovery passphrase."
    )
    exit_code = EXIT_USAGE

    def __init__(self, *, holder: str, detail: str) -> None:
        super().__init__(holder=holder, detail=detail, others=_others(holder))


class KeyHolderFailed(PhoenixError):
    code = "vault_key_holder_failed"
    template = "The vault's key can't be kept by the {holder}: {detail}."
    hint = "Correct that, or choose another holder: {others}."

    def __init__(self, *, holder: str, detail: str) -> None:
        super().__init__(holder=holder, detail=detail, others=_others(holder))


def _others(holder: str) -> str:
    """Commands that move the key to a holder other than this one."""
    rest = (name for name in ("file", "keyring", "credential") if name != holder.split(maxsplit=1)[0])
    return " or ".join(f"`phoenix vault key move {name}`" for name in rest)


class KeyOfOtherVault(PhoenixError):
    """A data directory holds the key of one vault."""

    code = "vault_key_of_other_vault"
    template = "This data directory holds the key of vault {held}; that of vault {vault} can't take its place."
    hint = "Give vault {vault} a data directory of its own, with --data."


class KeyFileTaken(PhoenixError):
    """The file for the vault's key holds a key that is not this vault's."""

    code = "vault_key_file_taken"
    template = "{path} holds another key than that of vault {vault}."
    hint = "It may be the only key of another vault: move that file to a safe place, then try again."


class SpaceUnknown(PhoenixError):
    code = "space_unknown"
    template = "The free space of {path} can't be told: {detail}."
    hint = "See that the path is right and that this user may look into it."


class SecretUnavailable(PhoenixError):
    """The password or secret of a notification channel can't be kept or had."""

    code = "channel_secret_unavailable"
    template = "The password or secret can't be kept or had: {detail}."
    hint = "Put that right, or give it anew: `phoenix notification set NAME --secret-file FILE`."
