"""Jobs' titles, as operators read them."""

from phoenix_core.domain.streams import Stream

PATHS_IN_TITLE = 3


def stream_title(server: str, stream: Stream) -> str:
    source = f"the script {stream.script}" if stream.script else "standard input at the server"
    return f"Backup of {server}: stream {stream.name}, from {source}"


def listed(paths: tuple[str, ...]) -> str:
    """The first few."""
    more = len(paths) - PATHS_IN_TITLE
    return ", ".join(paths[:PATHS_IN_TITLE]) + (f" and {more} more" if more > 0 else "")
