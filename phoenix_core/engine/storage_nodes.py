"""Storage nodes of their own: what one is given when it enrols, and which one keeps the vault."""

from phoenix_core.engine.node_access import domains_of
from phoenix_core.engine.peer_directory import STORAGE, PeerDirectory
from phoenix_core.engine.vault import VaultSeat
from phoenix_core.engine.vault_errors import StorageNodeUnknown
from phoenix_core.storage.node_enrolment import VaultForNode
from phoenix_core.storage.nodeconfig import IndexKey


def vault_for_node(seat: VaultSeat) -> bytes:
    """What a storage node must know of the vault: enough to keep it, useless for reading it. Raises NoVault, …"""
    key, descriptor = seat.key(), seat.described()
    return VaultForNode(
        vault_id=descriptor.vault_id,
        token_public_key=descriptor.token_public_key,
        index_keys=tuple(
            IndexKey(domain, epoch, key.domain_keys(domain, epoch).index_key)
            for domain, epoch in domains_of(descriptor)
        ),
        descriptor=descriptor.encode(),
    ).encode()


def node_url(directory: PeerDirectory, chosen: str) -> str:
    """The address of the node that the setting `storage.node` names, by name, id or address.

    Raises StorageNodeUnknown."""
    if chosen.startswith("https://"):
        return chosen.rstrip("/")
    in_use = [peer for peer in directory.of_role(STORAGE) if peer.revoked_at is None and peer.url]
    for peer in in_use:
        if chosen in {peer.id, peer.name}:
            return peer.url
    names = ", ".join(peer.name for peer in in_use)
    raise StorageNodeUnknown(name=chosen, known=f"Enrolled: {names}" if names else "None is enrolled")


def check_choice(directory: PeerDirectory, chosen: str) -> None:
    """Whether a value of the setting `storage.node` names a node; empty: the core itself. Raises StorageNodeUnknown."""
    if chosen:
        node_url(directory, chosen)
