"""All campaigns, in the order in which they run and are reported."""

from tests.chaos import damage, kill, prune_beside
from tests.chaos.campaign import Campaign

CAMPAIGNS: tuple[Campaign, ...] = (
    kill.CAMPAIGN,
    prune_beside.CAMPAIGN,
    damage.CAMPAIGN,
)
