"""Programs that try to break the rules by chance: they run the node's own code, many times, from a seed."""
