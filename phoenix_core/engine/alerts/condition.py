"""What sources of alerts find: the conditions that hold now, and of which kinds that could be told at all."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import msgspec

from phoenix_core.domain.alerts import AlertKind, Severity
from phoenix_core.domain.views import Event

Key = tuple[AlertKind, str]
"""Kind, and id of the subject."""
IsActive = Callable[[AlertKind, str], bool]
"""Whether there is an active alert of this kind and subject."""


class Condition(msgspec.Struct, frozen=True):
    kind: AlertKind
    subject_id: str
    subject: str
    """For people, such as a server's name."""
    severity: Severity
    text: str
    """What happened, to what. It says when by the clock, not how long ago, so that it stays true and the same."""
    hint: str
    """What to do next."""
    server_id: str = ""
    job_id: str = ""
    at: datetime | None = None
    """When it happened last; None: it lasts."""
    occurrences: int = 0
    """How often in a row it has happened; 0: it lasts."""

    @property
    def key(self) -> Key:
        return self.kind, self.subject_id


class Found(msgspec.Struct):
    """What one look of a source found."""

    told: set[AlertKind]
    """Kinds of which all conditions that hold are here; alerts of other kinds stay as they are."""
    conditions: list[Condition] = []
    over: dict[Key, str] = {}
    """Why a condition is gone, where the source knows better than `words.over`."""
    undecided: set[Key] = set()
    """Of those kinds, what can't be told of yet: what is active of it stays as it is."""


class Source(Protocol):
    def heed(self, event: Event) -> bool:
        """Note what an event tells; whether something of this source may have changed by it."""

    def forget(self) -> None:
        """Events were missed: nothing that was noted from them holds."""

    async def look(self, now: datetime) -> Found:
        """What holds now. Raises PhoenixError where nothing can be told."""
