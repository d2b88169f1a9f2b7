"""The tree of the sample snapshots, paged and searched as the core does it."""

from bisect import insort
from fnmatch import fnmatch

from phoenix_core.domain.comparing import DifferencePage, DifferenceView
from phoenix_core.domain.reading import FileVersion, SearchLine, SearchProgress
from phoenix_core.domain.views import ChangePage, ChangeView, EntryPage, EntryView, SnapshotView
from tests.tui import sample

MIB = 1 << 20


class SampleTree:
    def __init__(self) -> None:
        self.folders: dict[str, list[EntryView]] = {}
        for path in ("/etc", "/srv", "/etc/nginx", "/etc/ssl", "/srv/www", "/srv/www/media", "/srv/mail"):
            self.add(path, "directory")
        self.add("/etc/hosts", size=221)
        self.add("/etc/fstab", size=604)
        self.add("/etc/localtime", "symlink", target="/usr/share/zoneinfo/Europe/Berlin")
        self.add("/etc/nginx/nginx.conf", size=1_482)
        self.add("/srv/www/index.html", size=8_020)
        self.add("/srv/www/media/teaser-4k.mp4", size=812 * MIB)
        for number in range(1, 1201):
            self.add(f"/srv/mail/{number:04d}.eml", size=3_000 + number)

    def add(self, path: str, kind: str = "file", size: int = 0, target: str = "") -> None:
        parent, _slash, name = path.rpartition("/")
        entry = EntryView(
            path=path,
            name=name,
            type=kind,
            size=size,
            mode=0o755 if kind == "directory" else 0o644,
            owner="root",
            group="root",
            mtime=sample.ago(days=3),
            target=target,
        )
        folder = self.folders.setdefault(parent or "/", [])
        insort(folder, entry, key=lambda each: each.name.encode())
        if kind == "directory":
            self.folders.setdefault(path, [])

    def page(self, path: str, after: str, limit: int) -> EntryPage:
        entries = self.folders[path]
        behind = [entry for entry in entries if not after or entry.name.encode() > after.encode()]
        shown = tuple(behind[:limit])
        more = shown[-1].name if len(behind) > limit else ""
        return EntryPage(entries=shown, next_after=more, total=len(entries))

    def find(self, pattern: str, path: str) -> EntryPage:
        below = path.rstrip("/") + "/"
        wanted = pattern if any(sign in pattern for sign in "*?[") else f"*{pattern}*"
        every = sorted((entry for folder in self.folders.values() for entry in folder), key=lambda each: each.path)
        found = [each for each in every if each.path.startswith(below) and fnmatch(each.name, wanted)]
        return EntryPage(entries=tuple(found[:500]))

    def versions(self, pattern: str, snapshots: list[SnapshotView]) -> list[SearchLine]:
        """Of each entry one that is in the newest snapshot of the first server, and one that was there before."""
        own = [each for each in snapshots if each.server_id == snapshots[0].server_id and not each.is_lost]
        lines = []
        for entry in self.find(pattern, "/").entries:
            for number, gone in ((0, False), (-1, True)):
                version = FileVersion(
                    server_id=own[0].server_id,
                    server_name=own[0].server_name,
                    path=entry.path,
                    type=entry.type,
                    size=entry.size + number,
                    mtime=entry.mtime if not gone else sample.ago(days=40),
                    snapshots=3 if gone else 12,
                    newest=own[number].id,
                    newest_at=own[number].created_at,
                    oldest=own[-1].id,
                    oldest_at=own[-1].created_at,
                    gone=gone,
                )
                lines.append(SearchLine(version=version))
        return [*lines, SearchLine(end=SearchProgress(len(self.folders), 1213))]

    def differences(self) -> DifferencePage:
        return DifferencePage(
            differences=(
                DifferenceView(1, "/etc/hosts", "content", 221, 240),
                DifferenceView(2, "/etc/nginx/nginx.conf", "metadata", 1_482, 1_482, "mode, owner"),
                DifferenceView(3, "/srv/www/new.html", "added", 0, 9_001),
                DifferenceView(4, "/srv/www/old.html", "removed", 7_015, 0),
            )
        )

    def changes(self) -> ChangePage:
        return ChangePage(
            changes=(
                ChangeView("/etc/hosts", "content", 198, 221),
                ChangeView("/etc/nginx/nginx.conf", "metadata", 1_482, 1_482),
                ChangeView("/srv/mail/1200.eml", "added", 0, 4_200),
                ChangeView("/srv/www/old.html", "removed", 7_015, 0),
            )
        )
