"""A stand-in for LVM on file systems that lie on loop devices: a snapshot is a copy of the image, taken while the real
kernel holds the file system still, as LVM has it do; it is mounted for real, from a read-only device, with the options
that LVM snapshots get."""

import os
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from phoenix_core.agent.sourcesnapshots.errors import CommandFailed

EXTENT = 4 << 20


@dataclass
class _Lv:
    name: str
    attributes: str
    image: Path
    point: Path | None = None
    origin: str = ""
    tags: list[str] = field(default_factory=list)

    def row(self, free: int) -> dict[str, Any]:
        device = self.point.stat().st_dev if self.point and self.point.is_mount() else None
        return {
            "lv_uuid": f"uuid-of-{self.name}",
            "lv_name": self.name,
            "vg_name": "vg0",
            "lv_attr": self.attributes,
            "lv_size": str(self.image.stat().st_size),
            "pool_lv": "",
            "origin": self.origin,
            "data_percent": "",
            "metadata_percent": "",
            "lv_tags": ",".join(self.tags),
            "lv_kernel_major": str(os.major(device)) if device else "253",
            "lv_kernel_minor": str(os.minor(device)) if device else "99",
            "lv_path": f"/dev/vg0/{self.name}",
            "vg_free": str(free),
            "vg_extent_size": str(EXTENT),
        }


class LoopLvm:
    """`Commands` of a host with one volume group and one volume in it."""

    def __init__(self, image: Path, point: Path, free: int = 1 << 30) -> None:
        self.free = free
        self.volumes = {"data": _Lv("data", "-wi-ao----", image, point)}
        self.ran: list[str] = []

    def run(self, command: str, *arguments: str) -> str:
        self.ran.append(" ".join((command, *arguments)))
        answer: str = getattr(self, f"_{command}")(*arguments)
        return answer

    @property
    def snapshots(self) -> list[str]:
        return [lv.name for lv in self.volumes.values() if lv.origin]

    def overflow(self) -> None:
        """As when more was written to the volume than its snapshot had room for (lvs(8): state `I`)."""
        for name in self.snapshots:
            self.volumes[name].attributes = "sri-Ios---"

    def _lvs(self, *arguments: str) -> str:
        rows = [lv.row(self.free) for lv in self.volumes.values()]
        if "--select" in arguments:
            rows = [row for row in rows if f'lv_name="{row["lv_name"]}"' in arguments[-1]]
        return msgspec.json.encode({"report": [{"lv": rows}]}).decode()

    def _vgs(self, *arguments: str) -> str:
        return "  vg0\n"

    def _lvcreate(self, *arguments: str) -> str:
        name, origin = arguments[arguments.index("--name") + 1], arguments[-1].partition("/")[2]
        source = self.volumes[origin]
        image = source.image.with_name(f"{name}.img")
        subprocess.run(["fsfreeze", "--freeze", str(source.point)], check=True)
        try:
            subprocess.run(["cp", "--sparse=always", str(source.image), str(image)], check=True)
        finally:
            subprocess.run(["fsfreeze", "--unfreeze", str(source.point)], check=True)
        tags = [arguments[at + 1] for at, word in enumerate(arguments) if word == "--addtag"]
        self.volumes[name] = _Lv(name, "sri-a-s---", image, origin=origin, tags=tags)
        return f'  Logical volume "{name}" created.\n'

    def _lvremove(self, yes: str, name: str) -> str:
        assert yes == "--yes"
        lv = self.volumes[name.partition("/")[2]]
        if lv.point is not None and lv.point.is_mount():
            raise CommandFailed(
                command=f"lvremove {name}", detail=f"Logical volume {name} contains a filesystem in use."
            )
        lv.image.unlink()
        del self.volumes[lv.name]
        return ""

    def _mount(self, *arguments: str) -> str:
        *options, device, folder = arguments
        lv = self.volumes[device.rpartition("/")[2]]
        options[options.index("-o") + 1] += ",loop"
        self._really("mount", *options, str(lv.image), folder)
        lv.point = Path(folder)
        return ""

    def _umount(self, folder: str) -> str:
        self._really("umount", folder)
        return ""

    def _really(self, *words: str) -> None:
        done = subprocess.run(words, check=False, capture_output=True, text=True)
        if done.returncode:
            raise CommandFailed(command=" ".join(words), detail=done.stderr.strip())


def has_freezing() -> bool:
    return shutil.which("fsfreeze") is not None and os.geteuid() == 0
