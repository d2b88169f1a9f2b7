"""`phoenix rule list|show|set|remove`."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Data, Json, Yes

app = typer.Typer(help="Content rules: which folders are backed up.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="RULE", autocompletion=completion.rules)]


@app.command("list")
def list_rules(data: Data = None, as_json: Json = False) -> None:
    """List the content rules."""
    from phoenix_core.cli import rulework
    from phoenix_core.cli.boundary import data_directory, execute

    execute(rulework.list_all(data_directory(data), as_json=as_json), as_json=as_json)


@app.command("show")
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Show one rule."""
    from phoenix_core.cli import rulework
    from phoenix_core.cli.boundary import data_directory, execute

    execute(rulework.show_one(data_directory(data), name, as_json=as_json), as_json=as_json)


@app.command("set")
def set_rule(
    name: Name,
    path: Annotated[
        list[str] | None,
        typer.Option(
            "--path",
            metavar="PATH",
            help="Absolute. Repeatable; together they replace what was there.",
            show_default=False,
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option("--exclude", metavar="PATTERN", help="Leave out, as in .gitignore; '' for nothing. Repeatable."),
    ] = None,
    cross_mounts: Annotated[
        bool | None,
        typer.Option("--cross-mounts/--no-cross-mounts", help="Go into other file systems.", show_default=False),
    ] = None,
    rename: Annotated[str | None, typer.Option("--rename", metavar="NAME", help="Give it another name.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a rule, or change what is named of one."""
    from phoenix_core.cli import rulework
    from phoenix_core.cli.boundary import data_directory, execute

    changes = rulework.RuleChanges(paths=path, excludes=exclude, cross_mounts=cross_mounts, name=rename)
    execute(rulework.set_one(data_directory(data), name, changes, as_json=as_json), as_json=as_json)


@app.command("remove")
def remove(name: Name, yes: Yes = False, data: Data = None, as_json: Json = False) -> None:
    """Remove a rule that no group has."""
    from phoenix_core.cli import rulework
    from phoenix_core.cli.boundary import data_directory, execute

    execute(rulework.remove_one(data_directory(data), name, yes=yes, as_json=as_json), as_json=as_json)
