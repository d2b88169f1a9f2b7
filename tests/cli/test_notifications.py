"""The commands on alerts and notifications."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from tests.cli.commands import Commands

MAIL = ("--to", "ops@example.org", "--from", "phoenix@example.org", "--host", "127.0.0.1", "--security", "none")


class Accepting:
    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        return "250 2.0.0 Ok: queued as 4711"


@pytest.fixture
def port() -> Iterator[int]:
    """Of a mail server in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        number: int = free.getsockname()[1]
    controller = Controller(Accepting(), hostname="127.0.0.1", port=number)
    controller.start()
    yield number
    controller.stop()


@pytest.fixture(autouse=True)
def nothing_left(running: Commands) -> Iterator[None]:
    yield
    for what in ("notification rule", "notification"):
        for each in running.json(*what.split(), "list"):
            name = each["name"] if "name" in each else each["channel"]["name"]
            running.run(*what.split(), "remove", name, "--yes", code=0)


def test_the_first_channel_comes_with_rules_and_its_test_shows_the_server_s_answer(
    running: Commands, port: int
) -> None:
    assert "Nobody is told of alerts yet" in running.run("notification", "list", code=0).out
    added = running.run("notification", "add", "ops", *MAIL, "--port", str(port), code=0).out
    assert "Rule urgent tells all alerts, error or worse: at once." in added
    assert "Rule daily tells all alerts: digest daily at 07:00 (UTC)." in added
    tested = running.run("notification", "test", "ops", code=0).out
    assert "The answer: 250 2.0.0 Ok: queued as 4711" in tested
    listed = running.run("notification", "rule", "list", code=0).out
    assert "all alerts, error or worse" in listed
    running.run("notification", "add", "more", *MAIL, code=0)
    assert len(running.json("notification", "rule", "list")) == 2
    assert running.error("notification", "add", "ops", *MAIL, code=2)["fields"]["field"] == "name"


def test_what_the_other_end_says_is_the_error_and_its_code_one(running: Commands) -> None:
    running.run("notification", "add", "hook", "--url", "http://127.0.0.1:1/x", "--no-rules", code=0)
    assert running.json("notification", "rule", "list") == []
    error = running.error("notification", "test", "hook")
    assert error["code"] == "notification_not_delivered"
    assert "Connection refused" in error["message"]
    assert "What is it?" in running.run("notification", "add", "x", code=2).err
    assert running.error("notification", "set", "hook", "--host", "mail", code=2)["fields"]["field"] == "host"
    assert running.error("notification", "show", "nope")["code"] == "not_found"


def test_a_secret_comes_from_a_file_or_a_command_and_is_not_exported(running: Commands, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    url = "https://127.0.0.1:1/{secret}"
    view = running.json("notification", "add", "chat", "--url", url, "--secret-file", secret, "--no-rules")
    assert view["secret_held_by"] == "file"
    assert running.json("notification", "set", "chat", "--forget-secret")["secret_held_by"] == ""
    assert "none: give it with" in running.run("notification", "show", "chat", code=0).out
    view = running.json("notification", "set", "chat", "--secret-command", "echo s3cret", "--rename", "talk")
    assert (view["channel"]["name"], view["secret_held_by"]) == ("talk", "file")
    wrong = running.error("notification", "set", "talk", "--secret-command", "false", code=2)
    assert wrong["code"] == "secret_unusable"
    exported = running.run("config", "export", code=0).out
    assert "[channels.talk]" in exported
    assert "s3cret" not in exported
    config = tmp_path / "config.toml"
    config.write_text(exported.replace("channels.talk", "channels.elsewhere"))
    applied = running.run("config", "apply", config, "--yes", code=0).out
    assert "removed  channel talk" in applied
    assert "Channel elsewhere has no password or secret yet" in applied
    assert running.run("config", "diff", config, code=0).out == "No difference.\n"


def test_a_rule_changes_only_in_what_is_named(running: Commands) -> None:
    running.run("notification", "add", "ops", *MAIL, "--no-rules", code=0)
    words = ("--channel", "ops", "--kind", "backup_failed", "--kind", "no_backup", "--severity", "error")
    made = running.json("notification", "rule", "set", "web", *words)
    assert (made["kinds"], made["when"], made["resolved"]) == (["backup_failed", "no_backup"], "at once", True)
    changed = running.json("notification", "rule", "set", "web", "--when", "daily at 07:00", "--kind", "all")
    assert (changed["kinds"], changed["when"], changed["channels"]) == ([], "daily at 07:00", ["ops"])
    assert "--severity bad" in running.run("notification", "rule", "set", "web", "--severity", "bad", code=2).err
    assert "no group named x" in running.run("notification", "rule", "set", "web", "--group", "x", code=2).err
    running.run("notification", "remove", "ops", "--yes", code=0)
    assert "nobody" in running.run("notification", "rule", "show", "web", code=0).out


def test_without_alerts_that_is_said(running: Commands) -> None:
    assert running.run("alert", "list", code=0).out == "No alert is active.\n"
    assert running.json("alert", "list", "--resolved") == []
    assert running.error("alert", "show", "w0")["code"] == "not_found"
