"""What a peer can do beyond the first version of the protocol, as it says in its `Hello`.

A core of a later version asks no peer for what it doesn't name."""

RULES = "content_rules"
"""Content rules with filters of files, and tests of them."""
SOURCE_SNAPSHOTS = "source_snapshots"
"""Backups from snapshots of file systems."""

RESTORE_DRILL = "restore_drill"
UPGRADES = "upgrades"
"""It is upgraded at the word of its core's operators. Not among `ALL`: its administrator allows it or doesn't."""

COMPARE = "compare"
"""Comparisons of a snapshot with what is on the server."""

STREAMS = "streams"
"""Backups of what a script prints."""

GROWING_GRANT = "growing_grant"
"""Restores that begin while the core still finds out what they may read."""

OWN_STREAMS = "own_streams"
"""Of a core: it takes streams that are handed to its agents."""

OWN_RESTORES = "own_restores"
"""Of a core: it tells an agent which restore points its server has, and how a restore goes that the agent asked for."""

CORE = (OWN_STREAMS, OWN_RESTORES)
"""What a core names in its `Welcome`."""

ALL = (RULES, SOURCE_SNAPSHOTS, RESTORE_DRILL, COMPARE, STREAMS, GROWING_GRANT)
