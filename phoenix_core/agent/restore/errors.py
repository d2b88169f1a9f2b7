"""Errors of a restore's destination and of its worker processes."""

import errno

from phoenix_core.agent.errors import AgentError
from phoenix_core.domain.errors import EXIT_USAGE

IN_THE_WAY = "in_the_way"
"""Why an entry is missing: what lies at its place, or on the way to it, is kept."""
LINK_IN_THE_WAY = "link_in_the_way"
"""The same of a symbolic link on the way to what is restored to its original place; followed by its target."""
FILE_IN_THE_WAY = "file_in_the_way"
"""The same of anything else there that is no folder."""
OWN_FOLDER = "own_folder"
"""Why a folder is missing: at its place Phoenix keeps data of its own."""
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


class RestoreError(AgentError):
    """Base of what goes wrong at a restore's destination."""


class DestinationNotAbsolute(RestoreError):
    code = "destination_not_absolute"
    template = "The destination {path} is not an absolute path."
    hint = "Name it from the root of the server's file system, beginning with /."
    exit_code = EXIT_USAGE


class DestinationNotFolder(RestoreError):
    code = "destination_not_a_folder"
    template = "The destination {path} can't be a folder: {place} is none."
    hint = "Name a folder; one that isn't there is made."


class DestinationNotWritable(RestoreError):
    code = "destination_not_writable"
    template = "The agent can't write to {path}: {detail}."
    hint = "Choose another destination, mount it for writing, or run the agent as a user that may write there."


class DestinationForbidden(RestoreError):
    code = "destination_forbidden"
    template = "Nothing is restored into {path}: {detail}."
    hint = "Choose another destination."


class OtherFamily(RestoreError):
    code = "snapshot_of_other_family"
    template = "The snapshot is of a {of} server and can't be restored to this {to} server."
    hint = "Restore it to a {of} server."


class NotEnoughSpace(RestoreError):
    code = "not_enough_space"
    template = "The restore needs {needed} at {place}; {free} is free."
    hint = "Free space there, choose another destination, or restore fewer paths. Nothing was restored."


class NotEnoughInodes(RestoreError):
    code = "not_enough_inodes"
    template = "The restore makes {needed} files and folders at {place}; its file system has room for {free} more."
    hint = "Choose a destination with more inodes (`df -i`), or restore fewer paths. Nothing was restored."


class DestinationFull(RestoreError):
    code = "destination_full"
    template = "The destination ran full while {path} was restored: {detail}."
    hint = "Free space there, then start the same restore again: what is complete is not fetched again."
    retryable = True


class DestinationMoved(RestoreError):
    code = "destination_moved"
    template = "The folder {path} was moved or replaced while it was being restored."
    hint = "See that nothing else works on the destination, then start the same restore again."
    retryable = True


class JournalUnreadable(RestoreError):
    code = "restore_journal_unreadable"
    template = "What an interrupted restore left half-done is listed in {path}, which can't be used: {detail}."
    hint = (
        "Free space there if it is full, and start the same restore again. Otherwise restore with the rule `overwrite`,"
        " which needs no list, or to another place."
    )
    retryable = True


def raise_if_general(error: OSError, path: str) -> None:
    """Raise what an error of the system means where it is not about one file: a full or read-only destination, the
    agent's own trouble. Else return."""
    if error.errno in FULL:
        raise DestinationFull(path=path, detail=error.strerror) from error
    if error.errno == errno.EROFS:
        raise DestinationNotWritable(path=path, detail=error.strerror) from error
    if error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM, None}:
        raise error


def reason_of(error: OSError) -> str:
    """`EACCES`, `EIO`, …"""
    return errno.errorcode.get(error.errno or 0, str(error.errno))
