"""Tells a file that can't be read from a shadow copy that is gone as a whole."""

from collections.abc import Mapping

from phoenix_core.agent.windows.errors import LOCKING, ShadowCopyLost
from phoenix_core.agent.windows.seam import ReadFiles, WindowsFailure


def raise_if_lost(windows: ReadFiles, shadows: Mapping[str, str], letter: str, failure: WindowsFailure) -> None:
    """After a failure on a volume: where it is read from a shadow copy whose root can't be opened any more, raise
    `ShadowCopyLost`, so that not all the rest of its files counts as missing. `shadows`: their roots by drive
    letter."""
    root = shadows.get(letter)
    if root is None or failure.code in LOCKING:
        return
    try:
        windows.details(root + "\\")
    except WindowsFailure as lost:
        raise ShadowCopyLost(letter=letter) from lost
