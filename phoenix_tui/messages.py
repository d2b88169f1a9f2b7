"""What travels inside the console: what changed in the core, and where the operator wants to go."""

from collections.abc import Mapping

from textual.message import Message

from phoenix_core.domain.views import LogLineView, SnapshotView
from phoenix_tui.model import Topic


class CoreChanged(Message, bubble=False):
    """The model changed; several changes within a fifth of a second come as one."""

    def __init__(self, topics: frozenset[Topic], log: Mapping[str, tuple[LogLineView, ...]]) -> None:
        super().__init__()
        self.topics = topics
        self.log = log
        """New log lines by job id."""


class OpenJob(Message):
    def __init__(self, job_id: str) -> None:
        super().__init__()
        self.job_id = job_id


class OpenBackup(Message):
    """Show the backup form; it starts with this server."""

    def __init__(self, server_id: str = "") -> None:
        super().__init__()
        self.server_id = server_id


class OpenRestore(Message):
    """Show the restore screen; with a snapshot it starts at its files, with a path in it at the destination."""

    def __init__(self, server_id: str = "", snapshot_id: str = "", path: str = "") -> None:
        super().__init__()
        self.server_id = server_id
        self.snapshot_id = snapshot_id
        self.path = path


class OpenSnapshots(Message):
    """Show the snapshots of one server."""

    def __init__(self, server_id: str) -> None:
        super().__init__()
        self.server_id = server_id


class OpenJobs(Message):
    """Show the jobs of one server."""

    def __init__(self, server_id: str) -> None:
        super().__init__()
        self.server_id = server_id


class OpenDiff(Message):
    """Show what changed from one snapshot to a later one."""

    def __init__(self, before: SnapshotView, after: SnapshotView) -> None:
        super().__init__()
        self.before = before
        self.after = after


class OpenCompare(Message):
    """Compare a snapshot with what is on its server now."""

    def __init__(self, snapshot: SnapshotView) -> None:
        super().__init__()
        self.snapshot = snapshot


class OpenRetention(Message):
    """Show which snapshots stay: of the servers of a policy, or of one server."""

    def __init__(self, server_id: str = "", *, policy: str = "") -> None:
        super().__init__()
        self.server_id = server_id
        self.policy = policy


class OpenDrill(Message):
    """Ask what a restore drill of this server is to be, and begin it."""

    def __init__(self, server_id: str) -> None:
        super().__init__()
        self.server_id = server_id


class Go(Message):
    """Switch to one of the main screens."""

    def __init__(self, screen: str) -> None:
        super().__init__()
        self.screen = screen
