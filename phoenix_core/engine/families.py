"""Which servers can take each other's data: those of one family of systems (WF6.1)."""


def family_of(platform: str) -> str:
    """The first word of a platform such as `Linux x86_64, Debian GNU/Linux 12`."""
    return (platform.replace("-", " ").split() or [""])[0].lower()


def is_windows(platform: str) -> bool:
    return family_of(platform) == "windows"
