"""What the pages point at exists: files, headings, commands with their options."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from phoenix_core.cli.main import app
from scripts import command_reference

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("deploy/**/*.md")])
BLOCK = re.compile(r"^```sh\n(.*?)^```", re.DOTALL | re.MULTILINE)
INLINE = re.compile(r"`((?:phoenix|\.venv/bin/phoenix) [^`]*)`")
LABEL = re.compile(r" v\d|\{")
"""Labels of key derivations begin with our name too; some advice names the command only when it is given."""
LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]*)(?:#([^)\s]+))?\)")
PLAIN = re.compile(r"[a-z-]+")
"""A command's name; what a reader is to fill in looks different."""
BETWEEN = {"&&", "|", ">", ";", "--"}


def named(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_links_lead_somewhere(page: Path) -> None:
    for target, heading in LINK.findall(page.read_text("utf-8")):
        if "://" in target or target.startswith("mailto:"):
            continue
        there = (page.parent / target).resolve() if target else page
        assert there.exists(), target
        if heading:
            assert heading in _headings(there), f"{target}#{heading}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_commands_are_those_that_there_are(page: Path) -> None:
    for line in _lines(page.read_text("utf-8")):
        _check(line)


def test_the_reference_of_commands_is_current() -> None:
    assert command_reference.PAGE.read_text("utf-8") == command_reference.page(), "run `make docs`"


def _headings(page: Path) -> set[str]:
    lines = [line.lstrip("#").strip() for line in page.read_text("utf-8").splitlines() if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines}


def _lines(text: str) -> Iterator[str]:
    for block in BLOCK.findall(text):
        yield from block.replace("\\\n", " ").splitlines()
    yield from (line for line in INLINE.findall(BLOCK.sub("", text)) if not LABEL.search(line))


def _check(line: str) -> None:
    """Each call of the program in a line of shell."""
    words = shlex.split(line, comments=True)
    for at, word in enumerate(words):
        if word.endswith("bin/phoenix") or (word == "phoenix" and (not at or words[at - 1] in BETWEEN)):
            _check_call(line, words[at + 1 :])


def _check_call(line: str, words: list[str]) -> None:
    command: Any = get_command(app)
    for word in words:
        if word in BETWEEN:
            return
        if word.startswith("-") and word != "-":
            options = {option for parameter in command.params for option in parameter.opts}
            assert word.split("=")[0] in options | {"--help", "-h"}, f"{line}: {word}"
        elif hasattr(command, "commands") and PLAIN.fullmatch(word):
            assert word in command.commands, f"{line}: {word}"
            command = command.commands[word]
