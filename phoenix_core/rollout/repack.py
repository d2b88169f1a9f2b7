"""Wheels made of what is installed here: Phoenix's own, of the running program, and those of its dependencies.

A wheel is a zip of what pip put into the environment, with a list of hashes; so the list that pip keeps (RECORD) is
enough to make it again. Every file is checked by that list first: what somebody changed by hand doesn't get out. Two
runs give the same bytes.
"""

import base64
import hashlib
import importlib.metadata
import importlib.util
import zipfile
from collections.abc import Iterable
from pathlib import Path

from packaging.tags import parse_tag
from packaging.utils import canonicalize_name

from phoenix_core import __version__
from phoenix_core.rollout.errors import NotRepackable

DISTRIBUTION = "phoenix-backup"
PACKAGES = ("phoenix_core", "phoenix_tui")
_WHEN = (1980, 1, 1, 0, 0, 0)
_NOT_IN_WHEELS = {"RECORD", "INSTALLER", "REQUESTED", "direct_url.json"}
_WHEEL = "Wheel-Version: 1.0\nGenerator: phoenix\nRoot-Is-Purelib: {pure}\n{tags}\n"


def own_wheel(folder: Path) -> Path:
    """The running program as a wheel, also where it runs from a clone. Raises NotRepackable."""
    files = {name: path.read_bytes() for package in PACKAGES for name, path in _package_files(package)}
    found = importlib.metadata.distribution(DISTRIBUTION)
    info = f"phoenix_backup-{__version__}.dist-info"
    metadata = found.read_text("METADATA")
    points = found.read_text("entry_points.txt")
    if metadata is None or points is None:
        raise NotRepackable(name=DISTRIBUTION, detail="its metadata is missing")
    files[f"{info}/METADATA"] = _with_version(metadata).encode()
    files[f"{info}/entry_points.txt"] = points.encode()
    files[f"{info}/WHEEL"] = _WHEEL.format(pure="true", tags="Tag: py3-none-any").encode()
    return _write(folder / f"phoenix_backup-{__version__}-py3-none-any.whl", info, files)


def repack(name: str, folder: Path) -> Path:
    """An installed distribution as a wheel. Raises NotRepackable."""
    try:
        found = importlib.metadata.distribution(name)
    except importlib.metadata.PackageNotFoundError as error:
        raise NotRepackable(name=name, detail="it isn't installed") from error
    wheel = found.read_text("WHEEL")
    if wheel is None or found.files is None:
        raise NotRepackable(name=name, detail="pip's list of its files is missing")
    stem = f"{canonicalize_name(found.name).replace('-', '_')}-{found.version}"
    tags = [line.removeprefix("Tag:").strip() for line in wheel.splitlines() if line.startswith("Tag:")]
    info = next((path.parts[0] for path in found.files if path.parts[0].endswith(".dist-info")), "")
    if not tags or not info:
        raise NotRepackable(name=name, detail="its metadata is missing")
    files = {
        _moved(str(path), info, f"{stem}.dist-info"): _checked(name, path) for path in found.files if _belongs(path)
    }
    return _write(folder / f"{stem}-{_joined(tags)}.whl", f"{stem}.dist-info", files)


def _package_files(package: str) -> Iterable[tuple[str, Path]]:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        raise NotRepackable(name=package, detail="its files can't be found")
    root = Path(spec.origin).parent
    for path in sorted(root.rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            yield f"{package}/{path.relative_to(root).as_posix()}", path


def _with_version(metadata: str) -> str:
    """A clone's metadata are of when it was installed; the program says its version itself."""
    lines = metadata.splitlines()
    return "\n".join(f"Version: {__version__}" if line.startswith("Version: ") else line for line in lines) + "\n"


def _belongs(path: importlib.metadata.PackagePath) -> bool:
    """Not byte code, not the commands that pip makes anew, not what is only of this installation."""
    outside = path.parts[0] == ".."
    own = path.parts[0].endswith(".dist-info") and path.name in _NOT_IN_WHEELS
    return not (outside or own or "__pycache__" in path.parts or path.suffix == ".pyc")


def _moved(name: str, before: str, after: str) -> str:
    return after + name.removeprefix(before) if name.startswith(f"{before}/") else name


def _checked(name: str, path: importlib.metadata.PackagePath) -> bytes:
    try:
        content = Path(str(path.locate())).read_bytes()
    except OSError as error:
        raise NotRepackable(name=name, detail=f"{path}: {error.strerror}") from error
    if path.hash is None or path.hash.mode != "sha256":
        raise NotRepackable(name=name, detail=f"{path} is in pip's list without its SHA-256")
    if path.hash.value != _digest(content):
        raise NotRepackable(name=name, detail=f"{path} was changed since it was installed")
    return content


def _joined(tags: list[str]) -> str:
    """The tags as a file name has them, such as `cp311-cp311-manylinux2014_x86_64.manylinux_2_17_x86_64`."""
    found = {tag for each in tags for tag in parse_tag(each)}
    parts = (
        {tag.interpreter for tag in found},
        {tag.abi for tag in found},
        {tag.platform for tag in found},
    )
    return "-".join(".".join(sorted(part)) for part in parts)


def _write(path: Path, info: str, files: dict[str, bytes]) -> Path:
    record = "".join(f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in sorted(files.items()))
    files[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n".encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
        for name, content in sorted(files.items()):
            entry = zipfile.ZipInfo(name, _WHEN)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16
            out.writestr(entry, content)
    return path


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
