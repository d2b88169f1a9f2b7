"""`phoenix mount`."""

from pathlib import Path
from typing import Annotated

import typer

from phoenix_core.cli.options import Data, Json


def mount(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR", help="An empty folder to show them in.")] = None,
    webdav: Annotated[bool, typer.Option("--webdav", help="Serve them over WebDAV on this machine instead.")] = False,
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="For WebDAV. Default: any that is free.", show_default=False)
    ] = 0,
    data: Data = None,
    as_json: Json = False,
) -> None:
    """Show all snapshots as a read-only folder, SERVER/TIME/..., until Ctrl-C."""
    from phoenix_core.cli import mountwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(mountwork.mount(data_directory(data), folder, webdav=webdav, port=port, as_json=as_json), as_json=as_json)
