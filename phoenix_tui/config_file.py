"""The file of all policies, rules, groups and notifications, as the console finds and writes it."""

from pathlib import Path

from phoenix_core.configfile import to_text
from phoenix_core.domain.errors import PhoenixError
from phoenix_core.domain.policies import Config

FIRST_NAME = "phoenix-config.toml"


class ConfigFileUnnamed(PhoenixError):
    code = "config_file_unnamed"
    template = "No file is named by {typed!r}: {detail}."
    hint = "Type a path, such as ~/phoenix-config.toml."


class ConfigFileKept(PhoenixError):
    code = "config_file_kept"
    template = "{file} is there already, and stays as it is."
    hint = "Save once more to replace it, or name another one."


class ConfigFileUnwritable(PhoenixError):
    code = "config_file_unwritable"
    template = "The file {file} can't be written: {detail}."
    hint = "Name another one."


def place_of(typed: str) -> Path:
    """Of a path as somebody types it, seen from where the console was started. Raises ConfigFileUnnamed."""
    if not typed.strip():
        raise ConfigFileUnnamed(typed=typed, detail="nothing is typed")
    try:
        return Path(typed.strip()).expanduser().absolute()
    except (OSError, RuntimeError) as error:
        raise ConfigFileUnnamed(typed=typed, detail=str(error).rstrip(".")) from error


def write(config: Config, file: Path, *, replace: bool) -> None:
    """Blocks. Raises ConfigFileKept where it is there and not to be replaced, ConfigFileUnwritable."""
    try:
        with file.open("w" if replace else "x", encoding="utf-8") as opened:
            opened.write(to_text(config))
    except FileExistsError as error:
        raise ConfigFileKept(file=file) from error
    except OSError as error:
        raise ConfigFileUnwritable(file=file, detail=error.strerror or str(error)) from error


def shown(file: Path) -> str:
    """As somebody would type it."""
    try:
        return f"~/{file.relative_to(Path.home())}"
    except (RuntimeError, ValueError):
        return str(file)
