"""What an agent is to back up instead of files: what a script prints, as part of an order."""

import msgspec


class StreamOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """Sent only to agents that know `features.STREAMS`."""

    name: str
    script: str
    """Name of a script in the agent's folder of scripts; its standard output is the data."""
    timeout_s: int
    handed: str = ""
    """Instead of a script: who hands the data to the agent, as it named him in its request."""
