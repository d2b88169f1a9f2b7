"""What every screen is given: the live core and how things are shown."""

from dataclasses import dataclass

from phoenix_tui.client import LiveCore
from phoenix_tui.formats import Formats


@dataclass(frozen=True)
class Context:
    live: LiveCore
    formats: Formats
