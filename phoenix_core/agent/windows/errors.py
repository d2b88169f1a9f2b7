"""Errors of the agent on Windows, and what a failed call means for the entry that it was about."""

from phoenix_core.agent.errors import AgentError
from phoenix_core.agent.windows.seam import WindowsFailure
from phoenix_core.domain.errors import EXIT_USAGE

FILE_NOT_FOUND, PATH_NOT_FOUND, ACCESS_DENIED, INVALID_HANDLE = 2, 3, 5, 6
NOT_ENOUGH_MEMORY, OUT_OF_MEMORY, NOT_READY, CRC = 8, 14, 21, 23
SHARING_VIOLATION, LOCK_VIOLATION, HANDLE_EOF, NOT_SUPPORTED = 32, 33, 38, 50
FILE_EXISTS, INVALID_PARAMETER, DISK_FULL, INVALID_NAME = 80, 87, 112, 123
DIRECTORY_NOT_EMPTY, ALREADY_EXISTS, FILE_TOO_LONG, DIRECTORY = 145, 183, 206, 267
NO_SUCH_DEVICE, DEV_NOT_EXIST, IO_DEVICE, DEVICE_NOT_CONNECTED = 433, 55, 1117, 1167
FILE_CORRUPT, NO_SYSTEM_RESOURCES, CANT_ACCESS_FILE = 1392, 1450, 1920
WRITE_PROTECT = 19

TAKEN = frozenset({FILE_EXISTS, ALREADY_EXISTS})
ABSENT = frozenset({FILE_NOT_FOUND, PATH_NOT_FOUND})
LOCKING = frozenset({SHARING_VIOLATION, LOCK_VIOLATION})
OWN_TROUBLE = frozenset({4, INVALID_HANDLE, NOT_ENOUGH_MEMORY, OUT_OF_MEMORY, NO_SYSTEM_RESOURCES})
"""Not about the file: the job fails."""
LOCKED = "locked"
OFFLINE = "offline"
EFS = "encrypted_file"
_REASONS = {
    **dict.fromkeys(LOCKING, LOCKED),
    **dict.fromkeys(ABSENT, "vanished"),
    **dict.fromkeys((CRC, IO_DEVICE, FILE_CORRUPT, NOT_READY), "EIO"),
    **dict.fromkeys((ACCESS_DENIED, CANT_ACCESS_FILE), "EACCES"),
    **dict.fromkeys((INVALID_NAME, FILE_TOO_LONG), "invalid_name"),
    **dict.fromkeys(range(6000, 6020), EFS),
    **dict.fromkeys((*range(358, 399), 4350, 4351), OFFLINE),
}
"""Codes of winerror.h: 358 to 398 are those of cloud files, 4350 and 4351 of remote storage, 6000 to 6019 of EFS."""


def reason_of(failure: WindowsFailure) -> str:
    """Why an entry is missing. Raises the failure itself if it is the agent's own trouble."""
    if failure.code in OWN_TROUBLE:
        raise failure
    return _REASONS.get(failure.code, f"windows_{failure.code}")


class NoDriveInPath(AgentError):
    code = "path_without_drive"
    template = "{path} names no drive of this Windows server."
    hint = (
        "Name a path with its drive letter, such as C:\\Data; network paths are backed up on the server that has them."
    )
    exit_code = EXIT_USAGE


class NoSuchDrive(AgentError):
    code = "no_such_drive"
    template = "This server has no local disk with the drive letter {letter}."
    hint = "Its drives: {drives}."


class ShadowCopyLost(AgentError):
    """The copy went while it was read, mostly because its storage area was full."""

    code = "shadow_copy_lost"
    template = "Windows removed the shadow copy of {letter}: while it was backed up."
    hint = (
        "Give shadow copies of that volume more room (`vssadmin resize shadowstorage`), and start the backup again; "
        "what was stored already is used again. Event 25 or 36 of volsnap in the system's log says why."
    )
    retryable = True


class WindowsCallFailed(AgentError):
    code = "windows_call_failed"
    template = "Windows refused what the agent needs: {call} failed with error {number} ({path})."
    hint = "`net helpmsg {number}` on that server says what the error is. Start the job again once it is mended."
    retryable = True


class ScriptsNotOnWindows(AgentError):
    code = "scripts_not_on_windows"
    template = "The policy names the script {name}, and an agent on Windows runs none."
    hint = "Give this server's group a policy without scripts."


class DrillNotOnWindows(AgentError):
    code = "drill_not_on_windows"
    template = "An agent on Windows does no restore drills."
    hint = "Restore to another folder by hand, or give this server's group a policy without drills."


class CompareNotOnWindows(AgentError):
    code = "compare_not_on_windows"
    template = "An agent on Windows can't compare a snapshot with what is on its server now."
    hint = "Make a trial backup, `phoenix backup SERVER --dry-run`: it counts what has changed since the last one."
