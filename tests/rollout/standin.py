"""Small wheels that stand for Phoenix and its dependencies: real to pip, quick to install."""

import hashlib
import textwrap
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from phoenix_core.rollout.bundle import Bundle, Wheel
from phoenix_core.rollout.gather import unpacked_bytes
from phoenix_core.rollout.targets import own_kind, target_of

SAYS_ITS_VERSION = """
    import sys
    def main():
        if sys.argv[1:] == ["--version"]:
            print("phoenix {version}")
        else:
            sys.exit({otherwise})
"""


def wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    needs: Sequence[str] = (),
    files: Mapping[str, str] | None = None,
    commands: str = "",
    tag: str = "py3-none-any",
) -> Path:
    """`needs`: lines of Requires-Dist."""
    stem = f"{name.replace('-', '_')}-{version}"
    info = f"{stem}.dist-info"
    content = {
        **(files or {f"{name.replace('-', '_')}.py": ""}),
        f"{info}/METADATA": "\n".join(
            ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *(f"Requires-Dist: {n}" for n in needs)]
        )
        + "\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
        **({f"{info}/entry_points.txt": commands} if commands else {}),
    }
    content[f"{info}/RECORD"] = "".join(f"{each},,\n" for each in [*content, f"{info}/RECORD"])
    path = folder / f"{stem}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as out:
        for each, text in content.items():
            out.writestr(each, text)
    return path


def phoenix(folder: Path, version: str, *, otherwise: int = 0, ballast: int = 0, says: str = "") -> Path:
    """A program that knows its version, and ends with `otherwise` whatever else it is to do. `ballast`: bytes that
    don't compress; `says`: the version that it claims to be."""
    source = SAYS_ITS_VERSION.format(version=says or version, otherwise=otherwise)
    return wheel(
        folder,
        "phoenix-backup",
        version,
        files={"standin.py": textwrap.dedent(source), "ballast.txt": "x" * ballast},
        commands="[console_scripts]\nphoenix = standin:main\n",
    )


def bundle_of(version: str, wheels: Sequence[Path]) -> Bundle:
    """For servers like this host."""
    listed = {path.name: Wheel(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size) for path in wheels}
    return Bundle(version, listed, (target_of(own_kind(), list(wheels), unpacked_bytes(wheels)),))
