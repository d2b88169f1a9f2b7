"""Makes a vault: for `vault init` and for quickstart."""

import asyncio
import os
from pathlib import Path

from phoenix_core.cli.attach import answers
from phoenix_core.cli.errors import CoreRunning
from phoenix_core.cli.output import print_json, say
from phoenix_core.cli.passphrases import read_passphrase
from phoenix_core.cli.program import command_line
from phoenix_core.client import CoreClient
from phoenix_core.domain.errors import PhoenixError, UsageError
from phoenix_core.domain.names import shown
from phoenix_core.engine.vault_errors import VaultExists
from phoenix_core.engine.vaults import create_vault, find_vault
from phoenix_core.host.config import read_config
from phoenix_core.host.datadir import CoreLock, DataDirectory
from phoenix_core.host.keyholder import Holder, KeyHolder
from phoenix_core.vault.descriptor import VaultDescriptor
from phoenix_core.vault.vaultkey import VaultKey
from phoenix_core.vault.wrap import new_passphrase

RECOVERY_ADVICE = "Write it down and keep it away from this machine: with it alone a vault can be opened."


async def init(
    data: DataDirectory, file: Path | None, command: str | None, *, ask: bool, holder: str, as_json: bool
) -> None:
    await asyncio.to_thread(_refuse_beside_vault, data)
    await refuse_while_core_runs(data, "making a vault")
    made_here = file is None and command is None and not ask
    passphrase = (
        new_passphrase() if made_here else read_passphrase(file, command, prompt="Recovery passphrase", again=True)
    )
    descriptor, kept_by = await asyncio.to_thread(make_vault, data, passphrase, holder)
    if as_json:
        fields: dict[str, str] = {"vault_id": descriptor.vault_id, "location": location(data), "key_holder": kept_by}
        print_json(fields | ({"recovery_passphrase": passphrase} if made_here else {}))
        return
    say(f"Made vault {descriptor.vault_id} in {location(data)}; its key is held by: {kept_by}.")
    if made_here:
        say(f"Recovery passphrase: {passphrase}")
        say(RECOVERY_ADVICE)
    say(f"Next, start the core: {command_line(data, 'core', 'run')}")


def make_vault(data: DataDirectory, passphrase: str, holder: str = "") -> tuple[VaultDescriptor, Holder]:
    """Blocks. Raises as `create_vault`, UsageError, DataDirectoryInUse, and what the holder raises."""
    keeper = KeyHolder(data, os.environ)
    chosen = chosen_holder(holder) if holder else keeper.best()
    place = shown_place(data)

    def keep(key: VaultKey, descriptor: VaultDescriptor) -> None:
        keeper.store(chosen, descriptor.vault_id, key.to_bytes(), place=place, provisional=True)

    data.create()
    lock = CoreLock(data)  # nobody else makes a vault here, and no core starts
    lock.acquire()
    try:
        descriptor, _ = create_vault(data, passphrase, keep, folder=Path(location(data)))
        keeper.confirm()
    finally:
        lock.release()
    return descriptor, chosen


def _refuse_beside_vault(data: DataDirectory) -> None:
    """Raises VaultExists: then nothing needs to be stopped for another. Blocks."""
    try:
        find_vault(data, Path(location(data)))
    except PhoenixError:
        return  # there is none, or what is wrong with it is said when one is made
    raise VaultExists(path=location(data))


def shown_place(data: DataDirectory) -> str:
    """The vault's folder, for the key holder's record."""
    return shown(os.fsencode(location(data)))


def location(data: DataDirectory) -> str:
    return str(read_config(data, embedded=True).vault_path or data.vault)


def chosen_holder(name: str) -> Holder:
    """Raises UsageError."""
    try:
        return Holder(name)
    except ValueError as error:
        raise UsageError(detail=f"{name} can't hold the key; there are {', '.join(Holder)}.") from error


async def refuse_while_core_runs(data: DataDirectory, action: str) -> None:
    """Raises CoreRunning: a core reads vault and key when it starts."""
    async with CoreClient(data.core_socket) as client:
        if await answers(client):
            raise CoreRunning(path=data.root, pid=(await client.status()).pid, action=action)
