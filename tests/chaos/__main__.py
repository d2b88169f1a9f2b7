"""`python -m tests.chaos [CAMPAIGN …] [--full] [--rounds N] [--seed N] [--record]`: run fault campaigns.

Without names all of them. A campaign that fails prints the command that runs it again with the same seed."""

import argparse
import secrets
import sys
import traceback
from pathlib import Path

from tests.chaos import report
from tests.chaos.campaign import Campaign, Result, Run, carry_out
from tests.chaos.catalogue import CAMPAIGNS

PAGE = Path(__file__).parents[2] / "docs" / "reliability.md"


def main() -> int:
    options = _options()
    seed = options.seed if options.seed is not None else secrets.randbelow(2**31)
    chosen = [campaign for campaign in CAMPAIGNS if not options.names or campaign.name in options.names]
    failed = []
    for campaign in chosen:
        rounds = options.rounds or (campaign.full if options.full else campaign.quick)
        result = _run(campaign, rounds, seed)
        if result is None:
            failed.append(campaign.name)
        elif options.record:
            report.record(PAGE, result)
    print(f"{len(chosen) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *(each.name for each in CAMPAIGNS)], metavar="CAMPAIGN")
    parser.add_argument("--full", action="store_true", help="as many rounds as the report asks for; hours")
    parser.add_argument("--rounds", type=int, help="so many rounds")
    parser.add_argument("--seed", type=int, help="repeat what this seed did")
    parser.add_argument("--record", action="store_true", help=f"write what passes into {PAGE.name}")
    return parser.parse_args()


def _run(campaign: Campaign, rounds: int, seed: int) -> Result | None:
    print(f"{campaign.name}: {rounds} {campaign.unit}, seed {seed}", flush=True)
    run = Run(seed, rounds, lambda text: print(f"  {text}", flush=True))
    try:
        result = carry_out(campaign, run)
    except Exception:
        traceback.print_exc(file=sys.stdout)
        print(f"{campaign.name} failed: {report.counts(run)}")
        print(f"again: python -m tests.chaos {campaign.name} --seed {seed} --rounds {rounds}", flush=True)
        return None
    print(f"  passed in {result.duration_s:.0f} s: {report.counts(run)}", flush=True)
    return result


if __name__ == "__main__":
    sys.exit(main())
