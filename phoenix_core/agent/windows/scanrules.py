"""What a scan of Windows volumes reads, and what it leaves out."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from phoenix_core.agent.backup.ruleset import RuleSet
from phoenix_core.agent.windows.names import folded_bytes
from phoenix_core.agent.windows.paths import in_vault


@dataclass(frozen=True)
class VolumeSource:
    """Where a volume's files are read from."""

    root: str
    """Without a backslash at the end."""
    file_system: str


@dataclass
class WindowsRules:
    """What is taken and what is left out. Paths as in the vault."""

    content: RuleSet
    never: frozenset[bytes] = frozenset()
    """Folded paths of Phoenix's own folders."""


def own_folders(never: Iterable[bytes], state_dir: Path) -> frozenset[bytes]:
    """For `WindowsRules.never`: the agent's own folder, and others."""
    own = list(never)
    state = str(state_dir)
    if not state.startswith("/"):
        own.append(in_vault(state))
    return frozenset(map(folded_bytes, own))
