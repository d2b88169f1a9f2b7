"""Numbers of things, and sizes, in words."""


def amount(count: int, one: str, many: str = "") -> str:
    """`1 pack`, `2 packs`; `many` where the plural isn't made with an s."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def size(count: float) -> str:
    """Bytes for people, in binary units: `1.5 MiB`."""
    import humanize

    return humanize.naturalsize(count, binary=True, format="%.1f")
