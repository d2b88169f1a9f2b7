"""Snapshots as a folder: one read-only view of them, shown through FUSE or WebDAV. It knows the core by its API."""
