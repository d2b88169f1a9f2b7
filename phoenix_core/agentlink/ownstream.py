"""Streams that somebody on the agent's own host hands to it: the agent asks the core for a job, and how that goes."""

from phoenix_core.agentlink.messages import Message
from phoenix_core.domain.errors import ErrorView


class OwnStreamRequest(Message, frozen=True):
    """Agent → core: a backup of a stream that waits here, or, with `job`, how that job goes. Asked again, it makes no
    second job. Only to cores whose `Welcome` names `features.OWN_STREAMS`."""

    number: int
    token: str = ""
    """Names the sender that waits here; it comes back in the order."""
    name: str = ""
    tags: tuple[str, ...] = ()
    job: str = ""


class OwnStreamAnswer(Message, frozen=True):
    number: int
    job: str = ""
    state: str = ""
    """As `JobState` has it."""
    is_over: bool = False
    snapshot_id: str = ""
    failure: ErrorView | None = None
    """Why the job made no snapshot."""
    error: ErrorView | None = None
    """Why there is no answer."""
