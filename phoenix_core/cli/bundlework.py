"""What `core bundle` does."""

import asyncio
import os
from pathlib import Path

import msgspec

from phoenix_core.cli.output import print_json, say, size, warn
from phoenix_core.domain.errors import UsageError
from phoenix_core.host.datadir import DataDirectory
from phoenix_core.rollout.bundle import Bundle, BundleShelf
from phoenix_core.rollout.make import make_bundle, save_wheels
from phoenix_core.rollout.targets import LIBCS, MACHINES, PYTHONS, Kind, all_kinds


class Wanted(msgspec.Struct, frozen=True):
    """The command's options."""

    own: bool = False
    source: Path | None = None
    save_to: Path | None = None
    pythons: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    libcs: tuple[str, ...] = ()


async def make(data: DataDirectory, wanted: Wanted, *, as_json: bool) -> None:
    """Raises UsageError, BundleFailed, NotRepackable."""
    kinds = _kinds(wanted)
    tell = warn if as_json else say
    if wanted.save_to is not None:
        bundle = await asyncio.to_thread(save_wheels, wanted.save_to, kinds, tell)
        place = str(wanted.save_to)
    else:
        data.require()
        status = data.root.stat()
        owner = (status.st_uid, status.st_gid) if os.geteuid() == 0 else None
        shelf = BundleShelf(data.bundle)
        bundle = await asyncio.to_thread(make_bundle, shelf, kinds, owner=owner, only_from=wanted.source, say=tell)
        place = str(data.bundle)
    _tell(bundle, place, wanted, as_json=as_json)


def _tell(bundle: Bundle, place: str, wanted: Wanted, *, as_json: bool) -> None:
    if as_json:
        print_json(bundle)
        return
    say(f"Phoenix {bundle.version} for other servers is in {place}: {len(bundle.wheels)} wheels, {size(bundle.size)}.")
    if wanted.save_to is not None:
        say(f"Carry the folder to the core's host; there: phoenix core bundle --from {wanted.save_to.name}")
    else:
        say("Add a server with: phoenix server add NAME")


def _kinds(wanted: Wanted) -> list[Kind]:
    for given, known, name in (
        (wanted.pythons, PYTHONS, "--python"),
        (wanted.machines, MACHINES, "--machine"),
        (wanted.libcs, LIBCS, "--libc"),
    ):
        for word in given:
            if word not in known:
                raise UsageError(detail=f"{name} {word} is not one of {', '.join(known)}.")
    some = wanted.source or wanted.pythons or wanted.machines or wanted.libcs or wanted.save_to
    if wanted.own and some:
        raise UsageError(detail="--own is of what is installed here: it goes with no other choice.")
    if wanted.source is not None and not wanted.source.is_dir():
        raise UsageError(detail=f"{wanted.source} is no folder.")
    return [] if wanted.own else all_kinds(wanted.pythons, wanted.machines, wanted.libcs)
