"""`agent upgrade` where it fails: whatever goes wrong, the version before stays in use or comes back, and it is told.

Wheels are small ones; core, TLS, pip, environments, and what the unit runs before a start are real."""

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from phoenix_core import __version__
from phoenix_core.agentlink.ca import CertificateAuthority
from phoenix_core.cli.upgradework import Patience, confirmed
from phoenix_core.rollout.bundle import BundleShelf
from phoenix_core.rollout.errors import NotInstalledHere, NotNewer, UpgradeFailed, UpgradeRolledBack, UpgradeUnconfirmed
from phoenix_core.rollout.onserver.core import read_token
from phoenix_core.rollout.onserver.versions import TRIES, Versions
from phoenix_core.rollout.program import Program
from phoenix_core.rollout.system import System
from phoenix_core.rollout.upgrade import Upgraded, upgrade
from tests.engine.rig import Rig
from tests.rollout.placed import installed, placed, start
from tests.rollout.standin import bundle_of, phoenix

OLD = "0.0.9-a"
NEW = f"{__version__}-b"
AT_ONCE = Patience(look_s=0.001, away_s=0, start_s=0)


async def upgraded(core: Rig, versions: Versions) -> Upgraded:
    """As the command does it at a server that isn't this host."""
    urls, _ = read_token((await core.client.activation_token()).token)
    ca_pem = CertificateAuthority.open(core.data.pki).ca_pem
    program = Program(Path(versions.prefix, "current", "bin", "phoenix"), versions, versions.current)
    data = core.root / "agent"
    return await asyncio.to_thread(
        upgrade, program, urls, ca_pem, data, lambda text: None, system=System(core.root / "elsewhere")
    )


def serve(shelf: BundleShelf, wheel: Path) -> None:
    shelf.put(bundle_of(__version__, [wheel]), [wheel])


def code_of(versions: Versions) -> int:
    """Of the agent, as the unit starts it."""
    return subprocess.run([f"{versions.prefix}/current/bin/phoenix", "agent", "run"], check=False).returncode


@pytest.fixture
def old(versions: Versions) -> Versions:
    """A server with a version that was greeted."""
    placed(versions, OLD)
    versions.switch(OLD)
    return versions


async def test_a_version_that_does_not_start_gives_way_to_the_one_before_and_the_command_says_so(
    core: Rig, shelf: BundleShelf, old: Versions, tmp_path: Path
) -> None:
    serve(shelf, phoenix(tmp_path, __version__, otherwise=1))
    done = await upgraded(core, old)
    assert (done.version, done.previous, old.trial()) == (__version__, OLD, (done.name, OLD, TRIES))
    while start(old) == done.name:
        assert code_of(old) == 1
    with pytest.raises(UpgradeRolledBack) as error:
        await confirmed(old, done, lambda: True, AT_ONCE)
    assert OLD in error.value.message
    assert code_of(old) == 0, "the one before runs"


async def test_one_that_is_not_what_it_says_is_never_put_in_use(
    core: Rig, shelf: BundleShelf, old: Versions, tmp_path: Path
) -> None:
    serve(shelf, phoenix(tmp_path, __version__, says="6.6.6"))
    with pytest.raises(UpgradeFailed, match=r"says of itself: phoenix 6\.6\.6"):
        await upgraded(core, old)
    assert (old.current, old.trial(), installed(old)) == (OLD, None, [OLD])


async def test_a_core_that_is_away_or_has_no_wheels_changes_nothing(
    core: Rig, shelf: BundleShelf, old: Versions, tmp_path: Path
) -> None:
    with pytest.raises(UpgradeFailed, match="no wheels for other servers yet"):
        await upgraded(core, old)
    token = await core.client.activation_token()
    urls, _ = read_token(token.token)
    ca_pem = CertificateAuthority.open(core.data.pki).ca_pem
    await core.stop()
    program = Program(Path(old.prefix, "current", "bin", "phoenix"), old, OLD)
    with pytest.raises(UpgradeFailed, match="can't be reached"):
        await asyncio.to_thread(
            upgrade, program, urls, ca_pem, core.root, lambda text: None, system=System(core.root / "elsewhere")
        )
    assert (old.current, old.trial(), installed(old)) == (OLD, None, [OLD])


async def test_an_older_version_is_refused(core: Rig, shelf: BundleShelf, versions: Versions, tmp_path: Path) -> None:
    placed(versions, "99.0.0-a")
    versions.switch("99.0.0-a")
    serve(shelf, phoenix(tmp_path, __version__))
    with pytest.raises(NotNewer, match=r"99\.0\.0"):
        await upgraded(core, versions)
    assert installed(versions) == ["99.0.0-a"]


async def test_a_program_that_the_core_did_not_install_is_left_alone(core: Rig) -> None:
    with pytest.raises(NotInstalledHere):
        await asyncio.to_thread(
            upgrade, Program(Path("/usr/bin/phoenix")), ["https://127.0.0.1:9"], "", core.root, print, system=System()
        )


# --- waiting for the greeting ----------------------------------------------------------------------------------------


@pytest.fixture
def tried(old: Versions) -> Versions:
    """A server whose agent is to restart with a new version."""
    placed(old, NEW)
    old.switch(NEW)
    return old


DONE = Upgraded(__version__, NEW, OLD)


async def test_the_agents_jobs_are_waited_for_as_long_as_they_take(tried: Versions) -> None:
    def looks() -> Iterator[bool]:
        for _ in range(5):
            yield True
        start(tried)
        tried.confirm(NEW)
        yield True

    looking = looks()
    await confirmed(tried, DONE, lambda: next(looking), Patience(look_s=0.001, away_s=0))
    assert list(looking) == []


async def test_an_agent_that_is_gone_is_not_waited_for(tried: Versions) -> None:
    with pytest.raises(UpgradeUnconfirmed, match="no agent that would restart"):
        await confirmed(tried, DONE, lambda: False, AT_ONCE)


async def test_a_version_that_is_neither_greeted_nor_given_up_is_told_of(tried: Versions) -> None:
    """As where systemd was told to stop the agent meanwhile."""
    start(tried)
    with pytest.raises(UpgradeUnconfirmed, match="has not greeted it"):
        await confirmed(tried, DONE, lambda: False, AT_ONCE)


async def test_another_version_in_its_place_ends_the_waiting(tried: Versions) -> None:
    placed(tried, "0.9.9-c")
    tried.switch("0.9.9-c")
    with pytest.raises(UpgradeUnconfirmed, match=r"0\.9\.9-c was put in use"):
        await confirmed(tried, DONE, lambda: True, AT_ONCE)
