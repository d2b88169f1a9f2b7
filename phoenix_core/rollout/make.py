"""Makes the set of wheels that a core serves to other servers."""

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from phoenix_core import __version__
from phoenix_core.host.atomicfile import write_atomic
from phoenix_core.rollout.bundle import Bundle, BundleShelf, Target, Wheel
from phoenix_core.rollout.errors import BundleFailed
from phoenix_core.rollout.gather import Installed, NoWheel, Pip, Source, gather, unpacked_bytes
from phoenix_core.rollout.repack import own_wheel
from phoenix_core.rollout.targets import Kind, own_kind, target_of


def make_bundle(
    shelf: BundleShelf,
    kinds: Sequence[Kind],
    *,
    owner: tuple[int, int] | None = None,
    only_from: Path | None = None,
    say: Callable[[str], None],
) -> Bundle:
    """Gather wheels for these kinds of servers (none: for servers like this host, of what is installed here) and keep
    them in place of those before. `owner`: user and group whose files they are to be. `only_from`: a folder with
    wheels, instead of pip's index. Blocks, for minutes.

    Raises BundleFailed, NotRepackable; what was kept before stays then."""
    with tempfile.TemporaryDirectory(prefix="phoenix-wheels-") as name:
        folder = Path(name)
        source: Source = Pip(folder, only_from) if kinds else Installed(folder)
        bundle, files = _gathered(folder, kinds or [own_kind()], source, say)
        try:
            shelf.put(bundle, files, owner)
        except OSError as error:
            raise BundleFailed(
                detail=f"{error.filename or shelf.folder}: {error.strerror or error}",
                advice="Put that right, then run it again; the wheels that were there before stay.",
            ) from error
    return bundle


def save_wheels(place: Path, kinds: Sequence[Kind], say: Callable[[str], None]) -> Bundle:
    """Gather wheels into a folder, to be carried to a core without Internet. Raises BundleFailed."""
    with tempfile.TemporaryDirectory(prefix="phoenix-wheels-") as name:
        bundle, files = _gathered(Path(name), kinds, Pip(Path(name)), say)
        try:
            place.mkdir(parents=True, exist_ok=True)
            for file in files:
                write_atomic(place / file.name, file.read_bytes(), 0o644)  # in place of a link, never through it
        except OSError as error:
            raise BundleFailed(detail=f"{place}: {error.strerror}", advice="Name another folder.") from error
    return bundle


def _gathered(
    folder: Path, kinds: Sequence[Kind], source: Source, say: Callable[[str], None]
) -> tuple[Bundle, list[Path]]:
    own = own_wheel(folder)
    files: dict[str, Path] = {}
    wheels: dict[str, Wheel] = {}
    targets: list[Target] = []
    left_out: list[str] = []
    pure: dict[str, Path] = {}
    for kind in kinds:
        try:
            found = gather(own, kind, source, pure)
        except NoWheel as missing:
            left_out.append(f"{kind.shown}: there is no wheel of {missing}")
            say(f"Left out: {left_out[-1]}.")
            continue
        for file in found:
            files[file.name] = file
            wheels.setdefault(file.name, _wheel(file))
        targets.append(target_of(kind, found, unpacked_bytes(found)))
        say(f"{targets[-1].shown}: {len(found)} wheels.")
    if not targets:
        raise BundleFailed(detail="; ".join(left_out))
    return Bundle(__version__, wheels, tuple(targets), tuple(left_out)), list(files.values())


def _wheel(file: Path) -> Wheel:
    content = file.read_bytes()
    return Wheel(hashlib.sha256(content).hexdigest(), len(content))
