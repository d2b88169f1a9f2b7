"""Logs: JSON lines in UTC, rotated, the owner's alone, and never a secret."""

import io
import json
import logging
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from phoenix_core.host import logs
from phoenix_core.host.logs import configure_logs

TOKEN = "phx1." + "Ab3_" * 30
JWT = "eyJhbGciOiJFZERTQSJ9.eyJqb2IiOiJqMSJ9.c2lnbmF0dXJl"
PEM = "-----BEGIN PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----\n"


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    for handler in set(handlers) - set(root.handlers):
        root.addHandler(handler)
    root.setLevel(level)
    structlog.reset_defaults()


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_line_is_a_json_object_with_time_level_and_place(tmp_path: Path) -> None:
    path = configure_logs(tmp_path / "logs", "core")
    structlog.get_logger("phoenix_core.engine").info("job began", job="j1", files=3, ratio=0.5, none=None)
    (line,) = lines(path)
    assert path == tmp_path / "logs" / "core.log"
    assert (line["event"], line["level"], line["job"], line["files"]) == ("job began", "info", "j1", 3)
    assert line["logger"] == "phoenix_core.engine"
    at = datetime.fromisoformat(str(line["at"]))
    assert str(line["at"]).endswith("Z")
    assert abs((datetime.now(UTC) - at).total_seconds()) < 60


def test_the_libraries_loggers_write_there_too(tmp_path: Path) -> None:
    path = configure_logs(tmp_path, "core")
    logging.getLogger("aiohttp.server").warning("bad request from %s", "192.0.2.1", extra={"status": 400})
    (line,) = lines(path)
    assert (line["event"], line["logger"], line["status"]) == ("bad request from 192.0.2.1", "aiohttp.server", 400)


def test_exceptions_are_in_the_line(tmp_path: Path) -> None:
    path = configure_logs(tmp_path, "agent")
    try:
        raise ValueError("no such thing")
    except ValueError:
        structlog.get_logger().exception("it failed")
    (line,) = lines(path)
    assert line["level"] == "error"
    assert "ValueError: no such thing" in str(line["exception"])


def test_levels_are_kept(tmp_path: Path) -> None:
    path = configure_logs(tmp_path, "core", "warning")
    structlog.get_logger().info("not this")
    logging.getLogger("x").info("nor this")
    structlog.get_logger().warning("this")
    assert [line["event"] for line in lines(path)] == ["this"]
    configure_logs(tmp_path, "core", "debug")
    structlog.get_logger().debug("and this")
    assert [line["event"] for line in lines(path)] == ["this", "and this"]


@pytest.mark.parametrize(
    "fields",
    [
        {"passphrase": "hush"},
        {"vault_key": "hush"},
        {"key": b"hush"},
        {"token": "hush"},
        {"keys": ["hush"]},
        {"Authorization": "Bearer hush"},
        {"nested": {"password": "hush", "deeper": [{"secret": "hush"}]}},
        {"activation_token": "hush"},
    ],
)
def test_values_under_telling_names_are_blotted_out(tmp_path: Path, fields: dict[str, object]) -> None:
    path = configure_logs(tmp_path, "core")
    structlog.get_logger().info("something", **fields)
    assert "hush" not in path.read_text()
    assert logs.BLOT in path.read_text()


@pytest.mark.parametrize("secret", [TOKEN, JWT, PEM])
def test_secrets_inside_other_text_are_blotted_out(tmp_path: Path, secret: str) -> None:
    path = configure_logs(tmp_path, "core")
    structlog.get_logger().info(f"got {secret} from somewhere", detail=f"x{secret}y", deep={"list": [secret]})
    logging.getLogger("aiohttp").warning("request: %s", secret)
    try:
        raise ValueError(secret)
    except ValueError:
        structlog.get_logger().exception("failed")
    text = path.read_text()
    assert secret not in text
    assert json.dumps(secret)[1:-1] not in text
    assert text.count(logs.BLOT) >= 4


def test_what_only_sounds_secret_stays(tmp_path: Path) -> None:
    path = configure_logs(tmp_path, "core")
    structlog.get_logger().info("x", key_holder="file", tokens=3, key_available=True, monkey="george", data=b"\0" * 9)
    (line,) = lines(path)
    assert (line["key_holder"], line["tokens"], line["key_available"], line["monkey"], line["data"]) == (
        "file",
        3,
        True,
        "george",
        "<9 bytes>",
    )


def test_logs_are_the_owners_alone_and_rotate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_BYTES", 2000)
    configure_logs(tmp_path / "logs", "core")
    for number in range(300):
        structlog.get_logger().info("line", number=number)
    files = sorted(file.name for file in (tmp_path / "logs").iterdir())
    assert files == ["core.log", *(f"core.log.{number}" for number in range(1, logs.KEPT_FILES + 1))]
    for file in (tmp_path / "logs").iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert file.stat().st_size <= 2000
    assert lines(tmp_path / "logs" / "core.log")[-1]["number"] == 299


def test_a_terminal_gets_readable_lines_without_secrets(tmp_path: Path) -> None:
    terminal = io.StringIO()
    configure_logs(tmp_path, "core", also_to=terminal)
    structlog.get_logger().warning("look here", job="j1", token=TOKEN)
    assert "look here" in terminal.getvalue()
    assert "j1" in terminal.getvalue()
    assert TOKEN not in terminal.getvalue()


def test_configuring_twice_does_not_write_twice(tmp_path: Path) -> None:
    configure_logs(tmp_path, "core")
    path = configure_logs(tmp_path, "core")
    structlog.get_logger().info("once")
    assert len(lines(path)) == 1


def test_bound_context_is_in_the_line(tmp_path: Path) -> None:
    path = configure_logs(tmp_path, "core")
    with structlog.contextvars.bound_contextvars(job="j7"):
        structlog.get_logger().info("inside")
    assert lines(path)[0]["job"] == "j7"
