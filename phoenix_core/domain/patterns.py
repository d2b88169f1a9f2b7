"""Patterns of gitwildmatch form, matched against absolute paths."""

import os
from collections.abc import Sequence

from pathspec import GitIgnoreSpec

from phoenix_core.domain.errors import EXIT_USAGE, PhoenixError

_LINE_BREAKS = str.maketrans({"\n": "\udc0a", "\r": "\udc0d"})
"""A path's line breaks stand as characters that no path has: regular expressions treat real ones apart."""


class PatternInvalid(PhoenixError):
    code = "pattern_invalid"
    template = "The pattern {pattern} can't be understood: {detail}."
    hint = "Write it as in a .gitignore file."
    exit_code = EXIT_USAGE


class Patterns:
    """A list of patterns as in a .gitignore file at `/`: the last one that matches decides, `!` takes back."""

    def __init__(self, lines: Sequence[str]) -> None:
        """Raises `PatternInvalid`."""
        for line in lines:
            if _is_open(line):
                raise PatternInvalid(pattern=line, detail="its [ is not closed; a [ of a name is written \\[")
            try:
                GitIgnoreSpec.from_lines([line])
            except ValueError as error:
                raise PatternInvalid(pattern=line, detail=error) from error
        self._spec = GitIgnoreSpec.from_lines(line.translate(_LINE_BREAKS) for line in lines)
        self.empty = not any(pattern.include is not None for pattern in self._spec.patterns)

    def match(self, path: bytes, *, is_folder: bool = False) -> bool:
        """Whether the absolute path, or a folder above it, is meant."""
        if self.empty:
            return False
        text = os.fsdecode(path).lstrip("/").translate(_LINE_BREAKS)
        return bool(text) and self._spec.match_file(text + "/" if is_folder else text)


def _is_open(line: str) -> bool:
    """Whether a class of characters begins in the pattern and doesn't end: it would match nothing."""
    if line.startswith("#"):
        return False
    at = 0
    while at < len(line):
        if line[at] == "\\":
            at += 2
        elif line[at] == "[":
            first = at + 1 + (line[at + 1 : at + 2] in {"!", "^"})
            end = line.find("]", first + 1)  # one that comes first is of the class
            if end < 0:
                return True
            at = end + 1
        else:
            at += 1
    return False
