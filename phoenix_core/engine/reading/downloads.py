"""The downloads of late: how far each is, and why one was cut short, which HTTP has no words for."""

from collections import OrderedDict

import msgspec

from phoenix_core.domain.errors import ErrorView
from phoenix_core.domain.ids import new_id
from phoenix_core.domain.reading import DownloadState, DownloadView
from phoenix_core.engine.reading.errors import DownloadUnknown

KEPT = 100


class Downloads:
    """Used from the event loop."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, DownloadView] = OrderedDict()

    def begin(self, snapshot_id: str, path: str) -> str:
        """Returns the new download's id."""
        name = new_id("d", 16)
        self._known[name] = DownloadView(name, DownloadState.RUNNING, snapshot_id, path)
        over = (key for key, known in self._known.items() if known.state is not DownloadState.RUNNING)
        if len(self._known) > KEPT and (oldest := next(over, None)):
            del self._known[oldest]
        return name

    def sent(self, name: str, count: int) -> None:
        known = self._known[name]
        self._known[name] = msgspec.structs.replace(known, sent_bytes=known.sent_bytes + count)

    def end(self, name: str, state: DownloadState, error: ErrorView | None = None) -> None:
        self._known[name] = msgspec.structs.replace(self._known[name], state=state, error=error)

    def get(self, name: str) -> DownloadView:
        """Raises DownloadUnknown."""
        known = self._known.get(name)
        if known is None:
            raise DownloadUnknown(what="download", name=name[:40])
        return known
