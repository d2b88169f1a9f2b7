"""All campaigns, in the order in which they run and are reported."""

from tests.chaos import (
    damage,
    fuzz,
    kill,
    moving_source,
    no_space,
    power_cut,
    prune_beside,
    source_errors,
    stolen_agent,
)
from tests.chaos.campaign import Campaign

CAMPAIGNS: tuple[Campaign, ...] = (
    kill.CAMPAIGN,
    power_cut.CAMPAIGN,
    prune_beside.CAMPAIGN,
    moving_source.CAMPAIGN,
    source_errors.CAMPAIGN,
    no_space.CAMPAIGN,
    damage.CAMPAIGN,
    stolen_agent.CAMPAIGN,
    fuzz.CAMPAIGN,
)
