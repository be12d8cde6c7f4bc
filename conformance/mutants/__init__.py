"""Broken peers, one fault each: small overrides of the honest node, which named cases have to catch."""
