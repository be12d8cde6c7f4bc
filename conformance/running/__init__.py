"""Runs cases: against a target on the network, or against a peer in memory."""
