"""The options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli import completion

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="PHOENIX_DATA",
        metavar="DIR",
        help="Data directory. Default: the platform's user data directory.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")]
AtOnce = Annotated[bool, typer.Option("--at-once", help="So that nothing undoes it.")]
Confirm = Annotated[
    str, typer.Option("--confirm", metavar="NAME", help="The name that would be asked for; for scripts.")
]
ConfirmId = Annotated[
    str, typer.Option("--confirm", metavar="ID", help="The first twelve digits of its id, else asked for; for scripts.")
]
Detach = Annotated[bool, typer.Option("--detach", help="Don't wait for the job.")]
WaitAgent = Annotated[
    float | None,
    typer.Option(
        "--wait-agent",
        metavar="SECONDS",
        help="How long to wait for an agent that is away; 0 queues the job and exits with 4. Default: for ever.",
        show_default=False,
    ),
]
ServerName = Annotated[str, typer.Argument(metavar="SERVER", help="Name or id.", autocompletion=completion.servers)]
JobId = Annotated[str, typer.Argument(metavar="JOB", help="Id, or its start.", autocompletion=completion.jobs)]
SnapshotId = Annotated[
    str, typer.Argument(metavar="SNAPSHOT", help="Id, or its start.", autocompletion=completion.snapshots)
]
RestoreTo = Annotated[
    str, typer.Option("--to", metavar="DIR", help="Restore below this folder. Default: the original place.")
]
Conflict = Annotated[
    str | None,
    typer.Option(
        "--conflict",
        metavar="RULE",
        help="Where something exists: overwrite, skip, keep_both, if_older. Default: the setting restore.conflict.",
        autocompletion=completion.conflict_rules,
    ),
]
PassphraseFile = Annotated[
    Path | None,
    typer.Option("--passphrase-file", metavar="FILE", help="Read the passphrase from the file's first line."),
]
PassphraseCommand = Annotated[
    str | None,
    typer.Option("--passphrase-command", metavar="COMMAND", help="Take the passphrase from a command's output."),
]

DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be written, with its content; write nothing.")]
NoStart = Annotated[bool, typer.Option("--no-start", help="Don't start it; it starts with the system.")]
ImageRoot = Annotated[
    Path | None,
    typer.Option("--root", metavar="DIR", help="Write into the system in this folder, as where an image is built."),
]
ProgramPath = Annotated[
    Path | None,
    typer.Option("--program", metavar="PATH", help="The phoenix that the service starts. Default: this one."),
]
RemoveData = Annotated[
    str,
    typer.Option(
        "--remove-data", metavar="HOSTNAME", help="Delete the data directory too; this host's name confirms it."
    ),
]
