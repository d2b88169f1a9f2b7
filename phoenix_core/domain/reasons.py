"""Why an entry is missing or noted, in words. Reports, the catalog and JSON carry the code alone."""

import errno
import os
from typing import Final

_TEXTS: Final = {
    "vanished": "it went while the job ran",
    "changed_type": "it became another kind of entry while the job ran",
    "not_found": "there is nothing there",
    "excluded": "it is excluded",
    "filtered": "its content rule takes no such file",
    "virtual_file_system": "it is on a file system that the kernel makes up",
    "own_data": "it is Phoenix's own data",
    "other_file_system": "another file system is mounted there, which the backup doesn't go into",
    "too_deep": "it lies too deep",
    "damaged": "its data in the vault is damaged",
    "in_the_way": "something else is in its place",
    "link_in_the_way": "a symbolic link is there, where the snapshot has a folder, and a restore to the original place "
    "keeps it; restore to another folder, or remove the link first; it leads to",
    "file_in_the_way": "a file is there, where the snapshot has a folder, and a restore to the original place "
    "keeps it; restore to another folder, or move the file away first",
    "folder_removed": "a folder was there, removed for what has its name; entries in it",
    "link_replaced": "a symbolic link was there, replaced by a folder; it led to",
    "renamed": "the restored one stands beside what was there, as",
    "own_folder": "Phoenix keeps a vault or its own data there; restore to another folder",
    "folder_not_restored": "its folder could not be restored",
    "changed_meanwhile": "it changed at the destination while the job ran",
    "no_link": "a hard link could not be made",
    "locked": "another program holds it open",
    "offline": "its content is in a cloud or on tape, not on this server",
    "encrypted_file": "Windows encrypts it for one user (EFS)",
    "stream_name_too_long": "the names of file and stream are too long together",
    "invalid_name": "Windows can't have a file of this name",
    "case_clash": "another name there differs in upper and lower case only",
    "not_of_windows": "it is no entry of a Windows server",
    "owner_not_restored": "what the stream belongs to was not restored",
    "no_reparse_data": "the snapshot doesn't say where it leads",
    "EACCES": "no permission",
    "EPERM": "not allowed",
    "EBUSY": "it is busy",
    "ETXTBSY": "it is being run",
    "EWOULDBLOCK": "it is locked by another program",
    "EIO": "the disk can't read or write it",
    "ESTALE": "the file server no longer knows it",
}


def reason_text(reason: str) -> str:
    """In words, an error of the system with its code: `no permission (EACCES)`.

    A reason may be of a part (`mode 644: EPERM`), and there may be several, with commas between them. What is not known
    is given back as it is."""
    return ", ".join(": ".join(_text(part) for part in each.split(": ")) for each in reason.split(", "))


def _text(code: str) -> str:
    number = getattr(errno, code, None) if code.isupper() else None
    if number is None:
        return _TEXTS.get(code, code)
    return f"{_TEXTS.get(code) or os.strerror(number).lower()} ({code})"
