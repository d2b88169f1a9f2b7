"""The commands that there are, what they have in common, and how soon help is there."""

import subprocess
import sys
import time
from collections.abc import Iterator

import pytest
from typer.main import get_command

from phoenix_core.cli.main import app
from tests.cli.commands import PHOENIX, Commands

COMMANDS = (
    """
agent enroll|agent install|agent restore|agent run|agent snapshots|agent stream|agent uninstall|agent upgrade
alert acknowledge|alert list|alert show|audit export|audit list|backup
config apply|config diff|config export|core bundle|core install|core run|core stop|core uninstall|doctor
drill list|drill run|drill show|find
group list|group remove|group set|group show|job cancel|job list|job log|job retry|job show|job watch|mount
notification add|notification list|notification remove|notification rule list|notification rule remove
notification rule set|notification rule show|notification set|notification show|notification test
policy list|policy remove|policy retention|policy runs|policy set|policy show
quickstart|restore|rule list|rule remove|rule set|rule show|rule test
server add|server list|server remove|server show|server token|server undelete|server upgrade
setting get|setting list|setting set
snapshot browse|snapshot compare|snapshot diff|snapshot download|snapshot find|snapshot hold|snapshot list
snapshot note|snapshot release|snapshot remove|snapshot show|snapshot tag|snapshot undelete|snapshot untag
storage enroll|storage run|vault init
vault key change-passphrase|vault key export|vault key move|vault key status|vault prune|vault rebuild-index
vault repair|vault status|vault verify
""".strip()
    .replace("\n", "|")
    .split("|")
)
ROLES = {"agent run", "core run", "storage run"}
"""They print nothing that a program would read."""
HEAVY = {"aiohttp", "asyncio", "cryptography", "keyring", "msgspec", "rich", "sqlalchemy", "textual", "zstandard"}


def _leaves(command: object, path: tuple[str, ...] = ()) -> Iterator[tuple[str, object]]:
    below = getattr(command, "commands", None)
    if below is None:
        yield " ".join(path), command
        return
    for name, child in below.items():
        yield from _leaves(child, (*path, name))


LEAVES = dict(_leaves(get_command(app)))


def test_the_commands_are_those_of_the_manual() -> None:
    assert sorted(LEAVES) == sorted(COMMANDS)


@pytest.mark.parametrize("name", LEAVES)
def test_each_command_says_what_it_does_and_takes_a_data_directory(name: str) -> None:
    command = LEAVES[name]
    options = {option for parameter in command.params for option in parameter.opts}  # type: ignore[attr-defined]
    assert command.help  # type: ignore[attr-defined]
    assert "--data" in options
    assert name in ROLES or "--json" in options


@pytest.mark.parametrize("words", [("--help",), ("vault", "key", "-h"), ("restore", "--help"), ("job",)])
def test_help_is_printed(commands: Commands, words: tuple[str, ...]) -> None:
    done = commands.run(*words)
    assert "Usage: " in done.out + done.err
    assert done.code in {0, 2}


def test_the_version_is_printed(commands: Commands) -> None:
    assert commands.run("--version", code=0).out.startswith("phoenix 0.")


def test_help_loads_no_library_that_only_a_command_needs() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "phoenix_core.cli", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rsplit("|", 1)[-1].strip().split(".")[0] for line in done.stderr.splitlines()}
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_help_is_there_in_a_few_times_what_python_itself_takes() -> None:
    """A ratio, since test machines differ: bare Python takes about 20 ms where help takes 150, and may take 300."""
    assert _fastest((*PHOENIX, "--help")) < 15 * _fastest((sys.executable, "-c", "pass"))


def _fastest(command: tuple[str, ...]) -> float:
    times: list[float] = []
    for _ in range(5):
        began = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - began)
    return min(times)


@pytest.mark.parametrize(
    "words",
    [
        ("nonsense",),
        ("job", "nonsense"),
        ("backup",),
        ("backup", "web1", "--nonsense"),
        ("job", "list", "--limit", "x"),
    ],
)
def test_a_mistake_in_the_command_is_exit_2(commands: Commands, words: tuple[str, ...]) -> None:
    assert commands.run(*words).code == 2
    assert not commands.data.root.exists()


def test_what_may_be_repeated_is_marked_once(commands: Commands) -> None:
    usage = commands.run("backup", "--help", code=0).out.splitlines()[0]
    assert usage.endswith("[PATH]...")
    assert "]...]" not in usage
