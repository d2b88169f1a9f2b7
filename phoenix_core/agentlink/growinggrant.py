"""A restore's grant that still grows while the agent plans: the agent asks how far it is."""

from phoenix_core.agentlink.messages import Message
from phoenix_core.domain.errors import ErrorView


class GrantRequest(Message, frozen=True):
    """Agent → core: how far the grant of this job is, once it is further than `seen`, or after about a second. Only
    after a `RestoreOrder` whose grant grows."""

    number: int
    job: str
    seen: int = 0
    """The step that the last answer told."""


class GrantAnswer(Message, frozen=True):
    number: int
    step: int = 0
    """Another one where packs or blocks of trees were added."""
    is_whole: bool = False
    """Nothing more comes: what isn't granted now never will be."""
    error: ErrorView | None = None
    """Why there is no grant."""
