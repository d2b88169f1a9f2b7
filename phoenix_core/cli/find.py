"""`phoenix find`."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Data, Json


def find(
    pattern: Annotated[
        str, typer.Argument(metavar="NAME|GLOB", help="Part of a name, or such as '*.conf' or '/etc/*/hosts'.")
    ],
    server: Annotated[
        str, typer.Option("--server", metavar="SERVER", help="Of this server only.", autocompletion=completion.servers)
    ] = "",
    path: Annotated[str, typer.Option("--path", metavar="FOLDER", help="Below this folder only.")] = "/",
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="In snapshots since then: 2026-11-24, or 7d, 12h.")
    ] = "",
    until: Annotated[str, typer.Option("--until", metavar="TIME", help="In snapshots until then.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=0, help="At most so many versions; 0: all.")] = 1000,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Find files by name in all snapshots: each version once, with where to restore it from."""
    from phoenix_core.cli import findwork
    from phoenix_core.cli.boundary import data_directory, execute

    wanted = findwork.Wanted(pattern, server, path, since, until, limit)
    execute(findwork.find(data_directory(data), wanted, as_json=as_json), as_json=as_json)
