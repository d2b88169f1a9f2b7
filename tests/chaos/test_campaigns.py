"""A short part of each campaign, always with the same seed."""

import pytest

from tests.chaos.campaign import Campaign, Run, carry_out
from tests.chaos.catalogue import CAMPAIGNS

SEED = 20261125


@pytest.mark.timeout(600)
@pytest.mark.parametrize("campaign", CAMPAIGNS, ids=lambda campaign: campaign.name)
def test_a_short_part_of_the_campaign_passes(campaign: Campaign) -> None:
    result = carry_out(campaign, Run(SEED, campaign.quick))
    assert result.run.counts.total() > 0
