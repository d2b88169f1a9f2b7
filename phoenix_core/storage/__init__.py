"""Object stores, the storage node, its services and its clients."""
