"""What entries of a Windows file system keep beyond the others: reserved extended attributes, and named streams.

The attributes begin with `windows.`, a name that no Linux file can have (its names begin with `user.`, `trusted.`,
`security.` or `system.`). A named stream (alternate data stream) is an entry of its own beside its file or folder, of
type file, under the name that Windows gives it: `report.docx:Zone.Identifier`. No file of Windows has a colon in its
name, and a stream sorts after what it belongs to.
"""

from collections.abc import Iterator

from phoenix_core.vault.entry import Entry

PREFIX = b"windows."
ATTRIBUTES = b"windows.attributes"
"""FILE_ATTRIBUTE_* bits, 4 bytes, little-endian; every entry has it. A stream has those of its file."""
REPARSE = b"windows.reparse"
"""A junction's or link's REPARSE_DATA_BUFFER, as FSCTL_GET_REPARSE_POINT gives it."""
SECURITY = b"windows.security"
"""The security descriptor, self-relative: owner, group, DACL, and SACL where the agent may read it."""
VOLUME = b"windows.volume"
"""Of a volume's root folder: the name of its file system, such as `NTFS`, in ASCII."""
COLON = b":"


def attribute(entry: Entry, name: bytes) -> bytes | None:
    """The value of one of the attributes above; None where the entry has it not."""
    return next((value for key, value in entry.xattrs if key == name), None)


def is_windows(entry: Entry) -> bool:
    """Whether the entry is of a Windows file system; for one whose attributes lie in a list, once they are back."""
    return any(name.startswith(PREFIX) for name, _ in entry.xattrs)


def attribute_bits(entry: Entry) -> int:
    """The FILE_ATTRIBUTE_* bits; 0 where there are none."""
    return int.from_bytes(attribute(entry, ATTRIBUTES) or b"", "little")


def is_stream(entry: Entry) -> bool:
    """Whether it is a named stream of an entry beside it."""
    return entry.is_file and COLON in entry.name and is_windows(entry)


def owner_name(name: bytes) -> bytes:
    """Of a stream's name that of what it belongs to; any other name is given back."""
    return name.partition(COLON)[0]


def streams_of(name: bytes, beside: Iterator[Entry]) -> Iterator[Entry]:
    """The streams of `name` among the entries beside it, which come sorted."""
    first = name + COLON
    for entry in beside:
        if entry.name.startswith(first):
            if is_stream(entry):
                yield entry
        elif entry.name > first:
            return
