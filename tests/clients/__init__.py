"""Acceptance by real clients: ``python3 -m tests clients [NAME …]`` (`tests.clients.__main__` says what it does)."""
