"""The backup repository: chunk, block, pack, index, tree, snapshot, prune, verify."""
