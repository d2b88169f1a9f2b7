"""Which errors of a file make it *missing*, under what reason, and which are the agent's own trouble."""

import errno

OWN_TROUBLE = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Not about the file: the job fails."""
RETRIED = frozenset({errno.EBUSY, errno.ETXTBSY, errno.EWOULDBLOCK})
RETRY_WAITS_S = (0.05, 0.1, 0.2)
VANISHED = "vanished"
CHANGED_TYPE = "changed_type"


def reason_of(error: OSError) -> str:
    """`EACCES`, `EIO`, …; `vanished` for what is no longer there. ESTALE isn't that: a file server that was set up anew
    says it of files that it still has. Raises the error itself if it is the agent's own."""
    if error.errno in OWN_TROUBLE or error.errno is None:
        raise error
    if error.errno == errno.EWOULDBLOCK:
        return "EWOULDBLOCK"
    if error.errno in {errno.ENOENT, errno.ENOTDIR}:
        return VANISHED
    return errno.errorcode.get(error.errno, str(error.errno))
