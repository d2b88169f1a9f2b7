"""A content rule on the wire, as part of an order."""

import msgspec


class RuleOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """A content rule, see `domain.policies.ContentRule`."""

    paths: tuple[bytes, ...]
    name: str = ""
    """Empty: of a backup by hand, which has no rule of its own."""
    excludes: tuple[str, ...] = ()
    cross_mounts: bool = False
    includes: tuple[str, ...] = ()
    only_extensions: tuple[str, ...] = ()
    not_extensions: tuple[str, ...] = ()
    smallest_bytes: int = 0
    largest_bytes: int = 0
    changed_within_s: int = 0
    older_than_s: int = 0
    skip_caches: bool = False
    disk_images: tuple[str, ...] = ()
