"""What a scan of Windows volumes reads, and what it leaves out."""

from dataclasses import dataclass

from phoenix_core.agent.backup.ruleset import RuleSet


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
