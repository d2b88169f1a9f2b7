"""What every screen is given: the live core, how things are shown, how commands are typed here."""

from dataclasses import dataclass

from phoenix_tui.client import LiveCore
from phoenix_tui.first_steps import Command
from phoenix_tui.formats import Formats


@dataclass(frozen=True)
class Context:
    live: LiveCore
    formats: Formats
    command: Command
