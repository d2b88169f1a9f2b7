"""The files that run on a server before Phoenix does: for any Python 3, with Python's own library alone."""

import ast
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from phoenix_core.agentlink.activation import encode, new_token
from phoenix_core.rollout import onserver
from phoenix_core.rollout.onserver import python as finding
from phoenix_core.rollout.onserver.core import read_token
from phoenix_core.rollout.onserver.python import find_pythons, python_advice, system_of
from phoenix_core.rollout.onserver.stop import Stop
from phoenix_core.rollout.onserver.targets import choose, target_for
from phoenix_core.rollout.script import ORDER, script

FILES = sorted(Path(onserver.__file__).parent.glob("*.py"))
GOOD = {
    "version": [3, 11],
    "machine": "x86_64",
    "venv": True,
    "libc": "glibc",
    "libc_version": "2.36",
    "cpython": True,
    "threaded": True,
}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_is_of_an_old_python_and_imports_nothing_but_its_library(file: Path) -> None:
    tree = ast.parse(file.read_text("utf-8"), feature_version=(3, 6))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        for name in names:
            assert name.startswith(f"{onserver.__name__}.") or name.split(".")[0] in sys.stdlib_module_names, name


def test_the_script_holds_all_files_after_those_that_they_import() -> None:
    assert {file.stem for file in FILES} == {*ORDER, "__init__"}
    text = script().decode()
    for name in ORDER:
        known = text[: text.index(f"load('{onserver.__name__}.{name}'")]
        source = Path(onserver.__file__).with_name(f"{name}.py").read_text("utf-8")
        needed = [node.module for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ImportFrom)]
        for module in needed:
            assert not (module or "").startswith(onserver.__name__) or f"load('{module}'" in known


@pytest.mark.parametrize("urls", [["https://core:8443"], ["https://a.example.com:8443"] * 7, ["https://" + "x" * 300]])
def test_a_token_is_read_as_the_core_wrote_it(urls: list[str]) -> None:
    token = new_token(urls, os.urandom(32))
    assert read_token(encode(token) + "\n") == (urls, token.ca_fingerprint)


def test_a_token_that_is_cut_mistyped_or_of_another_version_is_told() -> None:
    good = encode(new_token(["https://core:8443"], b"f" * 32))
    for bad in ("", "phx1.", good[:-1], good[:-9], "phx2" + good[4:], good.replace(good[20], "-", 1), "hello"):
        with pytest.raises(Stop) as stop:
            read_token(bad)
        assert stop.value.code == "activation_token_malformed"
        assert "phoenix server add" in stop.value.advice


def fake(folder: Path, name: str, **facts: object) -> str:
    """A command that gives these facts, as a Python does."""
    path = folder / name
    path.write_text(f"#!/bin/sh\necho '{json.dumps({**GOOD, **facts})}'\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


def test_this_python_will_do() -> None:
    (found,) = find_pythons(sys.executable)
    assert found["path"] == sys.executable
    assert found["version"] == [*sys.version_info[:2]]


def test_the_first_that_is_new_enough_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake(tmp_path, "python3", version=[3, 9])
    fake(tmp_path, "python3.14", version=[3, 14], venv=False)
    wanted = fake(tmp_path, "python3.12", version=[3, 12])
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    assert find_pythons()[0]["path"] == wanted


@pytest.mark.parametrize("facts", [{"version": [3, 9]}, {"cpython": False}, {"threaded": False}])
def test_where_none_will_do_it_says_so_before_anything_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, facts: dict[str, object]
) -> None:
    monkeypatch.setattr(finding, "PLACES", ())
    fake(tmp_path, "python3", **facts)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(Stop) as stop:
        find_pythons()
    assert stop.value.code == "python_too_old"
    assert "Nothing was changed" in stop.value.message
    assert "paste the line again" in stop.value.advice


def test_a_python_without_venv_is_named_with_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(Stop) as stop:
        find_pythons(fake(tmp_path, "python3", venv=False))
    assert stop.value.code == "python_without_venv"
    assert "Type: " in stop.value.advice


@pytest.mark.parametrize(
    ("release", "advice"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "apt-get install python3 python3-venv"),
        ('ID=debian\nVERSION_ID="11"\n', "newer release"),
        ('ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\n', "apt-get install python3.11 python3.11-venv"),
        ('ID=ubuntu\nVERSION_ID="20.04"\n', "newer release"),
        ('ID="almalinux"\nID_LIKE="rhel centos fedora"\nVERSION_ID="9.4"\n', "dnf install python3.11"),
        ('ID="rocky"\nID_LIKE="rhel centos fedora"\nVERSION_ID="8.9"\n', "dnf install python3.11"),
        ('ID="rhel"\nVERSION_ID="10.0"\n', "dnf install python3"),
        ('ID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="7"\n', "newer release"),
        ('ID="amzn"\nID_LIKE="fedora"\nVERSION_ID="2023"\n', "dnf install python3.11"),
        ('ID="sles"\nID_LIKE="suse"\nVERSION_ID="15.6"\n', "zypper install python311"),
        ("ID=alpine\nVERSION_ID=3.20.1\n", "apk add python3"),
        ("ID=arch\n", "pacman -S python"),
        ('ID=linuxmint\nID_LIKE="ubuntu debian"\nVERSION_ID="21"\n', "newer release"),
        ("", "newer release"),
    ],
)
def test_each_distribution_gets_its_own_command(tmp_path: Path, release: str, advice: str) -> None:
    file = tmp_path / "os-release"
    file.write_text(release)
    assert advice in python_advice(*system_of([str(file)]))


TARGET = {"python": "3.11", "machine": "x86_64", "libc": "glibc", "libc_version": "2.28", "wheels": []}


@pytest.mark.parametrize("facts", [{}, {"libc_version": "2.28"}, {"libc_version": "3.0"}, {"libc_version": ""}])
def test_wheels_for_this_server_are_found(facts: dict[str, object]) -> None:
    assert target_for({"targets": [{**TARGET, "machine": "arm64"}, TARGET]}, {**GOOD, **facts}) == TARGET


@pytest.mark.parametrize(
    "facts", [{"version": [3, 12]}, {"machine": "aarch64"}, {"libc": "musl"}, {"libc_version": "2.17"}]
)
def test_without_wheels_for_this_server_it_names_those_that_there_are(facts: dict[str, object]) -> None:
    with pytest.raises(Stop) as stop:
        target_for({"targets": [TARGET]}, {**GOOD, **facts})
    assert stop.value.code == "no_wheels_for_platform"
    assert "Nothing was changed" in stop.value.message
    assert "3.11 on x86_64 with glibc 2.28" in stop.value.advice


def test_of_several_pythons_one_that_the_core_has_wheels_for_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finding, "PLACES", ())
    fake(tmp_path, "python3", version=[3, 13])
    (tmp_path / "python3.13").symlink_to(tmp_path / "python3")
    wanted = fake(tmp_path, "python3.11")
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    pythons = [each for each in find_pythons() if each["path"].startswith(str(tmp_path))]
    assert [each["version"] for each in pythons] == [[3, 13], [3, 11]]
    assert choose({"targets": [TARGET]}, pythons)[0]["path"] == wanted
    with pytest.raises(Stop, match=r"Python 3\.13") as stop:
        choose({"targets": [{**TARGET, "python": "3.12"}]}, pythons)
    assert stop.value.code == "no_wheels_for_platform"


def test_the_program_itself_says_what_to_do_where_an_older_python_runs_it() -> None:
    """As after an upgrade of the system under an environment, where pip was not asked."""
    code = "import sys; sys.version_info = (3, 9, 2); import phoenix_core"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs Python 3.11 or newer, this is 3.9" in done.stderr
    assert "Traceback" not in done.stderr
