"""Patterns of gitwildmatch form, matched against absolute paths."""

import os
import re
from collections.abc import Sequence

from pathspec import GitIgnoreSpec
from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

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

    def __init__(self, lines: Sequence[str], *, ignore_case: bool = False) -> None:
        """`ignore_case`: letters of either case are the same, as on Windows. Raises `PatternInvalid`."""
        self.lines = tuple(lines)
        self.ignores_case = ignore_case
        self.parsed = [_parsed(line, ignore_case=ignore_case) for line in lines]
        self._spec = GitIgnoreSpec(self.parsed, backend="simple")
        self.empty = not any(pattern.include is not None for pattern in self.parsed)
        self.takes_back = any(pattern.include is False for pattern in self.parsed)
        """Whether some line begins with `!`."""

    def match(self, path: bytes, *, is_folder: bool = False) -> bool:
        """Whether the absolute path, or a folder above it, is meant."""
        if self.empty:
            return False
        text = text_of(path)
        return bool(text) and self._spec.match_file(text + "/" if is_folder else text)

    def which(self, path: bytes, *, is_folder: bool = False) -> str:
        """The line that decides that the path is meant; empty where none does, or it is taken back."""
        if self.empty:
            return ""
        text = text_of(path)
        found = self._spec.check_file(text + "/" if is_folder else text) if text else None
        return self.lines[found.index] if found and found.include and found.index is not None else ""


def text_of(path: bytes) -> str:
    """A path or name as patterns see it."""
    return os.fsdecode(path).lstrip("/").translate(_LINE_BREAKS)


def _parsed(line: str, *, ignore_case: bool) -> GitIgnoreSpecPattern:
    if _is_open(line):
        raise PatternInvalid(pattern=line, detail="its [ is not closed; a [ of a name is written \\[")
    try:
        pattern = GitIgnoreSpecPattern(line.translate(_LINE_BREAKS))
    except ValueError as error:
        raise PatternInvalid(pattern=line, detail=error) from error
    if pattern.regex is None or not ignore_case:
        return pattern
    return GitIgnoreSpecPattern(re.compile(pattern.regex.pattern, re.IGNORECASE), pattern.include)


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
