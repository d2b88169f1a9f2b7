"""Whether backups read snapshots of file systems."""

from enum import StrEnum


class SourceSnapshot(StrEnum):
    """Whether a backup of a Linux server reads snapshots of its file systems, which the agent makes and deletes."""

    OFF = "off"
    """Live files are read."""
    IF_AVAILABLE = "if_available"
    """A file system of which there can be none is read live."""
    REQUIRED = "required"
    """Without one of all that is backed up there is no backup."""
