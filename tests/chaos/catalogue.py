"""All campaigns, in the order in which they run and are reported."""

from tests.chaos.campaign import Campaign

CAMPAIGNS: tuple[Campaign, ...] = ()
