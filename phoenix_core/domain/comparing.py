"""What the operators' API takes and returns for comparing a snapshot with what is on its server now.

Paths are in shown form (`domain.names`), sizes bytes."""

import msgspec


class CompareRequest(msgspec.Struct, frozen=True):
    """The finished job's `result` has the counts `same`, `added`, `removed`, `content`, `metadata`, `type` and
    `not_compared`, and as `listed` how many differences can be read."""

    server: str
    """The server whose snapshot it is; name or id. Its agent compares."""
    snapshot: str = "latest"
    paths: tuple[str, ...] = ()
    """Empty: all of the snapshot."""
    folder: str = ""
    """What is compared with it, with the full source path below it, as a restore to another folder leaves it. Empty:
    the original place."""
    content: bool = False
    """Read all files; else what has the same size and time counts as equal."""


class DifferenceView(msgspec.Struct, frozen=True):
    """How what is there differs from the snapshot: `added` (only there), `removed` (only in the snapshot), `content`,
    `metadata`, `type`."""

    number: int
    """From 1, in the order of the paths."""
    path: str
    change: str
    size_before: int = 0
    size_after: int = 0
    what: str = ""
    """Of metadata: which."""


class DifferencePage(msgspec.Struct, frozen=True):
    differences: tuple[DifferenceView, ...]
    next_after: int = 0
    """Pass it as `after` for the next page; 0: this was the last."""
