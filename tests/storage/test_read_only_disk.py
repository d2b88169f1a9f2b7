"""The disk of the core's data turns read-only by itself, as ext4 does after errors: that is said, not that something is
damaged, and what is there can be read."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core.catalog.database import Catalog
from phoenix_core.catalog.errors import CatalogReadOnly
from phoenix_core.catalog.settings import Facts
from phoenix_core.vault.environment import Environment
from phoenix_core.vault.index_errors import IndexReadOnly
from tests.agent.sourcesnapshots.loops import mounted

pytestmark = pytest.mark.skipif(shutil.which("mkfs.ext4") is None, reason="the tools of ext4 are not installed here")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(32 * 2**20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    with mounted(image, tmp_path / "disk") as folder:
        yield folder


def give_up(disk: Path) -> None:
    subprocess.run(["sync", "-f", str(disk)], check=True)
    subprocess.run(["mount", "-o", "remount,abort", str(disk)], check=False)


async def test_of_the_catalog(disk: Path) -> None:
    catalog = await Catalog.open_file(disk / "catalog.sqlite")
    facts = Facts(catalog)
    await facts.put("small", "kept")
    give_up(disk)
    with pytest.raises(CatalogReadOnly, match=r"catalog\.sqlite"):
        await facts.put("small", "new")
    assert await facts.get("small") == "kept"
    with pytest.raises(CatalogReadOnly):
        await Catalog.open_file(disk / "catalog.sqlite")
    await catalog.close()


def test_of_the_index(disk: Path) -> None:
    index = Environment(disk / "index", create=True)
    table = index.table("t")
    index.write(lambda transaction: transaction.put(b"small", b"kept", db=table))
    give_up(disk)
    with pytest.raises(IndexReadOnly, match="index"):
        index.write(lambda transaction: transaction.put(b"small", b"new", db=table))
    with index.reading() as transaction:
        assert transaction.get(b"small", db=table) == b"kept"
    with pytest.raises(IndexReadOnly):
        Environment(disk / "index")
    index.close()
