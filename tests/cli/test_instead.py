"""The command that an error suggests is the operator's own, of another snapshot: no option of it gets lost."""

import shlex
from collections.abc import Callable
from typing import Any

import pytest

from phoenix_core.cli import jobwork
from phoenix_core.cli.instead import with_command
from phoenix_core.domain.errors import EXIT_DONE, ErrorView
from tests.cli.commands import Commands

LOST = ErrorView("snapshot_lost", "It is lost.", "Take that one.", fields={"instead": "0123456789ab"})
OPTIONS = (
    *("--path", "/a b", "--path", "/c", "--to", "/tmp/x", "--to-server", "vm", "--conflict", "skip"),
    *("--check", "--detach", "--wait-agent", "5", "--json"),
)


@pytest.mark.parametrize("options", [(), OPTIONS, ("--check",), ("--conflict", "keep-both", "--check")])
def test_a_restore_is_suggested_with_every_option_that_was_given(
    commands: Commands, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    suggested: list[list[str]] = []

    async def run_job(*_: object, instead: Callable[[str], list[str]], **__: Any) -> int:
        suggested.append(instead("0123456789ab"))
        return EXIT_DONE

    monkeypatch.setattr(jobwork, "run_job", run_job)
    commands.run("restore", "web2", "--snapshot", "abcdef", *options, code=0)
    assert suggested == [["restore", "web2", "--snapshot", "0123456789ab", *options]]


def test_the_command_stands_in_the_hint_as_it_is_typed() -> None:
    view = with_command(LOST, lambda other: ["restore", "web2", "--snapshot", other, "--path", "/a b"])
    words = view.hint.split("`")[1]
    assert shlex.split(words) == ["phoenix", "restore", "web2", "--snapshot", "0123456789ab", "--path", "/a b"]
    assert view.hint.startswith("Take that one. ")


def test_where_no_other_snapshot_has_it_no_command_is_suggested() -> None:
    nothing = ErrorView("snapshot_lost", "It is lost.", "There is none.", fields={"instead": ""})
    assert with_command(nothing, lambda other: ["restore", other]) == nothing
