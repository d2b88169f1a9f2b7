"""phoenix.toml: what it takes, and how it says where it is wrong."""

from pathlib import Path

import pytest

from phoenix_core.domain.errors import EXIT_USAGE
from phoenix_core.host.config import CoreConfig, parse_config, read_config
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.host.errors import ConfigInvalid, ConfigUnreadable
from phoenix_core.host.process import hostname
from tests.host.unprivileged import unprivileged

FILE = Path("/data/phoenix.toml")


def parse(text: str, *, embedded: bool = False) -> CoreConfig:
    return parse_config(text, FILE, embedded=embedded)


def test_without_a_file_a_service_listens_everywhere_and_is_reached_by_its_host_name(tmp_path: Path) -> None:
    config = read_config(DataDirectory(tmp_path), embedded=False)
    assert (config.listen_host, config.listen_port) == ("0.0.0.0", 8443)
    assert config.urls == (f"https://{hostname()}:8443",)
    assert (config.vault_path, config.log_level, config.embedded) == (None, "info", False)


def test_without_a_file_an_embedded_core_keeps_to_this_host(tmp_path: Path) -> None:
    config = read_config(DataDirectory(tmp_path), embedded=True)
    assert (config.listen_host, config.listen_port, config.urls) == ("127.0.0.1", 0, ())


@pytest.mark.parametrize("embedded", [True, False])
def test_the_file_says_all_there_is_to_say(tmp_path: Path, embedded: bool) -> None:
    (tmp_path / "phoenix.toml").write_text(
        """
        [core]
        listen = "192.0.2.1:9443"
        urls = ["https://backup.example.com:9443/", "https://[2001:db8::1]"]
        [storage]
        path = "/srv/vault"
        [log]
        level = "DEBUG"
        """
    )
    config = read_config(DataDirectory(tmp_path), embedded=embedded)
    assert (config.listen_host, config.listen_port) == ("192.0.2.1", 9443)
    assert config.urls == ("https://backup.example.com:9443", "https://[2001:db8::1]")
    assert config.vault_path == Path("/srv/vault")
    assert config.log_level == "debug"


@pytest.mark.parametrize(
    ("listen", "expected"),
    [
        ("0.0.0.0:8443", ("0.0.0.0", 8443)),
        ("10.0.0.1", ("10.0.0.1", 8443)),
        (":9000", ("0.0.0.0", 9000)),
        ("[::]:9000", ("::", 9000)),
        ("[::1]", ("::1", 8443)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_forms_of_an_address(listen: str, expected: tuple[str, int]) -> None:
    config = parse(f'core.listen = "{listen}"')
    assert (config.listen_host, config.listen_port) == expected


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[core\n", 1, "Expected"),
        ("\n\n[core]\nlisten = \n", 4, "Invalid value"),
        ('[core]\nlisten = "', 2, "Unterminated"),
        ("[core]\nlisten = 8443\n", 2, "listen must be"),
        ('[core]\n\nlisten = "a:b:c"\n', 3, "listen must be"),
        ('[core]\nlisten = "0.0.0.0:99999"\n', 2, "listen must be"),
        ('[core]\nlisten = ""\n', 2, "listen must be"),
        ('[core]\nlistem = "0.0.0.0:1"\n', 2, "[core] has no listem; it has listen, urls"),
        ('[core]\nurls = "https://a"\n', 2, "urls must be a list"),
        ('[core]\nurls = [\n "http://a"]\n', 2, "'http://a', which is not of the form https://host:port"),
        ('core = {urls = ["https://user:pass@a"]}\n', 1, "urls holds"),
        ('[core]\nurls = ["https://a:x"]\n', 2, "urls holds"),
        ('[core]\nurls = ["https://a/path"]\n', 2, "urls holds"),
        ('# note\n[storage]\npath = "vault"\n', 3, "path must be the absolute path"),
        ("[storage]\npath = 1\n", 2, "path must be the absolute path"),
        ('[log]\nlevel = "loud"\n', 2, "level must be one of debug, info, warning, error"),
        ("[log]\nlevel = 1\n", 2, "level must be one of"),
        ('[core]\nlisten = ":1"\n[cores]\n', 3, "[cores] is not known; there are [core], [storage], [log]"),
        ("log = 5\n", 1, "log must be a table"),
        ('log.level = "loud"\n', 1, "level must be one of"),
    ],
)
def test_a_mistake_is_named_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigInvalid) as caught:
        parse(text)
    assert caught.value.fields["line"] == line
    assert said in str(caught.value)
    assert str(FILE) in str(caught.value)
    assert caught.value.exit_code == EXIT_USAGE


def test_a_folder_of_the_users_home_may_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/someone")
    assert parse('[storage]\npath = "~/vault"').vault_path == Path("/home/someone/vault")


def test_bytes_that_are_no_text_are_told(tmp_path: Path) -> None:
    (tmp_path / "phoenix.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigUnreadable):
        read_config(DataDirectory(tmp_path), embedded=False)


def test_a_folder_in_its_place_is_told(tmp_path: Path) -> None:
    (tmp_path / "phoenix.toml").mkdir()
    with pytest.raises(ConfigUnreadable, match="Is a directory"):
        read_config(DataDirectory(tmp_path), embedded=False)


def test_a_file_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "phoenix.toml").write_text("")
    (tmp_path / "phoenix.toml").chmod(0)
    with unprivileged(), pytest.raises(ConfigUnreadable, match="Permission denied"):
        read_config(DataDirectory(tmp_path), embedded=False)
