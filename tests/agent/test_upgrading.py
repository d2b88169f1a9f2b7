"""An upgrade ordered by the core runs one fixed command at the server, and its outcome is told."""

import sys
import threading
from pathlib import Path

from phoenix_core.agent.upgrading import Upgrading
from phoenix_core.agentlink.upgradeorder import UpgradeNoted, UpgradeOrder, UpgradeOutcome


class TellingLink:
    def __init__(self) -> None:
        self.told: list[UpgradeOutcome] = []
        self.heard = threading.Event()

    def request_blocking(self, request: UpgradeOutcome, timeout_s: float) -> UpgradeNoted:
        self.told.append(request)
        self.heard.set()
        return UpgradeNoted(number=request.number)

    def outcome(self) -> UpgradeOutcome:
        assert self.heard.wait(30)
        return self.told[-1]


def printing(text: str, code: int = 0) -> list[str]:
    return [sys.executable, "-c", f"import sys; print({text!r}); sys.exit({code})"]


def test_the_version_that_was_put_in_place_is_told() -> None:
    link = TellingLink()
    Upgrading(link, printing('{"version": "0.2.0", "name": "0.2.0-a", "previous": "0.1.0-b"}')).start(UpgradeOrder())
    assert (link.outcome().version, link.outcome().error) == ("0.2.0", None)


def test_the_commands_own_error_is_told() -> None:
    link = TellingLink()
    Upgrading(link, printing('{"error": {"code": "no_space", "message": "Full.", "hint": ""}}', 1)).start(
        UpgradeOrder()
    )
    error = link.outcome().error
    assert error is not None
    assert (error.code, error.message) == ("no_space", "Full.")


def test_a_command_that_says_nothing_sensible_or_is_not_there_is_told() -> None:
    for command in (printing("Traceback"), ["/nonexistent/phoenix", "agent", "upgrade"]):
        link = TellingLink()
        Upgrading(link, command).start(UpgradeOrder())
        assert link.outcome().error is not None


def test_one_order_at_a_time_is_carried_out(tmp_path: Path) -> None:
    runs, go = tmp_path / "runs", tmp_path / "go"
    code = (
        "import pathlib, select\n"
        f"open({str(runs)!r}, 'a').write('x')\n"
        f"while not pathlib.Path({str(go)!r}).exists(): select.select([], [], [], 0.02)\n"
        'print(\'{"version": "1"}\')\n'
    )
    link = TellingLink()
    upgrading = Upgrading(link, [sys.executable, "-c", code])
    for _ in range(5):
        upgrading.start(UpgradeOrder(who="root"))
    go.write_text("")
    assert link.outcome().version == "1"
    assert runs.read_text() == "x"
