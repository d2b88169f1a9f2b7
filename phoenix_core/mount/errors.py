"""Errors of mounts."""

from phoenix_core.domain.errors import EXIT_USAGE, PhoenixError

_INSTEAD = "; or show the snapshots without it: `phoenix mount --webdav`."


class FuseUnavailable(PhoenixError):
    """This machine lacks what a mount by FUSE needs."""

    code = "fuse_unavailable"
    template = "Snapshots can't be mounted by FUSE here: {detail}."
    hint = "{advice}" + _INSTEAD


class MountPointUnusable(PhoenixError):
    code = "mount_point_unusable"
    template = "Snapshots can't be mounted at {path}: {detail}."
    hint = "Name an empty folder that is yours, such as one made by `mkdir`."
    exit_code = EXIT_USAGE


class MountLeft(PhoenixError):
    """The process behind a mount was killed, so that nobody unmounted it."""

    code = "mount_left"
    template = "A mount whose process was killed is left at {path}."
    hint = "Unmount it with `fusermount3 -u {quoted}`, or as root with `umount {quoted}`, and mount again."


class MountFailed(PhoenixError):
    code = "mount_failed"
    template = "The mount at {path} could not be made, or ended by itself (libfuse said: {detail})."
    hint = "What libfuse wrote above tells more" + _INSTEAD


class PortUnusable(PhoenixError):
    code = "webdav_port_unusable"
    template = "WebDAV can't be served at port {port} of this machine: {detail}."
    hint = "Name another one with --port, or none: any that is free is taken then."
    exit_code = EXIT_USAGE
