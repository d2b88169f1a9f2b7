"""What an agent asks its core beside `OwnRestoreRequest`: which restore points its own server has, and how a job of its
own goes. Only of cores whose `Welcome` names `features.OWN_RESTORES`."""

import msgspec

from phoenix_core.agentlink.messages import Message
from phoenix_core.domain.errors import ErrorView

MISSING_MAX = 20
SNAPSHOTS_MAX = 1000


class OwnSnapshot(msgspec.Struct, frozen=True, omit_defaults=True):
    snapshot_id: str
    taken_ns: int
    """Of its server's clock, since the epoch, UTC."""
    paths: tuple[str, ...]
    """In shown form."""
    files: int = 0
    bytes: int = 0
    missing_count: int = 0
    lost: bool = False
    """Its object can't be read."""
    tags: tuple[str, ...] = ()


class OwnSnapshotsRequest(Message, frozen=True):
    """Agent → core: the newest restore points of its server, not those of an earlier enrolment under its name."""

    number: int
    limit: int = 100


class OwnSnapshotsAnswer(Message, frozen=True):
    number: int
    snapshots: tuple[OwnSnapshot, ...] = ()
    """Newest first."""
    error: ErrorView | None = None


class OwnJobRequest(Message, frozen=True):
    """Agent → core: how a job of this agent goes."""

    number: int
    job: str


class OwnJobAnswer(Message, frozen=True):
    number: int
    job: str = ""
    state: str = ""
    """As `JobState` has it."""
    is_over: bool = False
    snapshot_id: str = ""
    result: dict[str, int | float | str | bool] = msgspec.field(default_factory=dict)
    """Named as in `RestoreResult`."""
    missing: tuple[tuple[str, str], ...] = ()
    """Path and reason of the first ones."""
    missing_count: int = 0
    failure: ErrorView | None = None
    """Why the job failed."""
    error: ErrorView | None = None
    """Why there is no answer."""
