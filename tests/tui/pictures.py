"""Pictures of screens, kept as SVG under snapshots/ and compared with what the console shows now."""

import difflib
import html
import re
import tempfile
from collections import defaultdict
from pathlib import Path

from pytest_textual_snapshot import normalize_svg  # type: ignore[import-untyped]

FOLDER = Path(__file__).parents[2] / "snapshots"
MANUAL = Path(__file__).parents[2] / "docs" / "pictures"
"""Those that the manual shows, by the same names."""
_FONT = re.compile(r"\s*@font-face \{[^}]*\}")
_TEXT = re.compile(r'<text [^>]*x="([\d.]+)" y="([\d.]+)"[^>]*>([^<]*)</text>')


def normal(svg: str) -> str:
    """Without what changes from run to run, and without fonts from elsewhere. Ends with one line break."""
    plain = _FONT.sub("", normalize_svg(svg))
    return "\n".join(line.rstrip() for line in plain.strip().splitlines()) + "\n"


class Album:
    def __init__(self, *, update: bool) -> None:
        self._update = update

    def compare(self, name: str, svg: str) -> None:
        """Fails where the kept picture of this name differs; with `update` keeps the new one."""
        path, now = FOLDER / f"{name}.svg", normal(svg)
        if self._update:
            FOLDER.mkdir(exist_ok=True)
            path.write_text(now, "utf-8")
            if (MANUAL / path.name).exists():
                (MANUAL / path.name).write_text(now, "utf-8")
            return
        assert path.exists(), f"There is no picture {path.name} yet; take it with `make pictures` and look at it."
        kept = path.read_text("utf-8")
        if kept != now:
            with tempfile.NamedTemporaryFile("w", suffix=f"-{name}.svg", delete=False, encoding="utf-8") as file:
                file.write(now)
            difference = "\n".join(difflib.unified_diff(_lines(kept), _lines(now), "kept", "now", lineterm="", n=0))
            raise AssertionError(
                f"{path.name} shows something else now: {file.name}. If that is meant, `make pictures` keeps it.\n"
                + (difference or "The text is the same; colours differ.")
            )


def _lines(svg: str) -> list[str]:
    """The text of a picture, line by line."""
    lines: defaultdict[float, list[tuple[float, str]]] = defaultdict(list)
    for x, y, text in _TEXT.findall(svg):
        lines[float(y)].append((float(x), html.unescape(text).replace("\xa0", " ")))
    return ["".join(text for _x, text in sorted(lines[y])) for y in sorted(lines)]
