"""Wheels made of what is installed: the same files, nothing that was changed, the same bytes each time."""

import importlib.metadata
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

import phoenix_core
from phoenix_core import __version__
from phoenix_core.rollout.errors import NotRepackable
from phoenix_core.rollout.repack import own_wheel, repack


@pytest.mark.parametrize("name", ["msgspec", "humanize", "argon2-cffi"])
def test_a_wheel_holds_the_files_that_pip_installed(tmp_path: Path, name: str) -> None:
    made = repack(name, tmp_path)
    installed = importlib.metadata.distribution(name)
    assert parse_wheel_filename(made.name)[:2] == (
        name,
        parse_wheel_filename(f"x-{installed.version}-py3-none-any.whl")[1],
    )
    with zipfile.ZipFile(made) as opened:
        names = {each for each in opened.namelist() if ".dist-info/" not in each}
        for each in names:
            assert opened.read(each) == Path(str(installed.locate_file(each))).read_bytes()
        assert opened.testzip() is None
    code = {str(path) for path in installed.files or () if path.suffix in {".py", ".so", ".typed", ".pyi"}}
    assert code <= names


def test_phoenixs_own_wheel_is_the_running_program_with_all_its_files(tmp_path: Path) -> None:
    made = own_wheel(tmp_path)
    root = Path(phoenix_core.__file__).parent.parent
    with zipfile.ZipFile(made) as opened:
        names = set(opened.namelist())
        metadata = opened.read(f"phoenix_backup-{__version__}.dist-info/METADATA").decode()
        assert opened.read("phoenix_core/app.py") == (root / "phoenix_core" / "app.py").read_bytes()
    assert f"\nVersion: {__version__}\n" in metadata
    assert {"phoenix_core/rollout/unitfiles/before-start", "phoenix_tui/styles/console.tcss"} <= names
    assert not any("__pycache__" in name for name in names)
    again = tmp_path / "again"
    again.mkdir()
    assert own_wheel(again).read_bytes() == made.read_bytes()


def test_a_file_that_was_changed_since_it_was_installed_does_not_get_out(tmp_path: Path) -> None:
    place = tmp_path / "installed"
    (tmp_path / "wheels").mkdir()
    wheel = repack("humanize", tmp_path / "wheels")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", str(place)]
    subprocess.run([*pip, str(wheel)], check=True)
    (place / "humanize" / "time.py").write_text("import os\n")
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from pathlib import Path\n"
        "from phoenix_core.rollout.errors import NotRepackable\n"
        "from phoenix_core.rollout.repack import repack\n"
        "try:\n    repack('humanize', Path(sys.argv[2]))\nexcept NotRepackable as error:\n    print(error)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", program, str(place), str(tmp_path)], capture_output=True, text=True, check=True
    )
    assert "humanize/time.py was changed since it was installed" in said.stdout


def test_what_is_not_installed_is_told(tmp_path: Path) -> None:
    with pytest.raises(NotRepackable, match="isn't installed"):
        repack("no-such-thing", tmp_path)
