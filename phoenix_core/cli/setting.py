"""`phoenix setting list|get|set`."""

from typing import Annotated

import typer

from phoenix_core.cli import completion
from phoenix_core.cli.options import Data, Json

app = typer.Typer(help="Settings.", no_args_is_help=True)
Key = Annotated[str, typer.Argument(metavar="KEY", autocompletion=completion.settings)]


@app.command("list")
def list_settings(data: Data = None, as_json: Json = False) -> None:
    """List all settings."""
    from phoenix_core.cli import settingwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(settingwork.list_all(data_directory(data), as_json=as_json), as_json=as_json)


@app.command("get")
def get(key: Key, data: Data = None, as_json: Json = False) -> None:
    """Print a setting's value."""
    from phoenix_core.cli import settingwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(settingwork.get(data_directory(data), key, as_json=as_json), as_json=as_json)


@app.command("set")
def set_value(key: Key, value: str, data: Data = None, as_json: Json = False) -> None:
    """Change a setting."""
    from phoenix_core.cli import settingwork
    from phoenix_core.cli.boundary import data_directory, execute

    execute(settingwork.set_value(data_directory(data), key, value, as_json=as_json), as_json=as_json)
