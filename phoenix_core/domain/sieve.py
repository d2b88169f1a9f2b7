"""Finds, among the names in a folder, the few that a list of patterns could mean; all others cost next to nothing.

Whoever goes down a tree and leaves out what patterns mean has asked already about every folder above. So a name matters
only if some pattern means it itself, and that can be seen from the last part of the pattern: a name, an ending, a
beginning, or a small expression. `Patterns` then decides.
"""

import os
import re
from collections.abc import Iterable, Sequence

from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

from phoenix_core.domain.patterns import Patterns, text_of

_SPECIAL = frozenset("*?[\\")
_LINE_BREAKS = frozenset("\n\r")
_NONE: frozenset[bytes] = frozenset()


class NameSieve:
    """Of one or several lists of patterns."""

    def __init__(self, lists: Sequence[Patterns]) -> None:
        self._names: set[bytes] = set()
        self._in_folders: set[bytes] = set()
        """Folders of which every entry may be meant."""
        self._any_path: list[re.Pattern[str]] = []
        """Of patterns that may mean any name, seen from the whole path."""
        self._endings: tuple[bytes, ...] = ()
        self._beginnings: tuple[bytes, ...] = ()
        self._parts: dict[str, None] = {}
        for patterns in lists:
            for line, parsed in zip(patterns.lines, patterns.parsed, strict=True):
                if parsed.include and parsed.regex is not None:
                    self._add(line, parsed.regex, patterns)
        ignores_case = any(patterns.ignores_case for patterns in lists)
        self._expression = _joined(self._parts, re.IGNORECASE if ignores_case else 0)
        self.empty = not any(pattern.include for patterns in lists for pattern in patterns.parsed)

    def suspects(self, folder: bytes, names: Iterable[bytes]) -> frozenset[bytes]:
        """Those of the names in the folder, an absolute path, that a pattern may mean by themselves."""
        if self.empty:
            return _NONE
        if folder in self._in_folders:
            return frozenset(names)
        known, endings, beginnings = self._names, self._endings, self._beginnings
        found = {name for name in names if name in known or name.endswith(endings) or name.startswith(beginnings)}
        if self._expression is not None:
            search = self._expression.search
            found.update(name for name in names if search(text_of(name) + "/"))
        if self._any_path:
            found.update(name for name in names if self._is_meant(folder, name))
        return frozenset(found) if found else _NONE

    def _is_meant(self, folder: bytes, name: bytes) -> bool:
        text = text_of(folder) + "/" + text_of(name) + "/"
        return any(pattern.search(text.lstrip("/")) for pattern in self._any_path)

    def _add(self, line: str, regex: re.Pattern[str], patterns: Patterns) -> None:
        above, _, last = _written(line).removesuffix("/").rpartition("/")
        if not last or set(last) == {"*"} or not _LINE_BREAKS.isdisjoint(line):
            if last == "*" and above and not _SPECIAL.intersection(above) and not patterns.ignores_case:
                self._in_folders.add(b"/" + os.fsencode(above.lstrip("/")))
            else:
                self._any_path.append(regex)
        elif patterns.ignores_case:
            self._parts[last] = None
        elif not _SPECIAL.intersection(last):
            self._names.add(os.fsencode(last))
        elif last[0] == "*" and not _SPECIAL.intersection(last[1:]):
            self._endings = (*self._endings, os.fsencode(last[1:]))
        elif last[-1] == "*" and not _SPECIAL.intersection(last[:-1]):
            self._beginnings = (*self._beginnings, os.fsencode(last[:-1]))
        else:
            self._parts[last] = None


def _written(line: str) -> str:
    """A pattern's line without the blanks that git passes over."""
    return line if line.endswith("\\ ") else line.rstrip()


def _joined(parts: Iterable[str], flags: int) -> re.Pattern[str] | None:
    """One expression for the last parts of many patterns; a group in them that has a name would have it twice."""
    made = [GitIgnoreSpecPattern("/" + part) for part in parts]
    texts = [pattern.regex.pattern.replace("?P<ps_d>", "?:") for pattern in made if pattern.regex is not None]
    return re.compile("|".join(f"(?:{text})" for text in texts), flags) if texts else None
