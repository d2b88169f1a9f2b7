"""`phoenix vault init|status|verify|repair|prune|rebuild-index`, `phoenix vault key …`."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Data, Detach, Json, PassphraseCommand, PassphraseFile, Yes

app = typer.Typer(help="The vault: where the backups lie.", no_args_is_help=True)
key_app = typer.Typer(help="The vault's key and its recovery passphrase.", no_args_is_help=True)
app.add_typer(key_app, name="key")


@app.command("init")
def init(
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
    ask: Annotated[bool, typer.Option("--ask", help="Ask for a passphrase of your own instead of making one.")] = False,
    holder: Annotated[
        str,
        typer.Option(
            "--holder",
            help="Who holds the key: keyring or file. Default: the keyring if it opens.",
            autocompletion=completion.key_holders,
        ),
    ] = "",
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a vault. Prints its recovery passphrase once, unless you gave your own."""
    from phoenix_core.cli import vaultinit
    from phoenix_core.cli.boundary import data_directory, execute

    work = vaultinit.init(
        data_directory(data), passphrase_file, passphrase_command, ask=ask, holder=holder, as_json=as_json
    )
    execute(work, as_json=as_json)


@app.command("status")
def status(data: Data = None, as_json: Json = False) -> None:
    """Show the vault: size, packs, proof, key."""
    from phoenix_core.cli import vaultwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(vaultwork.status(data_directory(data), as_json=as_json), as_json=as_json)


@app.command("verify")
def verify(
    depth: Annotated[
        str,
        typer.Option(
            "--depth",
            help="structure, packs (every byte), or chunks (everything decrypted).",
            autocompletion=completion.verify_depths,
        ),
    ] = "structure",
    snapshot: Annotated[
        list[str] | None,
        typer.Option(
            "--snapshot", metavar="ID", help="Only this one. Repeatable.", autocompletion=completion.snapshots
        ),
    ] = None,
    detach: Detach = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Verify that everything is there and what it was. Exits with 1 where damage is found."""
    from phoenix_core.cli import vaultwork
    from phoenix_core.cli.boundary import data_directory, execute

    work = vaultwork.verify(data_directory(data), depth, snapshot or [], detach=detach, as_json=as_json)
    execute(work, as_json=as_json)


@app.command("repair")
def repair(
    depth: Annotated[
        str,
        typer.Option(
            "--depth",
            help="How deep to look for more damage: structure, packs or chunks, as of verify. Packs that were found "
            "damaged before are read at any depth.",
            autocompletion=completion.verify_depths,
        ),
    ] = "structure",
    do_execute: Annotated[bool, typer.Option("--execute", help="Carry the plan out.")] = False,
    detach: Detach = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Plan, and with --execute save, what can be saved of damaged packs. Names what another backup heals. Never deletes
    what may yet be read; safe beside backups and restores. Exits with 3 where damage is left."""
    from phoenix_core.cli import vaultwork
    from phoenix_core.cli.boundary import data_directory, execute

    work = vaultwork.repair(data_directory(data), depth, carry_out=do_execute, detach=detach, as_json=as_json)
    execute(work, as_json=as_json)


@app.command("prune")
def prune(
    do_execute: Annotated[bool, typer.Option("--execute", help="Carry the plan out.")] = False,
    yes: Yes = False,
    detach: Detach = False,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Plan, and with --execute free, the space of what no snapshot needs. Safe beside running backups."""
    from phoenix_core.cli import vaultwork
    from phoenix_core.cli.boundary import data_directory, execute

    work = vaultwork.prune(data_directory(data), carry_out=do_execute, yes=yes, detach=detach, as_json=as_json)
    execute(work, as_json=as_json)


@app.command("rebuild-index")
def rebuild_index(detach: Detach = False, data: Data = None, as_json: Json = False) -> None:
    """Make the index anew from the vault alone."""
    from phoenix_core.cli import vaultwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(vaultwork.rebuild_index(data_directory(data), detach=detach, as_json=as_json), as_json=as_json)


@key_app.command("status")
def key_status(data: Data = None, as_json: Json = False) -> None:
    """Show who holds the vault's key, and whether it can be had."""
    from phoenix_core.cli import keywork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(keywork.status(data_directory(data), as_json=as_json), as_json=as_json)


@key_app.command("export")
def key_export(
    file: Annotated[Path, typer.Argument(help="New file for the key, made with mode 0600.")],
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Write the vault's key to a file, for a safe. Whoever has it can read everything."""
    from phoenix_core.cli import keywork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(keywork.export(data_directory(data), file, as_json=as_json), as_json=as_json)


@key_app.command("change-passphrase")
def key_change_passphrase(
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Replace the recovery passphrase. The old one no longer opens this vault."""
    from phoenix_core.cli import keywork
    from phoenix_core.cli.boundary import data_directory, execute

    work = keywork.change_passphrase(data_directory(data), passphrase_file, passphrase_command, as_json=as_json)
    execute(work, as_json=as_json)


@key_app.command("move")
def key_move(
    holder: Annotated[str, typer.Argument(help="keyring, credential or file.", autocompletion=completion.key_holders)],
    recover: Annotated[
        bool, typer.Option("--recover", help="Open the key with the recovery passphrase, not from its holder.")
    ] = False,
    passphrase_file: PassphraseFile = None,
    passphrase_command: PassphraseCommand = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Give the vault's key to another holder, or with --recover back to this machine."""
    from phoenix_core.cli import keywork
    from phoenix_core.cli.boundary import data_directory, execute

    work = keywork.move(
        data_directory(data), holder, passphrase_file, passphrase_command, recover=recover, as_json=as_json
    )
    execute(work, as_json=as_json)
