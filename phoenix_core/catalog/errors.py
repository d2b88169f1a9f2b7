"""Errors of the catalog."""

from phoenix_core.domain.errors import PhoenixError


class CatalogUnusable(PhoenixError):
    code = "catalog_unusable"
    template = "The catalog {path} can't be opened: {detail}."
    hint = "Check the file's owner and the disk. Without it, move it aside: snapshots are read again from the vault."
    http_status = 500


class CatalogFull(PhoenixError):
    """The disk that holds the catalog is full."""

    code = "catalog_full"
    template = "The disk with the catalog {path} is full."
    hint = "Free space there. Jobs that ended meanwhile are recorded as soon as there is some; no snapshot is lost."
    retryable = True
    http_status = 507


class CatalogReadOnly(CatalogFull):
    """The file system that holds the catalog takes no changes. What waits for space waits for that, too."""

    code = "catalog_read_only"
    template = "The file system with the catalog {path} is read-only."
    hint = (
        "Mount it so that it can be written; a disk with errors becomes read-only by itself, which `dmesg` tells. Jobs "
        "that ended meanwhile are recorded as soon as it can be; no snapshot is lost."
    )


class CatalogTooNew(PhoenixError):
    code = "catalog_too_new"
    template = "The catalog {path} was written by a later release (revision {revision})."
    hint = "Install that release again, or restore the catalog from before the upgrade."
    http_status = 500


class IllegalTransition(PhoenixError):
    """A job can't go from its state to the one asked for."""

    code = "illegal_transition"
    template = "Job {job} is {state} and can't become {wanted}."
    hint = "Look at it with `phoenix job show {job}`."
    http_status = 409
