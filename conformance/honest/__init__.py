"""An honest node, sans IO: the second implementation as a whole, of which mutants are small overrides.

Every check that a requirement asks for stands behind that requirement's id (`rules.Rules.forbid`), so that a broken
peer which leaves it out is one line of data.
"""
