"""What a fault campaign is: many rounds drawn from one seed, each of which disturbs Phoenix and then checks it."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass
class Run:
    """One run of a campaign, as the campaign sees it."""

    seed: int
    rounds: int
    say: Callable[[str], None] = lambda text: None
    """Told now and then where the run is."""
    counts: Counter[str] = field(default_factory=Counter)
    """What was done and found, by name; goes into the report."""

    def random(self, round_number: int) -> random.Random:
        """The dice of a round, counted from 0: the same whatever the rounds before it drew."""
        return random.Random(f"{self.seed}/{round_number}")


Body = Callable[[Run], None]
"""Does `run.rounds` rounds; raises AssertionError, naming seed and round, where Phoenix fails one."""


@dataclass(frozen=True)
class Campaign:
    """`quick` rounds take part in `make test` and last seconds; `full` ones may last hours."""

    name: str
    """As in `make chaos CAMPAIGN=name`."""
    what: str
    """One line for the report: what is done to Phoenix, and what must be true afterwards."""
    body: Body
    quick: int
    full: int
    unit: str = "rounds"
    """What `rounds` counts, where it isn't rounds: `seconds` for fuzzers."""


@dataclass(frozen=True)
class Result:
    """What a run that passed reports."""

    campaign: Campaign
    run: Run
    duration_s: float


def carry_out(campaign: Campaign, run: Run) -> Result:
    """Raises what the campaign's body raises."""
    began = time.monotonic()
    campaign.body(run)
    return Result(campaign, run, time.monotonic() - began)
