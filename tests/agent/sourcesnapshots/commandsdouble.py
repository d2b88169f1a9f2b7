"""Commands of LVM and ZFS that tests answer."""

import fnmatch
from collections.abc import Callable, Sequence
from pathlib import Path

from phoenix_core.agent.errors import AgentError

ANSWERS = Path(__file__).parent / "answers"
Answer = str | AgentError | Callable[[Sequence[str]], str]


def recorded(name: str) -> str:
    return (ANSWERS / name).read_text("utf-8")


class AnsweredCommands:
    """Answers by the first pattern that a command line fits; keeps what was run."""

    def __init__(self, answers: dict[str, Answer]) -> None:
        self.answers = answers
        self.ran: list[str] = []

    def run(self, command: str, *arguments: str) -> str:
        line = " ".join((command, *arguments))
        self.ran.append(line)
        for pattern, answer in self.answers.items():
            if fnmatch.fnmatchcase(line, pattern):
                if isinstance(answer, AgentError):
                    raise answer
                return answer if isinstance(answer, str) else answer((command, *arguments))
        raise AssertionError(f"nothing answers {line}")

    def of(self, command: str) -> list[str]:
        """The lines that began with a command."""
        return [line for line in self.ran if line.split(" ")[0] == command]
