"""The core reads files of snapshots for operators: single files, archives, versions of a name, mounts."""
