"""Errors of reading files out of snapshots."""

from phoenix_core.domain.errors import NotFound, PhoenixError, UsageError
from phoenix_core.domain.ids import SHORT_ID_DIGITS


class NotAFile(UsageError):
    """Only a file's content can be read by itself."""

    code = "not_a_file"
    template = "{path} is no file in snapshot {snapshot}: {what}."
    hint = "A folder comes as an archive: `phoenix snapshot download {snapshot} {path} --format tar`."


class FileUnreadable(PhoenixError):
    """The vault can't give a file back as it was."""

    code = "file_unreadable"
    template = "{path} of snapshot {snapshot} of {server} can't be read: {detail}"
    hint = "`phoenix find` shows its versions in other snapshots; `phoenix vault verify` tells what else is damaged."
    http_status = 422

    def __init__(self, *, path: str, snapshot: str, server: str, detail: str) -> None:
        """`detail`: a sentence."""
        super().__init__(path=path, snapshot=snapshot[:SHORT_ID_DIGITS], server=server, detail=detail)


class RangeNotThere(UsageError):
    code = "range_not_there"
    template = "{path} has {size} bytes; bytes {start} and on aren't there."
    hint = "Ask for a range within the file, or for all of it."
    http_status = 416


class MountUnknown(NotFound):
    """The core was started again since the mount was opened, or somebody closed it."""

    code = "mount_unknown"
    template = "The core knows no mount {name}."
    hint = "Open it again: `phoenix mount` does so by itself."


class DownloadUnknown(NotFound):
    code = "download_unknown"
    template = "The core knows no download {name}."
    hint = "It keeps the last hundred, until it is started again."
