"""kill -9 of agent, worker, core and storage node in the middle of jobs of all kinds, over and over, on two
installations in turn: one whose core keeps the vault, and one with a storage node of its own. See
docs/reliability.md."""

import contextlib
import random
from pathlib import Path
from typing import Any

import msgspec
import psutil

from phoenix_core.domain.errors import PhoenixError
from tests.chaos.campaign import Campaign, Run
from tests.chaos.kill_acts import ACTS
from tests.chaos.kill_installation import WELL, Installation, installation
from tests.chaos.kill_moments import WORKERS, moment, phase, workers

KEPT = 4
"""Snapshots; where there are more, some are removed."""
TURN = 20
"""Rounds on one installation before the other one takes its turn; a single one in a run of few."""
VERIFY = 25
"""After so many rounds the vault is verified."""
SLOW_PATTERNS = tuple(f"**/none-{number}-*/*.x" for number in range(400))
"""Excludes that nothing matches, so that a scan takes longer."""
PATIENT_S, BRIEF_S = 60, 2
"""A core that starts gives an agent that lives time to find it; for one that is dead it need not wait."""
WORKER_ROLES = ("worker", "walker", "forkserver")
ROLES = ("storage", "agent", "worker", "core", "walker", "forkserver")
"""`walker`: the process that walks ahead of a scan; `forkserver`: the one that starts workers."""
KINDS = {
    "backup": 6,
    "restore": 3,
    "prune": 2,
    "remove": 1,
    "verify": 1,
    "compare": 1,
    "drill": 2,
    "repair": 1,
    "stream": 2,
}
"""What is cut off, by weight."""
GO_ON = {"backup", "restore", "compare", "drill", "stream"}
"""Jobs that survive every death but that of their agent or workers."""
ENDED_BY = {"agent", "worker", "forkserver"}
"""Workers die with the server that started them."""
WITHOUT = {"restore": {"walker"}, "drill": {"walker"}, "compare": set(WORKER_ROLES), "stream": set(WORKER_ROLES)}
"""Roles that a job of this kind has no process for."""


class Plan(msgspec.Struct, frozen=True):
    """What the dice of a round decide."""

    kind: str
    victims: tuple[str, ...]
    beside: str = ""
    """Another job at the same time."""
    slow: bool = False


FIRST = (
    Plan("compare", ("storage",)),
    Plan("stream", ("agent",)),
    Plan("drill", ("forkserver",)),
    Plan("repair", ("core",)),
    Plan("backup", ("walker",)),
    Plan("backup", ("worker",)),
)
"""What the first rounds do, and all that a short run does: each role is killed once, and each kind of act
is cut off once. The storage node is killed in an even round, when it has a process of its own."""


def body(run: Run) -> None:
    with contextlib.ExitStack() as held:
        ready: dict[bool, Installation] = {}
        turn = TURN if run.rounds >= 2 * TURN else 1
        for number in range(run.rounds):
            own_node = number // turn % 2 == 0
            if own_node not in ready:
                ready[own_node] = held.enter_context(installation(run.counts, own_node=own_node))
            here = ready[own_node]
            plan = _plan(run.random(number), number, own_node=own_node)
            try:
                _round(here, plan, run.random(number), verify=number % VERIFY == VERIFY - 1)
            except (AssertionError, OSError) as error:  # a core that doesn't answer is a timeout
                said = f"seed {run.seed}, round {number}, {plan}: {error}"
                raise AssertionError(f"{said}\n{here.last_words()}") from error
            if number % 10 == 9:
                run.say(f"{number + 1} rounds, {_kills(run)} kills")
        for here in ready.values():
            here.all_restore()
            here.verifies()
        assert run.counts["folders found ahead"], "no scan took anything from the process that walked ahead"


def _kills(run: Run) -> int:
    return sum(count for name, count in run.counts.items() if name.startswith("kill."))


def _plan(dice: random.Random, number: int, *, own_node: bool) -> Plan:
    if number < len(FIRST):
        return FIRST[number]
    kind = dice.choices(tuple(KINDS), tuple(KINDS.values()))[0]
    beside = dice.choice(("prune", "verify")) if kind in GO_ON and dice.random() < 0.2 else ""
    roles = [role for role in ROLES if (own_node or role != "storage") and role not in WITHOUT.get(kind, ())]
    if kind in GO_ON:
        count = 2 if dice.random() < 0.15 else 1
        victims = tuple(sorted(dice.sample(roles, count), reverse=True))  # a worker before its agent
    else:
        victims = (dice.choice([role for role in roles if role in {"core", "storage"}]),)
    slow = kind == "backup" and "walker" not in victims and dice.random() < 0.2
    return Plan(kind, victims, beside, slow=slow)


def _round(here: Installation, plan: Plan, dice: random.Random, *, verify: bool) -> None:
    here.change(dice, much="worker" in plan.victims or dice.random() < 0.3)
    here.wait_for_agents(PATIENT_S if "core" in plan.victims else BRIEF_S)
    target: Path | None = None
    before = here.snapshots()
    if plan.kind == "prune" and len(before) > 1:
        here.succeeds(here.begin_removal(dice.choice(list(before)[:-1])))
    chosen = dice.choice(list(before))
    act = ACTS[plan.kind](here, chosen, dice) if plan.kind in ACTS else None
    with moment(plan.kind, plan.victims[0], dice)(here.here) as wait:
        beside = _begin(here, plan.beside)
        match plan.kind:
            case "restore":
                job, target = here.begin_restore(chosen)
            case "remove":
                job = here.begin_removal(chosen)
            case "backup":
                job = here.begin_backup(SLOW_PATTERNS if plan.slow else ())
            case _ if act is not None:
                job = act.begin()
            case kind:
                (job,) = _begin(here, kind)
        wait(job)
        at = phase(here.here, job)
        killed = _kill(here, plan, at, dice)
    dice.shuffle(killed)
    killed.sort(key=lambda role: role != "storage")  # a core that finds its node away looks again after ten seconds
    here.start_again(killed)
    ended = here.here.wait_job(job)
    _check_end(ended, plan, at)
    for other in beside:
        _check_hint(here.here.wait_job(other))
    here.note(ended)
    here.counts[f"{plan.kind} {ended['state']}"] += 1
    if target is not None and ended["state"] in WELL:
        here.compare(target, before[chosen])
    if act is not None:
        act.check(ended, plan.victims)
    _next_backup(here, dice)
    if "core" in killed and dice.random() < 0.8:
        here.another_agent()
    if verify:
        here.verifies()


def _begin(here: Installation, kind: str) -> list[str]:
    return [here.api.prune() if kind == "prune" else here.api.verify()] if kind else []


def _kill(here: Installation, plan: Plan, at: str, dice: random.Random) -> list[str]:
    """Returns which processes are to be started again."""
    again = []
    for role in plan.victims:
        if role in WORKERS:
            died = _kill_worker(here, role, dice)
            here.counts[f"kill.{died}.{at}" if died else f"no {role} was there"] += 1
            continue
        here.kill(role)
        here.counts[f"kill.{role}.{at}"] += 1
        if role != "forkserver":
            again.append(role)
    return again


def _kill_worker(here: Installation, role: str, dice: random.Random) -> str:
    """What has died, if there was one."""
    running = workers(here.here.agent.pid, role)
    if not running:
        return ""
    process, kind = dice.choice(running)
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return ""
    return kind


def _check_end(ended: dict[str, Any], plan: Plan, at: str) -> None:
    """What goes on by itself ends well; what can't is told with what to do next. A job that begins while the storage
    node is away fails."""
    ended_by = ENDED_BY | {"storage"} if at == "assigned" else ENDED_BY
    goes_on = plan.kind in GO_ON and not ended_by & set(plan.victims)
    assert not goes_on or ended["state"] in WELL, f"the {plan.kind} is {ended['state']}: {ended['error']}"
    _check_hint(ended)


def _check_hint(ended: dict[str, Any]) -> None:
    if ended["state"] in WELL:
        return
    assert ended["state"] in {"failed", "aborted"}, f"{ended['kind']} is {ended['state']}: {ended['error']}"
    assert ended["error"], ended
    assert ended["error"]["hint"], f"no hint: {ended['error']}"
    assert ended["error"]["code"] != PhoenixError.code, f"nobody knows what to do: {ended['error']}"


def _next_backup(here: Installation, dice: random.Random) -> None:
    """It succeeds, and restores; so do all of the older ones. Some that are too many go."""
    made = here.backs_up()
    older = [name for name in here.all_restore() if name != made]
    while len(older) >= KEPT:
        gone = older.pop(dice.randrange(len(older)))
        here.succeeds(here.begin_removal(gone))
        if dice.random() < 0.3:
            here.succeeds(here.api.prune())
            here.counts["prunes"] += 1


CAMPAIGN = Campaign(
    name="kill",
    what="kill -9 of agent, workers, their fork server, core and storage node in the middle of jobs; the next backup"
    " succeeds, and every committed snapshot restores identically",
    body=body,
    quick=len(FIRST),
    full=1000,
)
