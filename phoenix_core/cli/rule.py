"""`phoenix rule list|show|set|test|remove`."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli import ruleoptions as fields
from phoenix_core.cli.options import Data, Json, Yes

app = typer.Typer(help="Content rules: which folders are backed up.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="RULE", autocompletion=completion.rules)]
Names = Annotated[list[str], typer.Argument(metavar="RULE...", autocompletion=completion.rules)]
Like = Annotated[
    str | None,
    typer.Option(
        "--like",
        metavar="RULE",
        help="Begin with what this rule says, such as the ready-made linux-server.",
        autocompletion=completion.rules,
    ),
]


@app.command("list")
def list_rules(data: Data = None, as_json: Json = False) -> None:
    """List the content rules."""
    from phoenix_core.cli import rulework
    from phoenix_core.cli.boundary import data_directory, execute

    execute(rulework.list_all(data_directory(data), as_json=as_json), as_json=as_json)


@app.command("show")
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Show one rule, or a ready-made one: linux-server, windows-server."""
    from phoenix_core.cli import rulework
    from phoenix_core.cli.boundary import data_directory, execute

    execute(rulework.show_one(data_directory(data), name, as_json=as_json), as_json=as_json)


@app.command("set")
def set_rule(
    name: Name,
    like: Like = None,
    path: fields.Paths = None,
    exclude: fields.Excludes = None,
    include: fields.Includes = None,
    only_extension: fields.OnlyExtensions = None,
    not_extension: fields.NotExtensions = None,
    smallest: fields.Smallest = None,
    largest: fields.Largest = None,
    changed_within: fields.ChangedWithin = None,
    older_than: fields.OlderThan = None,
    skip_caches: fields.SkipCaches = None,
    disk_image: fields.DiskImages = None,
    stream: fields.Streams = None,
    cross_mounts: fields.CrossMounts = None,
    rename: Annotated[str | None, typer.Option("--rename", metavar="NAME", help="Give it another name.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a rule, or change what is named of one. `rule test` shows what it takes."""
    from phoenix_core.cli import rulework
    from phoenix_core.cli.boundary import data_directory, execute

    changes = rulework.RuleChanges(
        like=like,
        paths=path,
        excludes=exclude,
        includes=include,
        only_extensions=only_extension,
        not_extensions=not_extension,
        smallest_bytes=smallest,
        largest_bytes=largest,
        changed_within_s=changed_within,
        older_than_s=older_than,
        skip_caches=skip_caches,
        disk_images=disk_image,
        streams=stream,
        cross_mounts=cross_mounts,
        name=rename,
    )
    execute(rulework.set_one(data_directory(data), name, changes, as_json=as_json), as_json=as_json)


@app.command("test")
def try_out(
    names: Names,
    server: Annotated[
        str, typer.Option("--server", metavar="SERVER", help="Name or id.", autocompletion=completion.servers)
    ],
    only: Annotated[
        str, typer.Option("--show", metavar="WHICH", help="all, in, out, or none: the numbers only.")
    ] = "all",
    like: Like = None,
    path: fields.Paths = None,
    exclude: fields.Excludes = None,
    include: fields.Includes = None,
    only_extension: fields.OnlyExtensions = None,
    not_extension: fields.NotExtensions = None,
    smallest: fields.Smallest = None,
    largest: fields.Largest = None,
    changed_within: fields.ChangedWithin = None,
    older_than: fields.OlderThan = None,
    skip_caches: fields.SkipCaches = None,
    disk_image: fields.DiskImages = None,
    cross_mounts: fields.CrossMounts = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """List what a backup of a server by these rules would take and leave out, and why.

    The server's agent is asked; nothing is stored. With further options the rule is tested as `rule set` would make it.
    With --json each entry is a line of its own, and the last line is the summary."""
    from phoenix_core.cli import ruletestwork, rulework
    from phoenix_core.cli.boundary import data_directory, execute

    changes = rulework.RuleChanges(
        like=like,
        paths=path,
        excludes=exclude,
        includes=include,
        only_extensions=only_extension,
        not_extensions=not_extension,
        smallest_bytes=smallest,
        largest_bytes=largest,
        changed_within_s=changed_within,
        older_than_s=older_than,
        skip_caches=skip_caches,
        disk_images=disk_image,
        cross_mounts=cross_mounts,
        name=None,
    )
    work = ruletestwork.try_rules(data_directory(data), names, server, only, changes, as_json=as_json)
    execute(work, as_json=as_json)


@app.command("remove")
def remove(name: Name, yes: Yes = False, data: Data = None, as_json: Json = False) -> None:
    """Remove a rule that no group has."""
    from phoenix_core.cli import rulework
    from phoenix_core.cli.boundary import data_directory, execute

    execute(rulework.remove_one(data_directory(data), name, yes=yes, as_json=as_json), as_json=as_json)
