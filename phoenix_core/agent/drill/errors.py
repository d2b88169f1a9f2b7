"""Errors of a drill's scratch place."""

from phoenix_core.agent.errors import AgentError


class ScratchUnusable(AgentError):
    code = "scratch_unusable"
    template = "The drill has no scratch place: {place} can't be used: {detail}."
    hint = "See to that folder on the server whose agent restores, or mount another file system there."


class NoSpaceForDrill(AgentError):
    code = "no_space_for_drill"
    template = "The drill needs {needed} at {place}, of which {free} may be used."
    hint = (
        "Free space there or mount a larger file system on that folder, take a smaller sample (`phoenix policy set "
        "--drill-max-bytes`), or let another server restore (`--drill-on`). Nothing was restored."
    )
