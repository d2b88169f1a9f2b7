"""What an entry must be to be believed, whoever wrote it; types and ranges were checked while decoding."""

from collections.abc import Sequence
from itertools import pairwise

from phoenix_core.vault.chunkid import CHUNK_ID_BYTES
from phoenix_core.vault.entry import Entry, EntryType

MAX_NAME_BYTES = 1024
MAX_TARGET_BYTES = 65536
_LIST_LENGTHS = (0, CHUNK_ID_BYTES)
_DOTS = frozenset((b"", b".", b".."))


def not_plain(page: Sequence[Entry]) -> Sequence[Entry]:
    """Those of which `fault_of` might say anything: of most pages none, which is quickly found out for all at once.
    Plain is a file of one chunk with a name like any, and nothing that lies in a list."""
    names = [entry.name for entry in page]
    joined = b"/".join(names)
    if joined.count(b"/") >= len(names) or b"\0" in joined or len(max(names, key=len, default=b"")) > MAX_NAME_BYTES:
        return page
    if not _DOTS.isdisjoint(names):
        return page
    return [
        entry
        for entry in page
        if entry.type is not EntryType.FILE
        or len(entry.chunks) != 1
        or entry.chunks[0].length != entry.size
        or entry.tree
        or entry.target
        or entry.chunk_list
        or entry.extents is not None
        or entry.extent_list
        or entry.xattrs
        or entry.xattr_list
    ]


def fault_of(entry: Entry) -> str:
    """What is wrong with an entry, for an error's text; empty if nothing is."""
    name = entry.name
    if b"/" in name or b"\0" in name or name in _DOTS or len(name) > MAX_NAME_BYTES:
        return f"an entry has the name {name[:64]!r}"
    if (entry.xattr_list or entry.xattrs) and (fault := _fault_of_xattrs(entry)):
        return fault
    return _fault_of_file(entry) if entry.type is EntryType.FILE else _fault_of_other(entry)


def _fault_of_other(entry: Entry) -> str:
    if entry.chunks or entry.chunk_list or entry.extents is not None or entry.extent_list:
        return f"{entry.name!r} has content but is no file"
    is_directory = entry.type is EntryType.DIRECTORY
    if len(entry.tree) != (CHUNK_ID_BYTES if is_directory else 0):
        return (
            f"the folder {entry.name!r} has no tree" if is_directory else f"{entry.name!r} has a tree but is no folder"
        )
    if entry.type is EntryType.SYMLINK:
        if not 0 < len(entry.target) <= MAX_TARGET_BYTES or b"\0" in entry.target:
            return f"the target of the symbolic link {entry.name!r} is malformed"
    elif entry.target:
        return f"{entry.name!r} has a target but is no symbolic link"
    return ""


def _fault_of_file(entry: Entry) -> str:
    name = entry.name
    if entry.tree or entry.target:
        return f"the file {name!r} has a tree or a target"
    if len(entry.chunk_list) not in _LIST_LENGTHS or len(entry.extent_list) not in _LIST_LENGTHS:
        return f"a list of {name!r} has a malformed id"
    if (entry.chunk_list and entry.chunks) or (entry.extent_list and entry.extents is not None):
        return f"the file {name!r} has a list twice"
    if entry.extents is not None and not _extents_fit(entry):
        return f"the extents of {name!r} are not ascending or pass its end"
    if not entry.chunk_list and not entry.extent_list and sum([ref.length for ref in entry.chunks]) != entry.data_bytes:
        return f"the chunks of {name!r} are not as long as its data"
    return ""


def _fault_of_xattrs(entry: Entry) -> str:
    if len(entry.xattr_list) not in _LIST_LENGTHS or (entry.xattr_list and entry.xattrs):
        return f"the attribute list of {entry.name!r} is malformed"
    if any(one[0] >= two[0] for one, two in pairwise(entry.xattrs)):
        return f"the attributes of {entry.name!r} are not sorted"
    if any(not name or b"\0" in name for name, _ in entry.xattrs):
        return f"an attribute of {entry.name!r} has a malformed name"
    return ""


def _extents_fit(entry: Entry) -> bool:
    extents = entry.extents or ()
    if extents and extents[-1].offset + extents[-1].length > entry.size:
        return False
    return all(one.offset + one.length <= two.offset for one, two in pairwise(extents))
