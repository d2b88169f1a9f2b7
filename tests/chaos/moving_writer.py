"""`python -m tests.chaos.moving_writer ROOT OUTSIDE SEED LOG`: never leaves the tree below ROOT alone, until its
standard input ends; then writes what it did to LOG. Needs nothing but the standard library.

A log is lines of JSON, one per operation: [began, ended, {path: fact}] with times of the monotonic clock in
nanoseconds and paths below ROOT; a fact is null (nothing there), ["file", number, version, bytes], ["link", target],
["fifo"] or ["folder"]."""

import contextlib
import json
import os
import random
import select
import shutil
import sys
import time
from collections.abc import Callable
from typing import Any

from tests.chaos.moving_contents import stream

SIZES = (10, 33, 500, 4096, 5000, 5000, 70_000, 300_000, 1_500_000)
WRITE_BYTES = 1 << 16
FOLDERS = ("", "a", "b", "b/c")
NAMES = ("f0", "f1", "f2", "f3", "f4", "f5")
Fact = list[Any] | None


class File:
    """One inode."""

    def __init__(self, number: int, size: int) -> None:
        self.number = number
        self.version = 1
        self.size = size

    @property
    def fact(self) -> Fact:
        return ["file", self.number, self.version, self.size]


Node = File | list[Any]


class Writer:
    def __init__(self, root: str, outside: str, seed: int) -> None:
        self.root = root
        self.outside = outside
        self.dice = random.Random(seed)
        self.tree: dict[str, Node] = {}
        self.log: list[str] = []
        self._made = seed % 1000 * 100_000
        for folder in FOLDERS[1:]:
            os.mkdir(self.at(folder))
            self.tree[folder] = ["folder"]
        self.do({folder: self.fact_of(folder) for folder in self.tree}, lambda: None)
        for folder in FOLDERS:
            for name in NAMES[:4]:
                self.create(os.path.join(folder, name))

    def at(self, path: str) -> str:
        return os.path.join(self.root, path)

    def fact_of(self, path: str) -> Fact:
        node = self.tree.get(path)
        return node.fact if isinstance(node, File) else node

    def do(self, facts: dict[str, Fact], act: Callable[[], object]) -> None:
        began = time.monotonic_ns()
        act()
        self.log.append(json.dumps([began, time.monotonic_ns(), facts]))

    # --- one operation each ------------------------------------------------------------------------------------------

    def step(self) -> None:
        path = os.path.join(self.dice.choice(FOLDERS), self.dice.choice(NAMES))
        folder = os.path.dirname(path)
        if folder and self.tree.get(folder) != ["folder"]:
            self.mend_folder(folder)
            return
        node = self.tree.get(path)
        if node is None:
            self.create(path)
        elif isinstance(node, File):
            self.dice.choice(self._for_files)(self, path, node)
        elif node == ["folder"]:
            inside = os.path.join(path, "f0")
            self.do({path: None, inside: None}, lambda: shutil.rmtree(self.at(path)))
            self.tree.pop(path)
            self.tree.pop(inside, None)
        else:
            self.delete(path)
        if self.dice.random() < 0.03:
            self.swap_folder()

    def create(self, path: str) -> None:
        node = self._new_file()
        self.tree[path] = node
        self.do({path: node.fact}, lambda: self._write(self.at(path), node, os.O_CREAT | os.O_TRUNC))

    def rewrite_in_place(self, path: str, node: File) -> None:
        """Of the same size, piece by piece."""
        for _ in range(self.dice.choice((1, 1, 3))):
            node.version += 1
            self.do(self._facts_of(node), lambda: self._write(self.at(path), node, 0))

    def rewrite_from_nothing(self, path: str, node: File) -> None:
        node.version += 1
        node.size = self.dice.choice(SIZES)
        self.do(self._facts_of(node), lambda: self._write(self.at(path), node, os.O_TRUNC))

    def replace(self, path: str, node: File) -> None:
        """A new file beside it, renamed into its place: nobody may ever see a part of it."""
        fresh, aside = self._new_file(), f"{path}.new"
        self.do({aside: fresh.fact}, lambda: self._write(self.at(aside), fresh, os.O_CREAT))
        self.tree[path] = fresh
        self.do({aside: None, path: fresh.fact}, lambda: os.rename(self.at(aside), self.at(path)))

    def append(self, path: str, node: File) -> None:
        begin, node.size = node.size, node.size + self.dice.choice((7, 4096, 50_000))

        def act() -> None:
            fd = os.open(self.at(path), os.O_WRONLY | os.O_APPEND)
            os.write(fd, stream(node.number, node.version, begin, node.size))
            os.close(fd)

        self.do(self._facts_of(node), act)

    def truncate(self, path: str, node: File) -> None:
        node.size = self.dice.randint(min(10, node.size), node.size)
        self.do(self._facts_of(node), lambda: os.truncate(self.at(path), node.size))

    def rename(self, path: str, node: File) -> None:
        other = os.path.join(os.path.dirname(path), self.dice.choice(NAMES))
        there = self.tree.get(other)
        if other == path or there == ["folder"] or there is node:
            return
        self.tree[other] = self.tree.pop(path)
        self.do({path: None, other: node.fact}, lambda: os.rename(self.at(path), self.at(other)))

    def link(self, path: str, node: File) -> None:
        other = os.path.join(os.path.dirname(path), self.dice.choice(NAMES))
        if other not in self.tree:
            self.tree[other] = node
            self.do({other: node.fact}, lambda: os.link(self.at(path), self.at(other)))

    def delete(self, path: str, node: Node | None = None) -> None:
        del self.tree[path]
        self.do({path: None}, lambda: os.unlink(self.at(path)))

    def become_a_link(self, path: str, node: File) -> None:
        """To a file or a folder that isn't to be backed up: at once, or after a moment without anything."""
        target = self.dice.choice((f"{self.outside}/f0", self.outside, "f1"))
        aside = f"{path}.new"
        self.do({aside: ["link", target]}, lambda: os.symlink(target, self.at(aside)))
        self.tree[path] = ["link", target]
        self.do({aside: None, path: ["link", target]}, lambda: os.rename(self.at(aside), self.at(path)))

    def become_a_fifo(self, path: str, node: File) -> None:
        self.delete(path)
        self.tree[path] = ["fifo"]
        self.do({path: ["fifo"]}, lambda: os.mkfifo(self.at(path)))

    def become_a_folder(self, path: str, node: File) -> None:
        self.delete(path)
        self.tree[path] = ["folder"]
        self.do({path: ["folder"]}, lambda: os.mkdir(self.at(path)))
        self.create(os.path.join(path, "f0"))

    _for_files = (
        rewrite_in_place,
        rewrite_in_place,
        rewrite_in_place,
        rewrite_from_nothing,
        replace,
        append,
        truncate,
        rename,
        link,
        delete,
        become_a_link,
        become_a_fifo,
        become_a_folder,
    )

    def swap_folder(self) -> None:
        """A folder goes aside, and a link to one with files of the same names takes its place."""
        folder = self.dice.choice(("a", "b/c"))
        if self.tree.get(folder) != ["folder"]:
            return
        aside = f"{folder}.aside"
        below = [path for path in self.tree if path.startswith(f"{folder}/")]
        facts: dict[str, Fact] = {folder: None, aside: ["folder"]}
        for path in below:
            facts[path] = None
            facts[aside + path[len(folder) :]] = self.fact_of(path)
        self.do(facts, lambda: os.rename(self.at(folder), self.at(aside)))
        for path in [folder, *below]:
            self.tree[aside + path[len(folder) :]] = self.tree.pop(path)
        self.tree[folder] = ["link", self.outside]
        self.do({folder: ["link", self.outside]}, lambda: os.symlink(self.outside, self.at(folder)))

    def mend_folder(self, folder: str) -> None:
        aside = f"{folder}.aside"
        if self.tree.get(folder, ["nothing"])[0] != "link":  # type: ignore[index]
            return
        self.delete(folder)
        below = [path for path in self.tree if path.startswith(f"{aside}/")]
        facts: dict[str, Fact] = {aside: None, folder: ["folder"]}
        for path in below:
            facts[path] = None
            facts[folder + path[len(aside) :]] = self.fact_of(path)
        self.do(facts, lambda: os.rename(self.at(aside), self.at(folder)))
        for path in [aside, *below]:
            self.tree[folder + path[len(aside) :]] = self.tree.pop(path)

    # --- parts -------------------------------------------------------------------------------------------------------

    def _new_file(self) -> File:
        self._made += 1
        return File(self._made, self.dice.choice(SIZES))

    def _facts_of(self, node: File) -> dict[str, Fact]:
        """Of all its names."""
        return {path: node.fact for path, other in self.tree.items() if other is node}

    def _write(self, at: str, node: File, flags: int) -> None:
        fd = os.open(at, os.O_WRONLY | os.O_NOFOLLOW | flags, 0o644)
        for begin in range(0, node.size, WRITE_BYTES):
            end = min(begin + WRITE_BYTES, node.size)
            os.pwrite(fd, stream(node.number, node.version, begin, end), begin)
        os.close(fd)


def main() -> None:
    root, outside, seed, log = sys.argv[1:]
    writer = Writer(root, outside, int(seed))
    print("ready", flush=True)
    while not select.select([sys.stdin], [], [], writer.dice.choice((0, 0, 0.001, 0.003)))[0]:
        writer.step()
    with contextlib.closing(open(log, "w")) as file:
        file.write("\n".join(writer.log))


if __name__ == "__main__":
    main()
