"""Snapshots of a Linux server's file systems, made for a backup and deleted after it: Btrfs, ZFS and LVM."""
