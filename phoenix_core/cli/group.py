"""`phoenix group list|show|set|remove`."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Data, Json, Yes

app = typer.Typer(help="Server groups: servers that are backed up alike.", no_args_is_help=True)
Name = Annotated[str, typer.Argument(metavar="GROUP", autocompletion=completion.groups)]


@app.command("list")
def list_groups(data: Data = None, as_json: Json = False) -> None:
    """List the server groups."""
    from phoenix_core.cli import groupwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(groupwork.list_all(data_directory(data), as_json=as_json), as_json=as_json)


@app.command("show")
def show(name: Name, data: Data = None, as_json: Json = False) -> None:
    """Show one group."""
    from phoenix_core.cli import groupwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(groupwork.show_one(data_directory(data), name, as_json=as_json), as_json=as_json)


@app.command("set")
def set_group(
    name: Name,
    policy: Annotated[
        str | None,
        typer.Option("--policy", help="Its backup policy; '' for none.", autocompletion=completion.policies),
    ] = None,
    rule: Annotated[
        list[str] | None,
        typer.Option(
            "--rule",
            help="A content rule. Repeatable; together they replace what was there.",
            autocompletion=completion.rules,
        ),
    ] = None,
    add: Annotated[
        list[str] | None,
        typer.Option("--add", metavar="SERVER", help="Repeatable.", autocompletion=completion.servers),
    ] = None,
    take_out: Annotated[
        list[str] | None,
        typer.Option("--take-out", metavar="SERVER", help="Repeatable.", autocompletion=completion.servers),
    ] = None,
    rename: Annotated[str | None, typer.Option("--rename", metavar="NAME", help="Give it another name.")] = None,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Make a group, or change what is named of one. A server is in one group at most."""
    from phoenix_core.cli import groupwork
    from phoenix_core.cli.boundary import data_directory, execute

    changes = groupwork.GroupChanges(policy=policy, rules=rule, add=add or [], take_out=take_out or [], name=rename)
    execute(groupwork.set_one(data_directory(data), name, changes, as_json=as_json), as_json=as_json)


@app.command("remove")
def remove(name: Name, yes: Yes = False, data: Data = None, as_json: Json = False) -> None:
    """Remove a group. Its servers stay, and what was backed up of them."""
    from phoenix_core.cli import groupwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(groupwork.remove_one(data_directory(data), name, yes=yes, as_json=as_json), as_json=as_json)
