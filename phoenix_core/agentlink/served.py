"""Which peers a core serves: by the protocol that they speak, and agents by the version that they are of.

A core serves the agents of its own minor version and of the one before, so that core and agents needn't be upgraded
in the same hour. A change of the protocol that an older peer can't follow raises PROTOCOL_VERSION; the version before
stays in SERVED_PROTOCOLS for a minor version of Phoenix.
"""

from phoenix_core import __version__
from phoenix_core.agentlink.errors import AgentTooOld, ProtocolMismatch
from phoenix_core.agentlink.messages import PROTOCOL_VERSION
from phoenix_core.domain.versions import oldest_served, standing

SERVED_PROTOCOLS = range(max(1, PROTOCOL_VERSION - 1), PROTOCOL_VERSION + 1)


def check_protocol(found: int, served: range = SERVED_PROTOCOLS) -> None:
    """Raises ProtocolMismatch."""
    if found not in served:
        raise ProtocolMismatch(found=found, known=served[-1])


def check_version(agent: str, core: str = __version__) -> None:
    """Raises AgentTooOld. One that can't be read is taken for new enough: the protocol decides."""
    if not standing(agent, core).is_served:
        raise AgentTooOld(found=agent, known=core, oldest=oldest_served(core))
