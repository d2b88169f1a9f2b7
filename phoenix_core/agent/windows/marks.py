"""What names tell on Windows: that a folder is a cache which says so, or that a restore has not finished something."""

from phoenix_core.agent.windows.attributes import is_folder, is_link
from phoenix_core.agent.windows.names import folded
from phoenix_core.agent.windows.paths import below
from phoenix_core.agent.windows.seam import FileFacts, ReadFiles, WindowsFailure

CACHE_TAG = "CACHEDIR.TAG"
CACHE_SIGNATURE = b"Signature: 8a477f597d28d172789f06886806bc55"
"""How a valid tag begins: https://bford.info/cachedir/."""
TEMP = ".phoenix-restore-"
TEMP_END = ".tmp"
"""What a restore writes has a name like this until it is complete."""


def is_tag(name: str) -> bool:
    return folded(name) == CACHE_TAG


def is_half_restored(name: str) -> bool:
    return name.startswith(TEMP) and name.endswith(TEMP_END)


def is_cache(windows: ReadFiles, folder: str, listing: list[FileFacts]) -> bool:
    """Whether the folder is tagged as a cache; one whose tag can't be read is not."""
    tag = next((each for each in listing if is_tag(each.name) and not is_folder(each) and not is_link(each)), None)
    if tag is None:
        return False
    buffer = bytearray(len(CACHE_SIGNATURE))
    try:
        file = windows.open_file(below(folder, tag.name))
        try:
            return file.read_at(memoryview(buffer), 0) == len(buffer) and bytes(buffer) == CACHE_SIGNATURE
        finally:
            file.close()
    except WindowsFailure:
        return False
