"""All campaigns, in the order in which they run and are reported."""

from tests.chaos import prune_beside
from tests.chaos.campaign import Campaign

CAMPAIGNS: tuple[Campaign, ...] = (prune_beside.CAMPAIGN,)
