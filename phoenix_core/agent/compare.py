"""Compares a source with what was restored of it, entry by entry: content and metadata.

Told apart from differences: what changed at the source since the backup began, and what this user can't read or set.
Both trees are walked by descriptors, so that paths may be of any length; contents are compared by worker processes.
"""

import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field

import msgspec

from phoenix_core.agent.backup.mounts import Mounts
from phoenix_core.agent.comparecontents import Contents, Pair
from phoenix_core.agent.comparefile import Finding, Rights, compare_status, compare_xattrs
from phoenix_core.agent.restore.folders import Descent, Identity, identity_of, open_root, proc_path
from phoenix_core.domain.names import shown

LISTED_MAX = 1000
COARSE_NS = 20_000_000
"""A kernel's time stamps lag behind its clock by up to so much."""
MOUNT_POINT = "mount point, not crossed"
NOT_READ = "missing in the backup"


class Noted(msgspec.Struct, frozen=True):
    """A path (in shown form, of the source) and what is to be said of it."""

    path: str
    what: str


class Comparison(msgspec.Struct, frozen=True):
    """What a comparison found. The lists hold the first 1,000."""

    entries: int = 0
    bytes: int = 0
    """Sizes of the files whose content was compared."""
    differences: tuple[Noted, ...] = ()
    difference_count: int = 0
    changed: tuple[Noted, ...] = ()
    """Differs, but the source changed after the backup began."""
    changed_count: int = 0
    not_comparable: tuple[Noted, ...] = ()
    """This user can't read it at the source, or can't set what differs."""
    not_comparable_count: int = 0

    @property
    def is_equal(self) -> bool:
        return not self.difference_count


Progress = Callable[[int, int], None]


def compare(
    source: bytes,
    restored: bytes,
    *,
    since_ns: int,
    leave_out: Collection[bytes] = (),
    missing: Collection[str] = (),
    cross_mounts: bool = False,
    workers: int = 0,
    progress: Progress = lambda entries, content_bytes: None,
) -> Comparison:
    """Compare the file or folder at `source` with its copy at `restored`. Blocks; for a thread.

    `since_ns`: when the backup began. `leave_out`: absolute paths that were not to be backed up. `missing`: paths in
    shown form that the backup reported as missing. `workers`: processes besides this one; 0: as many as there is work
    for. `progress` is told entries and bytes now and then; what it raises ends the comparison. Raises OSError where
    one of the two places can't be opened at all."""
    walk = _Walk(Mounts.current(), since_ns - COARSE_NS, frozenset(leave_out), frozenset(missing), cross_mounts)
    with Contents(source, restored, workers, walk.take) as contents:
        for pair in walk.run(source, restored):
            contents.add(pair)
            progress(walk.entries, walk.content_bytes)
        contents.finish()
    progress(walk.entries, walk.content_bytes)
    return walk.result()


@dataclass(slots=True)
class _Frame:
    path: bytes
    """Below the top."""
    source: os.stat_result
    names: Iterator[bytes]


@dataclass
class _Notes:
    listed: list[Noted] = field(default_factory=list)
    count: int = 0

    def add(self, path: bytes, what: str) -> None:
        self.count += 1
        if len(self.listed) < LISTED_MAX:
            self.listed.append(Noted(shown(path), what))


class _Walk:
    """Walks both trees at once, compares what lstat tells, and yields what has content."""

    def __init__(
        self,
        mounts: Mounts,
        recent_ns: int,
        leave_out: frozenset[bytes],
        missing: frozenset[str],
        cross_mounts: bool,
    ) -> None:
        self.entries = 0
        self.content_bytes = 0
        self._mounts = mounts
        self._recent_ns = recent_ns
        self._leave_out = leave_out
        self._missing = missing
        self._cross_mounts = cross_mounts
        self._rights = Rights.of_this_process()
        self._top = b""
        self._differences = _Notes()
        self._changed = _Notes()
        self._not_comparable = _Notes()
        self._links: dict[Identity, Identity] = {}
        self._links_back: dict[Identity, Identity] = {}

    def run(self, source: bytes, restored: bytes) -> Iterator[Pair]:
        self._top = b"" if source == b"/" else source
        if not stat.S_ISDIR(os.lstat(source).st_mode):
            yield from self._single(source, restored)
            return
        roots = (open_root(source), open_root(restored))
        left, right = Descent(roots[0]), Descent(roots[1])
        try:
            if self._top:
                self._compare_folder(left.fd, right.fd, b"")
            yield from self._descend(left, right)
        finally:
            left.close()
            right.close()
            for fd in roots:
                os.close(fd)

    def take(self, pairs: Sequence[Pair], findings: Sequence[Finding | str]) -> None:
        """What comparing contents found; a text: why it could not be compared."""
        for pair, finding in zip(pairs, findings, strict=True):
            path = self._path(_join(pair.folder, pair.name))
            if isinstance(finding, str):
                self._not_comparable.add(path, finding)
            else:
                self.content_bytes += pair.size
                self._note(path, finding, is_recent=pair.is_recent or finding.ctime_ns >= self._recent_ns)

    def result(self) -> Comparison:
        return Comparison(
            self.entries,
            self.content_bytes,
            tuple(self._differences.listed),
            self._differences.count,
            tuple(self._changed.listed),
            self._changed.count,
            tuple(self._not_comparable.listed),
            self._not_comparable.count,
        )

    def _single(self, source: bytes, restored: bytes) -> Iterator[Pair]:
        one, two = os.lstat(source), os.lstat(restored)
        yield from self._entry(one, two, b"", b"")

    def _descend(self, left: Descent, right: Descent) -> Iterator[Pair]:
        stack = [self._frame(left, right, b"")]
        while stack:
            frame = stack[-1]
            name = next(frame.names, None)
            if name is None:
                stack.pop()
                if stack:
                    left.leave()
                    right.leave()
                continue
            path = _join(frame.path, name)
            if self._path(path) in self._leave_out:
                continue
            one = _status(left.fd, name)
            two = _status(right.fd, name)
            if one is None or two is None:
                self._only_one(frame, path, one, left.fd)
            elif stat.S_ISDIR(one.st_mode) and stat.S_ISDIR(two.st_mode):
                if self._enter(left, right, name, path, one, frame.source):
                    stack.append(self._frame(left, right, path))
            else:
                yield from self._entry(one, two, frame.path, name)

    def _frame(self, left: Descent, right: Descent, path: bytes) -> _Frame:
        status = os.fstat(left.fd)
        try:
            names = {*os.listdir(proc_path(left.fd)), *os.listdir(proc_path(right.fd))}
        except PermissionError:
            self._not_comparable.add(self._path(path), "EACCES")
            names = set()
        return _Frame(path, status, iter(sorted(names)))

    def _enter(
        self, left: Descent, right: Descent, name: bytes, path: bytes, one: os.stat_result, above: os.stat_result
    ) -> bool:
        """Compare two folders, and go into them if what is below was backed up."""
        self.entries += 1
        if not self._cross_mounts and (one.st_dev != above.st_dev or self._mounts.is_point(self._path(path))):
            self._not_comparable.add(self._path(path), MOUNT_POINT)
            return False
        try:
            left.enter(name)
        except OSError as error:
            self._not_comparable.add(self._path(path), error.strerror or str(error))
            return False
        try:
            right.enter(name)
        except OSError as error:
            left.leave()
            self._not_comparable.add(self._path(path), error.strerror or str(error))
            return False
        self._compare_folder(left.fd, right.fd, path)
        return True

    def _compare_folder(self, left: int, right: int, path: bytes) -> None:
        one, two = os.fstat(left), os.fstat(right)
        finding = compare_status(one, two, self._rights)
        xattrs = compare_xattrs(proc_path(left), proc_path(right), self._rights, follow=True)
        both = Finding((*finding.what, *xattrs.what), (*finding.by_right, *xattrs.by_right))
        self._note(self._path(path), both, is_recent=self._is_recent(one))

    def _entry(self, one: os.stat_result, two: os.stat_result, folder: bytes, name: bytes) -> Iterator[Pair]:
        self.entries += 1
        path = self._path(_join(folder, name))
        finding = compare_status(one, two, self._rights)
        if not self._same_links(one, two):
            finding = Finding((*finding.what, "hard links"), finding.by_right)
        self._note(path, finding, is_recent=self._is_recent(one))
        if "type" not in finding.what and "size" not in finding.what:
            yield Pair(folder, name, one.st_size if stat.S_ISREG(one.st_mode) else 0, self._is_recent(one))

    def _same_links(self, one: os.stat_result, two: os.stat_result) -> bool:
        """Whether names of one file are names of one file in the other tree too."""
        if one.st_nlink == 1 and two.st_nlink == 1:
            return True
        left, right = identity_of(one), identity_of(two)
        return self._links.setdefault(left, right) == right and self._links_back.setdefault(right, left) == left

    def _only_one(self, frame: _Frame, path: bytes, one: os.stat_result | None, folder: int) -> None:
        self.entries += 1
        at = self._path(path)
        if one is None:
            notes = self._changed if self._is_recent(frame.source) else self._differences
            notes.add(at, "too much")
        elif self._is_recent(one):
            self._changed.add(at, "not restored")
        elif shown(at) in self._missing:
            self._not_comparable.add(at, NOT_READ)
        elif not self._rights.may_make(one):
            self._not_comparable.add(at, "this user can't make device nodes")
        elif not _is_readable(folder, path.rpartition(b"/")[2], one):
            self._not_comparable.add(at, "EACCES")
        else:
            self._differences.add(at, "not restored")

    def _note(self, path: bytes, finding: Finding, *, is_recent: bool) -> None:
        if finding.what:
            (self._changed if is_recent else self._differences).add(path, ", ".join(finding.what))
        if finding.by_right:
            self._not_comparable.add(path, f"this user can't set: {', '.join(finding.by_right)}")

    def _is_recent(self, status: os.stat_result) -> bool:
        return max(status.st_ctime_ns, status.st_mtime_ns) >= self._recent_ns

    def _path(self, below: bytes) -> bytes:
        return self._top + b"/" + below if below else self._top or b"/"


def _status(folder: int, name: bytes) -> os.stat_result | None:
    try:
        return os.lstat(name, dir_fd=folder)
    except FileNotFoundError:
        return None


def _is_readable(folder: int, name: bytes, status: os.stat_result) -> bool:
    if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
        return True
    return os.access(name, os.R_OK, dir_fd=folder, effective_ids=True)


def _join(folder: bytes, name: bytes) -> bytes:
    return folder + b"/" + name if folder and name else folder or name
