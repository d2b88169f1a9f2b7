"""The messages of an upgrade that the core's operators order; only agents that name `features.UPGRADES` get one."""

from phoenix_core.agentlink.messages import Message
from phoenix_core.domain.errors import ErrorView


class UpgradeOrder(Message, frozen=True):
    """Core → agent: take the version that the core offers. No code comes with it: the agent fetches what it wants."""

    who: str = ""
    """For the agent's log."""


class UpgradeOutcome(Message, frozen=True):
    """Agent → core: what came of it, before the agent restarts with it."""

    number: int
    version: str = ""
    """In place now; empty where there is an error."""
    error: ErrorView | None = None


class UpgradeNoted(Message, frozen=True):
    """Core → agent: the outcome was taken."""

    number: int
    error: ErrorView | None = None
