"""Folders of the destination, each held while something is written into it, and known to be where it should be.

While a folder is held nobody can move it, or put a junction into its place or that of a folder above. Its real path is
compared after it is held, so that a junction that came before is found out: a restore has rights that the one who
set the junction may lack.
"""

from collections import OrderedDict

from phoenix_core.agent.restore.errors import DestinationMoved
from phoenix_core.agent.windows.names import folded, to_text
from phoenix_core.agent.windows.paths import below, live_root
from phoenix_core.agent.windows.seam import HeldFolder, WriteFiles
from phoenix_core.domain.names import shown

HELD = 64


class HeldFolders:
    def __init__(self, windows: WriteFiles, root: str) -> None:
        """`root`: the destination's real path; for the original place empty, and the folders below are drives."""
        self._windows = windows
        self._root = root
        self._held: OrderedDict[bytes, HeldFolder] = OrderedDict()

    def path_of(self, folder: bytes) -> str:
        """Of a folder below the root, in extended form. Raises ValueError for what is no path of Windows."""
        names = [to_text(name) for name in folder.split(b"/") if name]
        path = self._root or live_root(names.pop(0)) + "\\"
        for name in names:
            path = below(path, name)
        return path

    def open(self, folder: bytes) -> str:
        """Its path, good until the next call. Raises `DestinationMoved`, WindowsFailure."""
        path = self.path_of(folder)
        if folder in self._held:
            self._held.move_to_end(folder)
            return path
        held = self._windows.hold_folder(path)
        if folded(held.real_path.rstrip("\\")) != folded(path.rstrip("\\")):
            held.close()
            raise DestinationMoved(path=shown(b"/" + folder))
        self._held[folder] = held
        if len(self._held) > HELD:
            self._held.popitem(last=False)[1].close()
        return path

    def close(self) -> None:
        for held in self._held.values():
            held.close()
        self._held.clear()
