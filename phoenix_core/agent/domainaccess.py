"""A domain's keys as they come over the link, in the vault's form."""

from phoenix_core.agentlink.messages import DomainAccess
from phoenix_core.vault.domainkeys import DomainKeys


def domain_keys(access: DomainAccess) -> DomainKeys:
    """What of a domain's keys the order gave; what it left out is empty."""
    return DomainKeys(
        domain=access.domain,
        epoch=access.epoch,
        data_id_key=access.data_id_key,
        meta_id_key=access.meta_id_key,
        index_key=access.index_key,
        chunker_seed=access.chunker_seed,
    )
