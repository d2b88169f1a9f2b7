"""What the commands on the vault's key do, on the data directory itself: a core that runs learns at its next start."""

import asyncio
import os
from pathlib import Path

from phoenix_core.cli.output import print_facts, print_json, say
from phoenix_core.cli.passphrases import read_passphrase
from phoenix_core.cli.program import command_line
from phoenix_core.cli.vaultinit import RECOVERY_ADVICE, chosen_holder, location, shown_place
from phoenix_core.domain.errors import EXIT_DONE, EXIT_FAILED, PhoenixError, UsageError
from phoenix_core.engine.descriptor_copy import remember
from phoenix_core.engine.lost_descriptor import describe_anew
from phoenix_core.engine.vaults import find_vault, holds_objects, read_descriptor, replace_descriptor
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.keyholder import HolderStatus, KeyHolder
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.wrap import check_descriptor, new_passphrase, unwrap_any, wrap


async def status(data: DataDirectory, *, as_json: bool) -> int:
    data.require()
    found = await asyncio.to_thread(_holder_status, data)
    if as_json:
        print_json(found)
    else:
        print_facts(
            [
                ("Holder", found.holder or "-"),
                ("Vault", found.vault_id or "-"),
                ("Available", "yes" if found.available else "no"),
                ("Where", found.detail),
            ]
        )
        if found.vault_id and not found.available:
            recover = command_line(data, "vault", "key", "move", "file", "--recover")
            say(f"With the recovery passphrase, this takes it from the vault: {recover}")
    return EXIT_DONE if found.available else EXIT_FAILED


async def export(data: DataDirectory, file: Path, *, as_json: bool) -> None:
    """The key as 64 hex digits. Never to a file that is there."""
    data.require()
    key = await asyncio.to_thread(_load_checked, data)
    try:
        fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(detail=f"{file} can't be made: {error.strerror}.") from error
    with os.fdopen(fd, "w") as out:
        out.write(key.to_bytes().hex() + "\n")
        out.flush()
        os.fsync(out.fileno())
    if as_json:
        print_json({"file": str(file)})
    else:
        say(f"The vault's key is in {file}. Whoever has it can read every backup.")


async def change_passphrase(data: DataDirectory, file: Path | None, command: str | None, *, as_json: bool) -> None:
    """Where only vault.json is gone, it is written anew."""
    data.require()
    described, key, anew = await asyncio.to_thread(_load_or_describe, data)
    made_here = file is None and command is None and not os.isatty(0)
    passphrase = (
        new_passphrase() if made_here else read_passphrase(file, command, prompt="New recovery passphrase", again=True)
    )
    wrapped = await asyncio.to_thread(wrap, key, passphrase)
    changed = _with_wrapped(described, wrapped)
    await asyncio.to_thread(replace_descriptor, Path(location(data)), changed)
    await asyncio.to_thread(remember, data, changed)
    if as_json:
        print_json({"vault_id": described.vault_id} | ({"recovery_passphrase": passphrase} if made_here else {}))
        return
    if anew:
        say(f"vault.json of vault {described.vault_id} was written anew, with a new recovery passphrase.")
    else:
        say(f"The recovery passphrase of vault {described.vault_id} was changed.")
    if made_here:
        say(f"Recovery passphrase: {passphrase}")
        say(RECOVERY_ADVICE)


async def move(
    data: DataDirectory, name: str, file: Path | None, command: str | None, *, recover: bool, as_json: bool
) -> None:
    to = chosen_holder(name)
    data.require()
    keeper = KeyHolder(data, os.environ)
    if recover or file is not None or command is not None:
        described = await asyncio.to_thread(_descriptor, data)
        passphrase = read_passphrase(file, command, prompt="Recovery passphrase")
        key = await asyncio.to_thread(unwrap_any, described.wrapped_keys, passphrase)
        check_descriptor(described, key)
        place = shown_place(data)
        await asyncio.to_thread(keeper.move, to, key.to_bytes(), described.vault_id, place=place)
        await asyncio.to_thread(remember, data, described)
    else:
        await asyncio.to_thread(keeper.move, to)
    found = await asyncio.to_thread(keeper.status)
    if as_json:
        print_json(found)
    else:
        say(f"The vault's key is now held by: {found.holder} ({found.detail}).")


def _holder_status(data: DataDirectory) -> HolderStatus:
    """Of a vault whose key was never here, too. Blocks."""
    found = KeyHolder(data, os.environ).status()
    if found.vault_id:
        return found
    try:
        there = read_descriptor(Path(location(data)))
    except PhoenixError:
        return found
    if there is None:
        return found
    detail = f"nowhere: there is a vault in {location(data)}, and this data directory never held its key"
    return HolderStatus(None, there.vault_id, available=False, detail=detail)


def _load_checked(data: DataDirectory) -> VaultKey:
    """The key, if it is this vault's. Raises as `find_vault`, NotThisVaultsKey, and what the holder raises."""
    described = _descriptor(data)
    key = VaultKey.from_bytes(KeyHolder(data, os.environ).load())
    check_descriptor(described, key)
    return key


def _load_or_describe(data: DataDirectory) -> tuple[VaultDescriptor, VaultKey, bool]:
    """The vault, its key, and whether its vault.json is gone. Raises as `_load_checked` and `describe_anew`."""
    folder = Path(location(data))
    if read_descriptor(folder) is not None or not holds_objects(folder):
        key = _load_checked(data)
        return _descriptor(data), key, False
    key = VaultKey.from_bytes(KeyHolder(data, os.environ).load())
    return describe_anew(data, folder, key), key, True


def _descriptor(data: DataDirectory) -> VaultDescriptor:
    return find_vault(data, Path(location(data)))


def _with_wrapped(described: VaultDescriptor, wrapped: object) -> VaultDescriptor:
    import msgspec

    return msgspec.structs.replace(described, wrapped_keys=(wrapped,))
