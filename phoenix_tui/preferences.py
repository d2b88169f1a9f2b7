"""The operator's own choices, in `console.toml` of the data directory: theme and keys."""

import re
import tomllib
from pathlib import Path

import msgspec

from phoenix_core.domain.errors import PhoenixError
from phoenix_tui.themes import DARK, THEMES

FILE_NAME = "console.toml"


class PreferencesUnreadable(PhoenixError):
    code = "console_preferences_unreadable"
    template = "The console's preferences in {path} can't be read: {detail}."
    hint = "Correct the file, or delete it; until then the defaults are used."


class Preferences(msgspec.Struct, frozen=True):
    theme: str = ""
    keys: dict[str, str] = {}
    """Key by action id, such as `jobs.cancel = "k"`."""


def load(data_dir: Path) -> Preferences:
    """Raises PreferencesUnreadable."""
    path = data_dir / FILE_NAME
    try:
        return msgspec.convert(tomllib.loads(path.read_text("utf-8")), Preferences)
    except FileNotFoundError:
        return Preferences()
    except (OSError, ValueError) as error:
        raise PreferencesUnreadable(path=path, detail=str(error).rstrip(".")) from error


def save_theme(data_dir: Path, theme: str) -> None:
    """Write the theme into the file; the rest of it stays as the operator wrote it. Raises PreferencesUnreadable."""
    path = data_dir / FILE_NAME
    line = f'theme = "{theme}"\n'
    try:
        text = path.read_text("utf-8") if path.exists() else ""
        changed, found = re.subn(r"(?m)^theme\s*=.*\n?", line, text, count=1)
        path.write_text(changed if found else line + text, "utf-8")
    except OSError as error:
        raise PreferencesUnreadable(path=path, detail=error.strerror) from error


def theme_of(preferences: Preferences, *, no_color: bool) -> str:
    """The theme to begin with: the operator's; without one, what NO_COLOR asks for."""
    if preferences.theme in THEMES:
        return preferences.theme
    return "phoenix-plain" if no_color else DARK
