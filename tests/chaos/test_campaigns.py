"""A short part of each campaign, always with the same seed."""

import pytest

from tests.chaos import kill
from tests.chaos.campaign import Campaign, Run, carry_out
from tests.chaos.catalogue import CAMPAIGNS
from tests.chaos.kill_acts import ACTS

SEED = 20261125


@pytest.mark.timeout(600)
@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda campaign: campaign.name)
def test_a_short_part_of_the_campaign_passes(campaign: Campaign) -> None:
    result = carry_out(campaign, Run(SEED, campaign.quick))
    assert result.run.counts.total() > 0


def test_a_short_run_of_kill_leaves_no_role_and_no_act_out() -> None:
    short = kill.FIRST[: kill.CAMPAIGN.quick]
    assert {role for plan in short for role in plan.victims} == set(kill.ROLES)
    assert {plan.kind for plan in short} == {"backup", *ACTS}
    assert all("storage" not in plan.victims for plan in short[1::2]), "in odd rounds the core keeps the vault itself"
